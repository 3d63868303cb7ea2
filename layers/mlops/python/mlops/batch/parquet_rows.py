"""Parquet: columns have types already; those that do not fit are refused as a whole."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet
from pyarrow import types

from mlops.batch.reading import (
    Numbers,
    Rows,
    codes_by_name,
    numbers_by_name,
    require_columns,
)
from mlops.errors import InputRefused
from mlops.models.rules import Rules


def read_parquet(content: bytes, rules: Rules) -> Rows:
    """Raises InputRefused for columns or types that do not fit."""
    table = parquet.read_table(pa.BufferReader(content)).combine_chunks()
    require_types(table.schema, rules)
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}

    texts = {
        rule.name: compute.cast(columns[rule.name], pa.string()).dictionary_encode()
        for rule in rules.categories
        if rule.name in columns
    }

    def value(row: int) -> object:
        found = {name: column[row].as_py() for name, column in columns.items()}
        return {name: cell for name, cell in found.items() if cell is not None}

    return Rows(
        subjects=compute.cast(columns[rules.subject.name], pa.string()),
        numbers=numbers_by_name(columns, rules, len(table), _numbers),
        categories=codes_by_name(texts, rules, len(table)),
        well_formed=np.ones(len(table), dtype=np.bool_),
        faults={},
        value=value,
    )


def require_types(schema: pa.Schema, rules: Rules) -> None:
    """Raises InputRefused."""
    require_columns(schema.names, rules)
    numbers = {rule.name for rule in rules.numbers}
    wrong = []
    for field in schema:
        fits, needed = (_is_number, "a number") if field.name in numbers else (_is_text, "text")
        if not fits(field.type):
            wrong.append(f"{field.name} is {field.type}, not {needed}")
    if wrong:
        raise InputRefused(f"columns of the wrong type: {'; '.join(wrong)}")


def _is_number(kind: pa.DataType) -> bool:
    found: bool = types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind)
    return found


def _is_text(kind: pa.DataType) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
    found: bool = (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_null(kind)
    )
    return found


def _numbers(column: pa.Array) -> Numbers:
    values = compute.cast(column, pa.float64(), safe=False)
    return Numbers(
        values=values.to_numpy(zero_copy_only=False),
        given=compute.is_valid(column).to_numpy(zero_copy_only=False),
    )
