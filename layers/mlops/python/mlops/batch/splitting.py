"""An input, cut into chunks by rows. What cannot be cut is refused before any row is predicted."""

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet

from mlops.batch.job import ROWS_PER_CHUNK, Format, Limits
from mlops.batch.records import Positions, Records, csv_records, is_open, json_records
from mlops.batch.tables import as_parquet, is_text
from mlops.errors import InputRefused

MAX_RECORD_BYTES = 64 * 1024
MAX_CHUNK_BYTES = 16 * 1024 * 1024
"""Of 10,000 rows. A real row has some hundred bytes; without this, a small archive could hold
rows that fill all memory."""

_BLOCK = 4 * 1024 * 1024
_PARQUET_ROWS = 1_000
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

    def lines(self, feeds: Positions) -> Positions:
        """feeds: how many line feeds of its content are before each of its rows, of shape (n,)."""
        return feeds - feeds[:1] + (self.first_line or 1)


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
    """Cut a chunk of text into smaller ones of at most so many rows; Parquet is left whole.

    Those of text say how many rows they have, whatever the chunk says.
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
    return found


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
        records = _records_of(text, format, line)
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


def _records_of(text: bytes, format: Format, line: int = 1) -> Records:
    return csv_records(text, line) if format is Format.CSV else json_records(text)


def _until_end(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The last line counts too where no line feed ends it; one more makes a blank line."""
    yield from blocks
    yield b"\n"


def _require_short(text: bytes, records: Records, line: int) -> None:
    long = np.flatnonzero(records.ends - records.starts > MAX_RECORD_BYTES)
    if len(long):
        at = line + int(records.lines[long[0]])
    elif len(text) - records.used > MAX_RECORD_BYTES:
        at = line + records.used_lines
    else:
        return
    raise InputRefused(f"a row of more than {MAX_RECORD_BYTES:,} bytes; is a quote not closed?", at)


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
        self._parts, self._bytes, self._rows, self._first_line = [], 0, 0, None
        return chunk


def _split_parquet(content: bytes, limits: Limits) -> Iterator[Chunk]:
    try:
        file = _parquet_file(content)
        about = file.metadata
        groups = (about.row_group(number) for number in range(about.num_row_groups))
        if sum(group.total_byte_size for group in groups) > limits.bytes:
            raise InputRefused(f"The input has more than {limits.bytes:,} bytes uncompressed")
        if about.num_rows > limits.rows:
            raise InputRefused(f"The input has more than {limits.rows:,} rows")
        first_row = 1
        for table in _tables(file):
            # A column whose dictionaries differ is written with each text where it stands.
            written = as_parquet(table.unify_dictionaries())
            if len(written) > MAX_CHUNK_BYTES:
                raise _too_large()
            yield Chunk(written, len(table), first_row, None)
            first_row += len(table)
    except (pa.ArrowException, OSError) as error:
        raise InputRefused(f"The input is not Parquet: {_first_line(error)}") from error


def _parquet_file(content: bytes) -> parquet.ParquetFile:
    """Texts that repeat stay references to one copy, or a few bytes could become gigabytes."""
    reader = pa.BufferReader(content)
    texts = [
        field.name
        for field in parquet.read_schema(reader)
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    return parquet.ParquetFile(reader, read_dictionary=texts)


def _tables(file: parquet.ParquetFile) -> Iterator[pa.Table]:
    """10,000 rows each, whatever groups they were written in: batches may end where groups do."""
    held: list[pa.RecordBatch] = []
    for batch in map(_compact, file.iter_batches(batch_size=_PARQUET_ROWS)):
        if batch.nbytes > MAX_CHUNK_BYTES:
            raise _too_large()
        while (missing := ROWS_PER_CHUNK - sum(map(len, held))) <= len(batch):
            yield pa.Table.from_batches([*held, batch.slice(0, missing)])
            held, batch = [], batch.slice(missing)
        if len(batch):
            held.append(batch)
    if held:
        yield pa.Table.from_batches(held)


def _compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """With no texts but its own: a dictionary has those of all batches of its row group so far.

    Raises InputRefused for texts that are not UTF-8.
    """
    columns = [*map(_with_its_own_texts, batch.columns)]
    for name, column in zip(batch.schema.names, columns, strict=True):
        if is_text(column.type):
            try:
                column.validate(full=True)
            except pa.ArrowInvalid as error:
                raise InputRefused(f"column {name} holds texts that are not UTF-8") from error
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _with_its_own_texts(column: pa.Array) -> pa.Array:
    if not pa.types.is_dictionary(column.type):
        return column
    used = column.indices.unique().drop_null()
    places = compute.index_in(column.indices, value_set=used)
    return pa.DictionaryArray.from_arrays(places, column.dictionary.take(used))


def _too_large() -> InputRefused:
    return InputRefused(f"{ROWS_PER_CHUNK:,} rows of more than {MAX_CHUNK_BYTES:,} bytes")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
