"""The program that reads a caller's Parquet file: a process of its own, with a limit of memory.

What a Parquet file says about its size is not to be trusted, and its decoders may take any memory,
or crash. Here they can do neither to the worker: this process has a bound that the system keeps,
and its end is a refusal of the file. `parquet_input` starts it and reads what it writes.

Standard input: a `Request` and the file. Standard output: frames, see `write_frame`.
"""

import json
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import IO

import numpy  # noqa: F401 -- loaded before there is a limit: some casts ask for it
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet
from pyarrow import types

READY, CHUNK, REFUSED, END = b"SCRE"
"""Kinds of frames: the program runs; a chunk; why the file is refused; there is no more."""

HEADER = struct.Struct("<BQQ")
"""Of a frame: its kind, the number of rows, the number of bytes that follow."""

LENGTHS = struct.Struct("<QQ")
"""Of standard input: bytes of the request, bytes of the file."""

TOO_MUCH_MEMORY = "Reading the Parquet file takes too much memory"
UNREAD = b"type"
"""Key of a field's metadata: the type of a column that no contract has, and that was not read."""

_MAX_COLUMNS = 1_000
_MAX_TYPE = 100
_DELTAS = frozenset({"DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"})
_ROWS = 1_000
"""Rows that are decoded at a time."""


@dataclass(frozen=True)
class Request:
    """What to read, and what it may take.

    rows, uncompressed: limits of the whole file.
    rows_per_chunk, chunk_bytes: limits of each chunk.
    drop: columns that are left out.
    memory: bytes that this process may have beside what its code takes.
    seconds: of processor time.
    """

    rows: int
    uncompressed: int
    rows_per_chunk: int
    chunk_bytes: int
    drop: Sequence[str]
    memory: int
    seconds: int

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class _Refused(Exception):
    """In words for the submitter."""


def main() -> None:
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    write_frame(sink, READY)
    request_size, size = LENGTHS.unpack(source.read(LENGTHS.size))
    request = Request(**json.loads(source.read(request_size)))
    # From here on native code may print what it likes about a stranger's file.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    _limit(request)
    try:
        _read(source, sink, size, request)
    except BrokenPipeError:
        return  # the worker wants no more
    except _Refused as error:
        write_frame(sink, REFUSED, str(error).encode())
    except MemoryError:
        write_frame(sink, REFUSED, TOO_MUCH_MEMORY.encode())
    # Whatever else its bytes can make a decoder raise.
    except Exception as error:
        reason = f"The input is not Parquet that can be read: {_first_line(error)}"
        write_frame(sink, REFUSED, reason.encode("utf-8", "replace"))


def write_frame(sink: IO[bytes], kind: int, payload: bytes = b"", rows: int = 0) -> None:
    sink.write(HEADER.pack(kind, rows, len(payload)))
    sink.write(payload)
    sink.flush()


