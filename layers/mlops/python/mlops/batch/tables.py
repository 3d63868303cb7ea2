"""Tables as files of each format, and files of chunks as one."""

import gzip
import json
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet
from pyarrow import types

from mlops.batch.job import Format

# What a spreadsheet takes for a formula: https://owasp.org/www-community/attacks/CSV_Injection
_RISKY = pa.array([*"'=+-@\t\r\n＝＋－＠"])
_NUMBER = r"\A[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\z"


def to_bytes(table: pa.Table, format: Format, foreign: str, escape_formulas: bool) -> bytes:
    """A file of the format's plain kind.

    foreign: the column of texts that strangers chose.
    escape_formulas: in CSV, keep a spreadsheet from running these.
    """
    if format.plain is Format.JSONL:
        return _as_json(table)
    if format is Format.PARQUET:
        return as_parquet(table)
    sink = pa.BufferOutputStream()
    arrow_csv.write_csv(_escape(table, foreign) if escape_formulas else table, sink)
    return bytes(sink.getvalue())


def merge(parts: Sequence[bytes], format: Format) -> bytes:
    """The files of a job's chunks as one file of its format; there is at least one."""
    if len(parts) == 1 and not format.compressed:
        return parts[0]
    if format is Format.PARQUET:
        tables = [parquet.read_table(pa.BufferReader(part)) for part in parts]
        return as_parquet(pa.concat_tables(tables))
    merged = b"".join(_without_header(parts) if format.plain is Format.CSV else parts)
    # Without the time of day, the same content is the same file.
    return gzip.compress(merged, mtime=0) if format.compressed else merged


def _without_header(parts: Sequence[bytes]) -> Iterable[bytes]:
    yield parts[0]
    for part in parts[1:]:
        yield part[part.index(b"\n") + 1 :]


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
