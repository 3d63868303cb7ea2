"""An input, cut into chunks by rows. What cannot be cut is refused before any row is predicted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlops.batch.gzip_blocks import decompress
from mlops.batch.job import (
    MAX_CHUNK_BYTES,
    MAX_RECORD_BYTES,
    ROWS_PER_CHUNK,
    Format,
    Limits,
)
from mlops.batch.parquet_input import MEMORY, SECONDS, read_chunks
from mlops.batch.parquet_reader import Request
from mlops.batch.reading import refuse_unreadable
from mlops.batch.records import Positions, Records, csv_records, is_open, json_records
from mlops.errors import InputRefused, MalformedJson
from mlops.models.column_names import find_header_fault
from mlops.models.file_kinds import (
    BINARY,
    GZIP,
    HEAD,
    PARQUET,
    advise,
    advise_inside,
    find_array,
    is_binary,
    is_table,
    json_shape,
    recognize,
    table_in_object,
)
from mlops.models.strict_json import parse_line

NO_ROWS = "The input has no rows"

_BLOCK = 4 * 1024 * 1024
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Chunk:
    """At most 10,000 rows, as a small file of the input's plain format.

    first_row: number of its first row in the input, counted from 1.
    first_line: line of the input on which its first row begins; None where there are no lines.
    """

    content: bytes
    rows: int
    first_row: int
    first_line: int | None

    def lines(self, feeds: Positions) -> Positions:
        """feeds: how many line feeds of its content are before each of its rows, of shape (n,)."""
        return feeds - feeds[:1] + (self.first_line or 1)


def split(
    content: bytes, format: Format, limits: Limits, drop: Sequence[str] = ()
) -> Iterator[Chunk]:
    """Yield the chunks of an input in its order; one without rows for a CSV of a header alone.

    Raises InputRefused for an input without rows, beyond a limit, or that is not of its format.
    A CSV without rows is left to its reader: its header may show that it is another file.

    Args:
        drop: Columns that nobody reads. Those of Parquet are left out of the chunks.
    """
    _require_kind(content, format)
    if format is Format.PARQUET:
        chunks = _split_parquet(content, limits, drop)
    else:
        chunks = _split_text(content, format, limits.bytes)
    chunk, rows = None, 0
    for chunk in chunks:
        rows += chunk.rows
        if rows > limits.rows:
            raise InputRefused(f"The input has more than {limits.rows:,} rows")
        yield chunk
    if chunk is None:
        raise InputRefused(NO_ROWS)


def slices(chunk: Chunk, format: Format, rows: int) -> list[Chunk]:
    """Cut a chunk of text into smaller ones of at most so many rows; Parquet is left whole.

    Those of text say how many rows they have, whatever the chunk says. A header without rows is one
    of them.
    """
    if format is Format.PARQUET:
        return [chunk]
    content = chunk.content
    records = _records_of(content, format)
    body = 1 if format is Format.CSV else 0
    header = content[records.starts[0] : records.starts[body]] if len(records) > body else b""
    lines = chunk.lines(records.lines[body:])
    found = []
    for begin in range(body, len(records), rows):
        end = min(begin + rows, len(records))
        found.append(
            Chunk(
                content=header + content[records.starts[begin] : records.ends[end - 1] + 1],
                rows=end - begin,
                first_row=chunk.first_row + begin - body,
                first_line=int(lines[begin - body]),
            )
        )
    return found or [replace(chunk, rows=0)]


def _require_kind(content: bytes, format: Format) -> None:
    """Raises InputRefused for a file of another kind than its format, which is named."""
    head = content[:HEAD]
    if not head:
        raise InputRefused("The input is empty")
    kind = recognize(head)
    if format.compressed:
        if not head.startswith(GZIP):
            other = f"it is {kind}" if kind else "it is not compressed"
            advice = advise(kind) if kind else f"Give it the format {format.plain}"
            raise InputRefused(f"The input is not gzip, {other}. {advice}")
    elif format is Format.PARQUET:
        if not head.startswith(PARQUET):
            other = f"it is {kind}. {advise(kind)}" if kind else "it looks like text"
            raise InputRefused(f"The input is not Parquet, {other}")
    elif kind is not None:
        raise InputRefused(f"The input is {kind}. {advise(kind)}")


def _blocks(content: bytes, format: Format, limit: int) -> Iterator[bytes]:
    """Yield the text, uncompressed and without byte order mark, in blocks.

    The first one holds enough to tell what the text is.
    """
    blocks = _inflate(content, limit) if format.compressed else _cut(content, limit)
    first = next(blocks, b"")
    if not first:
        raise InputRefused("The input is empty")
    if format.compressed and (kind := recognize(first[:HEAD])) is not None:
        raise InputRefused(
            f"The input is compressed, and inside it is {kind}. {advise_inside(kind)}"
        )
    yield first.removeprefix(_MARK)
    yield from blocks


def _cut(content: bytes, limit: int) -> Iterator[bytes]:
    if len(content) > limit:
        raise _too_long(limit)
    for place in range(0, len(content), _BLOCK):
        yield content[place : place + _BLOCK]


def _inflate(content: bytes, limit: int) -> Iterator[bytes]:
    read = 0
    for block in decompress(content, _BLOCK):
        read += len(block)
        if read > limit:
            raise _too_long(limit)
        yield block


def _too_long(limit: int) -> InputRefused:
    return InputRefused(f"The input has more than {limit:,} bytes uncompressed")


def _split_text(content: bytes, format: Format, limit: int) -> Iterator[Chunk]:
    """Raises InputRefused, whatever the bytes make their reader raise."""
    with refuse_unreadable(format):
        blocks = _blocks(content, format, limit)
        for chunk in _chunks(blocks, format.plain, ROWS_PER_CHUNK):
            if chunk.first_row == 1 and format.plain is Format.JSONL:
                _require_some_object(chunk)
            yield chunk


def _chunks(blocks: Iterator[bytes], format: Format, rows: int) -> Iterator[Chunk]:
    is_csv = format is Format.CSV
    header = b""
    growing = _Growing(rows)
    line, rest = 1, b""
    for number, block in enumerate(_until_end(blocks)):
        text = rest + block
        if number == 0 and is_csv:
            _require_csv(text[:MAX_RECORD_BYTES])
        records = _records_of(text, format, line)
        _require_short(text, records, line, format)
        skip = 0
        if is_csv and not header and len(records):
            header = text[records.starts[0] : records.ends[0]] + b"\n"
            skip = 1
        yield from growing.add(text, records, skip, line, header)
        line += records.used_lines
        rest = text[records.used :]
    if is_csv and is_open(rest):
        raise InputRefused(
            "a quote that is never closed. Close it, or double it within a text", line
        )
    yield from growing.end(header)


def _require_csv(head: bytes) -> None:
    """Raises InputRefused where the first line shows that this is not CSV with commas.

    Records are looked for later: in a file of other cells, quotes would be found wrong first.
    """
    text = head.lstrip(b"\r\n")
    if text.startswith((b"{", b"[")):
        raise InputRefused(
            "The input looks like JSON, not CSV. Give JSON lines the format jsonl, or end their"
            " name with .jsonl"
        )
    line = text.partition(b"\n")[0].partition(b"\r")[0]
    if is_binary(line):
        raise InputRefused(f"The input is {BINARY}. {advise(BINARY)}")
    fault = find_header_fault(line.decode(errors="replace"))
    if fault is not None:
        raise InputRefused(fault, 1 + head[: len(head) - len(text)].count(b"\n"))


def _require_some_object(chunk: Chunk) -> None:
    """Check the first chunk of JSON lines.

    Raises InputRefused where none of its lines is an object, one line holds all rows, or the lines
    together are one array.
    """
    if array := find_array(chunk.content[:HEAD]):
        raise InputRefused(array)
    reason = ""
    records = json_records(chunk.content)
    lines = chunk.lines(records.lines).tolist()
    ends = zip(records.starts.tolist(), records.ends.tolist(), strict=True)
    for line, (start, end) in zip(lines, ends, strict=True):
        try:
            row = parse_line(chunk.content[start:end])
        except MalformedJson as error:
            reason = reason or f"line {line}: {error}"
            continue
        if isinstance(row, dict):
            if chunk.rows == 1 and is_table(row):
                raise InputRefused(table_in_object())
            return
        reason = reason or f"line {line} is no object"
    head = chunk.content[:HEAD]
    if is_binary(head.partition(b"\n")[0]):
        raise InputRefused(f"The input is {BINARY}. {advise(BINARY)}")
    shape = json_shape(head)
    which = (
        "its only row is no" if chunk.rows == 1 else f"none of its first {chunk.rows:,} rows is a"
    )
    raise InputRefused(shape or f"The input is not JSON lines: {which} JSON object ({reason})")


def _records_of(text: bytes, format: Format, line: int = 1) -> Records:
    return csv_records(text, line) if format is Format.CSV else json_records(text)


def _until_end(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the blocks, and the line feed that the last line lacks, as it counts all the same."""
    end = b""
    for block in blocks:
        yield block
        end = block[-1:]
    if end != b"\n":
        yield b"\n"


