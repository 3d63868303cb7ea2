"""An input, cut into chunks by rows. What cannot be cut is refused before any row is predicted."""

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as parquet

from mlops.batch.job import ROWS_PER_CHUNK, Format, Limits
from mlops.batch.records import MAX_RECORD_BYTES, Records, csv_records, is_open, json_records
from mlops.errors import InputRefused

_BLOCK = 4 * 1024 * 1024
_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


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


def split(content: bytes, format: Format, limits: Limits) -> Iterator[Chunk]:
    """Yield the chunks of an input in its order.

    Raises InputRefused for an input without rows, beyond a limit, or that is not of its format.
    """
    if format is Format.PARQUET:
        chunks = _split_parquet(content, limits)
    else:
        blocks = _blocks(content, format.compressed, limits.bytes)
        chunks = _split_text(blocks, format.plain, ROWS_PER_CHUNK)
    rows = 0
    for chunk in chunks:
        rows += chunk.rows
        if rows > limits.rows:
            raise InputRefused(f"The input has more than {limits.rows:,} rows")
        yield chunk
    if rows == 0:
        raise InputRefused("The input has no rows")


def slices(chunk: Chunk, format: Format, rows: int) -> list[Chunk]:
    """Cut a chunk of text into smaller ones of so many rows; Parquet is left whole."""
    if format is Format.PARQUET or chunk.rows <= rows:
        return [chunk]
    found = list(_split_text(iter([chunk.content]), format, rows))
    return [
        replace(
            part,
            first_row=chunk.first_row + part.first_row - 1,
            first_line=_shifted(part.first_line, found[0].first_line, chunk.first_line),
        )
        for part in found
    ]


def _shifted(line: int | None, first: int | None, begin: int | None) -> int | None:
    """A line of a chunk as a line of its input, where the chunk's `first` one is `begin`."""
    return None if line is None or first is None or begin is None else begin + line - first


def _blocks(content: bytes, compressed: bool, limit: int) -> Iterator[bytes]:
    """The text, uncompressed, in blocks; its byte order mark left out."""
    file: io.BufferedIOBase = io.BytesIO(content)
    if compressed:
        file = gzip.GzipFile(fileobj=file)
    read, first = 0, True
    try:
        while block := file.read(_BLOCK):
            read += len(block)
            if read > limit:
                raise InputRefused(f"The input has more than {limit:,} bytes uncompressed")
            if first and block.startswith(_UTF_16):
                raise InputRefused("The input is UTF-16; UTF-8 is needed")
            yield block.removeprefix(_MARK) if first else block
            first = False
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputRefused(f"The input is not gzip, or cut off: {error}") from error
    if first:
        raise InputRefused("The input is empty")


def _split_text(blocks: Iterator[bytes], format: Format, rows: int) -> Iterator[Chunk]:
    is_csv = format is Format.CSV
    header = b""
    growing = _Growing(rows)
    line, rest = 1, b""
    for block in _until_end(blocks):
        text = rest + block
        records = csv_records(text, line) if is_csv else json_records(text)
        _require_short(text, records, line)
        skip = 0
        if is_csv and not header and len(records):
            header = text[records.starts[0] : records.ends[0]] + b"\n"
            skip = 1
        yield from growing.add(text, records, skip, line, header)
        line += records.used_lines
        rest = text[records.used :]
    if is_csv and is_open(rest):
        raise InputRefused("a quote that is never closed", line)
    yield from growing.end(header)


def _until_end(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The last line counts too where no line feed ends it; one more makes a blank line."""
    yield from blocks
    yield b"\n"


def _require_short(text: bytes, records: Records, line: int) -> None:
    longest = int((records.ends - records.starts).max(initial=0))
    if max(longest, len(text) - records.used - _BLOCK) > MAX_RECORD_BYTES:
        raise InputRefused(
            f"a row of more than {MAX_RECORD_BYTES:,} bytes; is a quote not closed?", line
        )


class _Growing:
    """The chunk that is being filled."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: list[bytes] = []
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
            self._parts.append(text[begin:end])
            self._rows += taken
            skip += taken
            begin = end
            if self._rows == self._size:
                yield self._chunk(header)
        if self._rows:
            self._parts.append(text[begin : records.used])

    def end(self, header: bytes) -> Iterator[Chunk]:
        if self._rows:
            yield self._chunk(header)

    def _chunk(self, header: bytes) -> Chunk:
        chunk = Chunk(
            content=b"".join([header, *self._parts]),
            rows=self._rows,
            first_row=self._first_row,
            first_line=self._first_line,
        )
        self._first_row += self._rows
        self._parts, self._rows, self._first_line = [], 0, None
        return chunk


def _split_parquet(content: bytes, limits: Limits) -> Iterator[Chunk]:
    try:
        file = parquet.ParquetFile(pa.BufferReader(content))
        about = file.metadata
        groups = (about.row_group(number) for number in range(about.num_row_groups))
        if sum(group.total_byte_size for group in groups) > limits.bytes:
            raise InputRefused(f"The input has more than {limits.bytes:,} bytes uncompressed")
        if about.num_rows > limits.rows:
            raise InputRefused(f"The input has more than {limits.rows:,} rows")
        first_row = 1
        for batch in file.iter_batches(batch_size=ROWS_PER_CHUNK):
            yield Chunk(_as_parquet(pa.Table.from_batches([batch])), len(batch), first_row, None)
            first_row += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise InputRefused(f"The input is not Parquet: {_first_line(error)}") from error


def _as_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    return bytes(sink.getvalue())


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