def _limit(request: Request) -> None:
    if sys.platform != "linux":  # elsewhere the system does not keep such a limit
        return
    import resource
    from pathlib import Path

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + request.memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (request.seconds, request.seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(source: IO[bytes], sink: IO[bytes], size: int, request: Request) -> None:
    content = bytearray(size)
    if _fill(source, memoryview(content)) < size:
        return
    for table in split(pa.py_buffer(content), request):
        write_frame(sink, CHUNK, _as_parquet(table, request.chunk_bytes), len(table))
    write_frame(sink, END)


def _fill(source: IO[bytes], view: memoryview) -> int:
    place = 0
    while place < len(view):
        count = source.readinto(view[place : place + 1024 * 1024])  # type: ignore[attr-defined]
        if not count:
            break
        place += count
    return place


def split(content: pa.Buffer, request: Request) -> Iterator[pa.Table]:
    """Yield the rows in tables of `rows_per_chunk`; raise whatever the file brings about."""
    about = parquet.read_metadata(pa.BufferReader(content))
    if about.num_rows > request.rows:
        raise _Refused(f"The input has more than {request.rows:,} rows")
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > request.uncompressed:
        raise _Refused(f"The input has more than {request.uncompressed:,} bytes uncompressed")
    fields = [*_fields(content)]
    kept = [field for field in fields if field.name not in request.drop]
    if len(kept) > _MAX_COLUMNS:
        raise _Refused(f"The input has more than {_MAX_COLUMNS:,} columns")
    names = [field.name for field in kept]
    readable = [
        field.name for field in kept if names.count(field.name) == 1 and _is_readable(field.type)
    ]
    schema = pa.schema([_placeholder(field) for field in kept])
    if not readable:
        # Enough for the worker to say what is wrong with the columns.
        if about.num_rows > 0:
            yield _table({}, schema, min(about.num_rows, request.rows_per_chunk))
        return
    shortened = _shortened(groups)
    file = parquet.ParquetFile(
        pa.BufferReader(content),
        # Texts that repeat stay references to one copy, or a few bytes could become gigabytes.
        read_dictionary=[
            field.name for field in kept if _is_utf8(field.type) and field.name not in shortened
        ],
    )
    batches = file.iter_batches(batch_size=_ROWS, columns=readable, use_threads=False)
    tables = (_columns(batch, readable, request.chunk_bytes) for batch in batches)
    for group in _regroup(tables, request.rows_per_chunk):
        together = pa.concat_tables(group)
        columns = {name: together.column(name) for name in readable}
        yield _table(columns, schema, len(together))


def _shortened(groups: Sequence[parquet.RowGroupMetaData]) -> set[str]:
    """The columns whose texts are written as what differs from the text or length before.

    Arrow cannot read them into dictionaries. Each text gets a copy, which the limits hold for.
    """
    chunks = (group.column(place) for group in groups for place in range(group.num_columns))
    return {chunk.path_in_schema for chunk in chunks if _DELTAS.intersection(chunk.encodings)}


def _fields(content: pa.Buffer) -> Iterator[pa.Field]:
    try:
        for field in parquet.read_schema(pa.BufferReader(content)):
            field.name.encode()
            yield field
    except UnicodeDecodeError as error:
        raise _Refused("The name of a column is not UTF-8. Rename it in the file") from error


def is_list(kind: pa.DataType) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _is_readable(kind: pa.DataType) -> bool:
    """Whether some field may have values of a type; other columns are named, and not decoded."""
    kind = _values_of(kind)
    return bool(
        _is_number(kind)
        or (is_list(kind) and _is_number(kind.value_type))
        or types.is_boolean(kind)
        or types.is_date(kind)
        or (types.is_timestamp(kind) and kind.tz is None)
        or types.is_null(kind)
        or _is_utf8(kind)
        or types.is_string_view(kind)
        or _is_bytes(kind)
    )


def _values_of(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if types.is_dictionary(kind) else kind


def _is_utf8(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    """Older writers (Impala, Hive) do not say that such a column holds texts."""
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _placeholder(field: pa.Field) -> pa.Field:
    name = str(field.type)
    short = name if len(name) <= _MAX_TYPE else f"{name[:_MAX_TYPE]}..."
    return pa.field(field.name, pa.null(), metadata={UNREAD: short.encode()})


def _table(columns: dict[str, pa.ChunkedArray], schema: pa.Schema, rows: int) -> pa.Table:
    """All columns in the file's order, those that were not read without values."""
    fields, arrays = [], []
    for field in schema:
        column = columns.get(field.name)
        fields.append(field if column is None else pa.field(field.name, column.type))
        arrays.append(pa.nulls(rows) if column is None else column)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _columns(batch: pa.RecordBatch, names: list[str], most: int) -> pa.Table:
    """The batch with numbers and texts of the types that a chunk has, and no texts but its own."""
    if sorted(batch.schema.names) != sorted(names):
        raise _Refused("The names of some columns contain dots. Rename them in the file")
    table = pa.table({name: _plain(name, batch.column(name)) for name in names})
    if table.nbytes > most:
        raise _too_large(_ROWS, most)
    return table


def _plain(name: str, column: pa.Array) -> pa.Array:
    kind = column.type
    if types.is_dictionary(kind) and not _is_utf8(kind.value_type):
        return _plain(name, column.dictionary_decode())
    if types.is_float16(kind):
        return compute.cast(column, pa.float64())
    try:
        if types.is_string_view(kind) or _is_bytes(kind):
            column = compute.cast(column, pa.string())
        elif types.is_dictionary(kind):
            used = column.indices.unique().drop_null()
            places = compute.index_in(column.indices, value_set=used)
            column = pa.DictionaryArray.from_arrays(places, column.dictionary.take(used))
            column.dictionary.validate(full=True)
        elif _is_utf8(kind):
            column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise _Refused(f"column {name[:64]} holds texts that are not UTF-8") from error
    return column


def _regroup(tables: Iterable[pa.Table], rows: int) -> Iterator[list[pa.Table]]:
    """Lists that have so many rows each: batches may end where row groups end."""
    held: list[pa.Table] = []
    for table in tables:
        while (missing := rows - sum(map(len, held))) <= len(table):
            yield [*held, table.slice(0, missing)]
            held, table = [], table.slice(missing)
        if len(table):
            held.append(table)
    if held:
        yield held


def _as_parquet(table: pa.Table, most: int) -> bytes:
    # A column whose dictionaries differ is written with each text where it stands.
    sink = pa.BufferOutputStream()
    parquet.write_table(table.unify_dictionaries(), sink)
    if sink.tell() > most:
        raise _too_large(len(table), most)
    return bytes(sink.getvalue())


def _too_large(rows: int, most: int) -> _Refused:
    return _Refused(f"{rows:,} rows of the input have more than {most:,} bytes")


def _first_line(error: Exception) -> str:
    line = str(error).partition("\n")[0][:200]
    return line if line.isprintable() else ascii(line)


if __name__ == "__main__":
    main()
