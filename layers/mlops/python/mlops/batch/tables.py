"""Tables as files of each format, and files of chunks as one."""

import io
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet
from pyarrow import types

from mlops.batch.job import Format
from mlops.batch.records import csv_records, json_records

_GZIP = zlib.MAX_WBITS | 16
# What a spreadsheet takes for a formula: https://owasp.org/www-community/attacks/CSV_Injection
_RISKY = pa.array([*"'=+-@\t\r\n＝＋－＠"])
_NUMBER = r"\A[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\z"


def to_bytes(table: pa.Table, format: Format, foreign: str | None, escape_formulas: bool) -> bytes:
    """Return a file of the format's plain kind.

    In CSV, a column of several numbers becomes one column for each, `probabilities.<class>`.

    foreign: the column of texts that strangers chose, if there is one.
    escape_formulas: in CSV, keep a spreadsheet from running these.
    """
    if format.plain is Format.JSONL:
        return _as_json(table)
    if format is Format.PARQUET:
        return as_parquet(table)
    sink = pa.BufferOutputStream()
    if escape_formulas and foreign is not None:
        table = _escape(table, foreign)
    arrow_csv.write_csv(table.flatten(), sink)
    return bytes(sink.getvalue())


def merge(parts: Iterable[bytes], format: Format) -> Iterator[bytes]:
    """Yield the blocks of one file made of the files of chunks; there is at least one.

    No more than one part is held at a time. Equal parts give equal bytes.
    """
    if format is Format.PARQUET:
        yield from _merge_parquet(parts)
        return
    blocks = _without_header(parts) if format.plain is Format.CSV else parts
    yield from _compress(blocks) if format.compressed else blocks


def first_records(content: bytes, limit: int, format: Format) -> tuple[bytes, int]:
    """Return a file of the first `limit` records of a file, and how many these are."""
    if format is Format.PARQUET:
        table = parquet.read_table(pa.BufferReader(content))
        if len(table) <= limit:
            return content, len(table)
        return as_parquet(table.slice(0, limit)), limit
    header = 1 if format.plain is Format.CSV else 0
    records = csv_records(content) if header else json_records(content)
    found = len(records) - header
    if found <= limit:
        return content, found
    last = limit + header - 1
    return (content[: records.ends[last] + 1] if last >= 0 else b""), limit


def _merge_parquet(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Each part becomes a row group, so that none but the last is held."""
    sink, writer = _Sink(), None
    for part in parts:
        table = parquet.read_table(pa.BufferReader(part))
        if writer is None:
            writer = parquet.ParquetWriter(sink, table.schema)
        if len(table):
            writer.write_table(table, row_group_size=len(table))
        yield sink.take()
    if writer is not None:
        writer.close()
    yield sink.take()


class _Sink(io.RawIOBase):
    """A file that only grows, and whose new bytes are taken away as they come."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, block: Any) -> int:
        self._blocks.append(bytes(block))
        self._position += len(block)
        return len(block)

    def take(self) -> bytes:
        taken = b"".join(self._blocks)
        self._blocks.clear()
        return taken


def _compress(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield gzip. It says no time of day, so the same content is the same file."""
    compressor = zlib.compressobj(wbits=_GZIP)
    for block in blocks:
        yield compressor.compress(block)
    yield compressor.flush()


def _without_header(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the parts of a CSV file; only the first keeps its header, which all have."""
    header = 0
    for part in parts:
        yield part[header:]
        header = header or int(csv_records(part).ends[0]) + 1  # a name may have line feeds


def _escape(table: pa.Table, name: str) -> pa.Table:
    """Put an apostrophe before each text that a spreadsheet would run.

    A number is left as it is: it runs nothing, and ids are telephone numbers at times. A text that
    begins with an apostrophe gets one more, so the first apostrophe of a cell is always ours.
    """
    texts = table.column(name)
    risky = compute.is_in(compute.utf8_slice_codeunits(texts, 0, 1), _RISKY)
    if not compute.any(risky).as_py():
        return table
    risky = compute.and_not(risky, compute.match_substring_regex(texts, _NUMBER))
    escaped = compute.if_else(risky, compute.binary_join_element_wise("'", texts, ""), texts)
    return table.set_column(table.schema.get_field_index(name), name, escaped)


def is_text(kind: pa.DataType) -> bool:
    """Also where each row refers to its text in a dictionary; and where there is none at all."""
    kind = values_of(kind)
    found: bool = (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_null(kind)
    )
    return found


def values_of(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if types.is_dictionary(kind) else kind


def as_parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    return bytes(sink.getvalue())


def _as_json(table: pa.Table) -> bytes:
    """One object a line; a null is left out."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    names = table.column_names
    columns = [table.column(name).to_pylist() for name in names]
    lines = (
        encode({name: cell for name, cell in zip(names, row, strict=True) if cell is not None})
        for row in zip(*columns, strict=True)
    )
    return "".join(f"{line}\n" for line in lines).encode()
