"""Parquet: columns have types already; those that do not fit are refused as a whole."""

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet
from pyarrow import types

from mlops.batch.job import Renames
from mlops.batch.parquet_reader import UNREAD
from mlops.batch.reading import (
    Numbers,
    Rows,
    codes_by_name,
    numbers_by_name,
    rename_columns,
    require_columns,
)
from mlops.batch.splitting import Chunk
from mlops.batch.tables import is_text, values_of
from mlops.errors import InputRefused
from mlops.models.rules import Rules


def read_parquet(chunk: Chunk, rules: Rules, renames: Renames) -> Rows:
    """Raises InputRefused for columns or types that do not fit."""
    table = parquet.ParquetFile(pa.BufferReader(chunk.content)).read()
    table = _rename(table, renames)
    require_types(table.schema, rules)
    table = table.combine_chunks()
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}

    texts = {
        rule.name: _encoded(columns[rule.name]) for rule in rules.categories if rule.name in columns
    }

    def value(row: int) -> object:
        found = {name: column[row].as_py() for name, column in columns.items()}
        return {name: cell for name, cell in found.items() if cell is not None}

    return Rows(
        subjects=_subjects(columns[rules.subject.name], rules.subject.longest),
        numbers=numbers_by_name(columns, rules, len(table), partial(map, _numbers)),
        categories=codes_by_name(texts, rules, len(table)),
        well_formed=np.ones(len(table), dtype=np.bool_),
        faults={},
        value=value,
    )


def _rename(table: pa.Table, renames: Renames) -> pa.Table:
    names = rename_columns(table.column_names, renames)
    kept = [place for place, name in enumerate(names) if name is not None]
    return table.select(kept).rename_columns([names[place] for place in kept])


def require_types(schema: pa.Schema, rules: Rules) -> None:
    """Raises InputRefused."""
    require_columns(schema.names, rules)
    numbers = {rule.name for rule in rules.numbers}
    wrong = []
    for field in schema:
        fits, needed = (_is_number, "a number") if field.name in numbers else (is_text, "text")
        # What the reader of the file left out is of no type that could fit.
        unread = (field.metadata or {}).get(UNREAD, b"").decode()
        if unread or not fits(field.type):
            wrong.append(f"{field.name} is {unread or values_of(field.type)}, not {needed}")
    if wrong:
        raise InputRefused(f"columns of the wrong type: {'; '.join(wrong)}")


def _is_number(kind: pa.DataType) -> bool:
    found: bool = types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind)
    return found


def _numbers(column: pa.Array) -> Numbers:
    values = compute.cast(column, pa.float64(), safe=False)
    return Numbers(
        values=values.to_numpy(zero_copy_only=False),
        given=compute.is_valid(column).to_numpy(zero_copy_only=False),
    )


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    if not types.is_dictionary(column.type):
        return compute.cast(column, pa.string()).dictionary_encode()
    texts = compute.cast(column.dictionary, pa.string())
    return pa.DictionaryArray.from_arrays(column.indices, texts)


def _subjects(column: pa.Array, longest: int) -> pa.Array:
    """As texts. One that is too long is left out: many rows may refer to the one copy of it."""
    encoded = _encoded(column)
    texts = encoded.dictionary
    fits = compute.less_equal(compute.utf8_length(texts), longest)
    return compute.if_else(fits, texts, None).take(encoded.indices)