def _require_short(text: bytes, records: Records, line: int, format: Format) -> None:
    long = np.flatnonzero(records.ends - records.starts > MAX_RECORD_BYTES)
    if len(long):
        at = line + int(records.lines[long[0]])
    elif len(text) - records.used > MAX_RECORD_BYTES:
        at = line + records.used_lines
    else:
        return
    shape = json_shape(text[:HEAD]) if format is Format.JSONL and at == 1 else None
    if shape is not None:
        raise InputRefused(shape)
    hint = "; is a quote not closed?" if format is Format.CSV else ""
    raise InputRefused(f"a row of more than {MAX_RECORD_BYTES:,} bytes{hint}", at)


class _Growing:
    """The chunk that is being filled."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: list[bytes] = []
        self._bytes = 0
        self._rows = 0
        self._first_row = 1
        self._first_line: int | None = None

    def add(
        self, text: bytes, records: Records, skip: int, line: int, header: bytes
    ) -> Iterator[Chunk]:
        """Take the records from number `skip` on, of a text that begins on `line`.

        Blank lines between them come along, so that the lines of a chunk can be counted.
        """
        begin = int(records.ends[skip - 1]) + 1 if skip else 0
        while skip < len(records):
            taken = min(self._size - self._rows, len(records) - skip)
            end = int(records.ends[skip + taken - 1]) + 1
            if self._first_line is None:
                begin = int(records.starts[skip])
                self._first_line = line + int(records.lines[skip])
            self._take(text[begin:end])
            self._rows += taken
            skip += taken
            begin = end
            if self._rows == self._size:
                yield self._chunk(header)
        if self._rows:
            self._take(text[begin : records.used])

    def _take(self, text: bytes) -> None:
        self._bytes += len(text)
        if self._bytes > MAX_CHUNK_BYTES:
            raise _too_large()
        self._parts.append(text)

    def end(self, header: bytes) -> Iterator[Chunk]:
        """Yield the last chunk; for a header without rows it is the only one."""
        if self._rows or (header and self._first_row == 1):
            yield self._chunk(header)

    def _chunk(self, header: bytes) -> Chunk:
        chunk = Chunk(
            content=b"".join([header, *self._parts]),
            rows=self._rows,
            first_row=self._first_row,
            first_line=self._first_line,
        )
        self._first_row += self._rows
        self._parts, self._bytes, self._rows, self._first_line = [], 0, 0, None
        return chunk


def _split_parquet(content: bytes, limits: Limits, drop: Sequence[str]) -> Iterator[Chunk]:
    request = Request(
        rows=limits.rows,
        uncompressed=limits.bytes,
        rows_per_chunk=ROWS_PER_CHUNK,
        chunk_bytes=MAX_CHUNK_BYTES,
        drop=drop,
        memory=MEMORY,
        seconds=SECONDS,
    )
    first_row = 1
    for written, rows in read_chunks(content, request):
        yield Chunk(written, rows, first_row, None)
        first_row += rows


def _too_large() -> InputRefused:
    return InputRefused(
        f"{ROWS_PER_CHUNK:,} rows of the input have more than {MAX_CHUNK_BYTES:,} bytes"
    )
