"""Parquet: columns have types already; those that do not fit are refused as a whole."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet
from pyarrow import types

from mlops.batch.job import Renames
from mlops.batch.parquet_reader import UNREAD, is_list
from mlops.batch.reading import (
    Cells,
    Rows,
    absent,
    integers_of,
    rename_columns,
    require_columns,
    spread,
    to_cells,
)
from mlops.batch.splitting import Chunk
from mlops.batch.tables import is_text, values_of
from mlops.errors import InputRefused
from mlops.models.contract import Contract, FieldType, RequestField

_FIRST, _LAST = np.datetime64("0001-01-01"), np.datetime64("9999-12-31")
_EXACT = 2.0**53
"""From here on, different integers are the same float."""


def read_parquet(chunk: Chunk, contract: Contract, renames: Renames) -> Rows:
    """Raises InputRefused for columns or types that do not fit."""
    table = parquet.ParquetFile(pa.BufferReader(chunk.content)).read()
    table = _rename(table, renames)
    require_types(table.schema, contract)
    table = table.combine_chunks()
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}

    def value(row: int) -> object:
        found = {name: _json_value(column, row) for name, column in columns.items()}
        return {name: cell for name, cell in found.items() if cell is not None}

    return Rows(
        subjects=_subjects(columns, contract),
        cells={
            field.name: _cells(columns[field.name], field)
            if field.name in columns
            else absent(field, len(table))
            for field in contract.encoder.fields
        },
        well_formed=np.ones(len(table), dtype=np.bool_),
        faults={},
        value=value,
    )


def _rename(table: pa.Table, renames: Renames) -> pa.Table:
    names = rename_columns(table.column_names, renames)
    kept = [place for place, name in enumerate(names) if name is not None]
    return table.select(kept).rename_columns([names[place] for place in kept])


def require_types(schema: pa.Schema, contract: Contract) -> None:
    """Raises InputRefused."""
    require_columns(schema.names, contract)
    wrong = []
    for field in schema:
        fits, needed = _NEEDED[contract.by_name[field.name].type]
        # What the reader of the file left out is of no type that could fit.
        unread = (field.metadata or {}).get(UNREAD, b"").decode()
        if unread or not fits(field.type):
            wrong.append(f"{field.name} is {unread or values_of(field.type)}, not {needed}")
    if wrong:
        raise InputRefused(f"columns of the wrong type: {'; '.join(wrong)}")


def _is_number(kind: pa.DataType) -> bool:
    found: bool = (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )
    return found


def _is_boolean(kind: pa.DataType) -> bool:
    found: bool = types.is_boolean(kind) or types.is_null(kind)
    return found


def _is_date(kind: pa.DataType) -> bool:
    """Whether a column may hold dates: as such, as moments of which each is a midnight, or texts.

    Moments of a time zone are left out, since their day depends on the reader's.
    """
    return _is_moment(kind) or is_text(kind)


def _is_list_of_numbers(kind: pa.DataType) -> bool:
    found: bool = types.is_null(kind) or (is_list(kind) and _is_number(kind.value_type))
    return found


def _is_moment(kind: pa.DataType) -> bool:
    found: bool = types.is_date(kind) or (types.is_timestamp(kind) and kind.tz is None)
    return found


_NEEDED: Mapping[FieldType, tuple[Callable[[pa.DataType], bool], str]] = {
    "integer": (_is_number, "a number"),
    "number": (_is_number, "a number"),
    "boolean": (_is_boolean, "a boolean"),
    "category": (is_text, "text"),
    "text": (is_text, "text"),
    "date": (_is_date, "a date"),
    "list of numbers": (_is_list_of_numbers, "a list of numbers"),
}


def _cells(column: pa.Array, field: RequestField) -> Cells:
    given = compute.is_valid(column).to_numpy(zero_copy_only=False)
    if _is_moment(column.type):
        found = Cells(_days(column), given)
    elif field.type in ("category", "date"):
        texts = _encoded(column)
        found = spread(texts, to_cells(texts.dictionary.to_pylist(), field))
    else:
        if types.is_decimal(column.type):
            # By way of text: it gives the number nearest to what is written, as in JSON.
            column = compute.cast(column, pa.string())
        numbers = compute.cast(column, pa.float64(), safe=False)
        found = Cells(numbers.to_numpy(zero_copy_only=False), given)
    return found.with_default(field, given)


def _days(column: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return days since 1970-01-01; NaN where there is none, or the moment is no midnight."""
    moments = column.to_numpy(zero_copy_only=False)
    days = moments.astype("datetime64[D]")
    are_dates = (days == moments) & (days >= _FIRST) & (days <= _LAST)
    return np.where(are_dates, days.astype(np.int64), np.nan)


def _json_value(column: pa.Array, row: int) -> object:
    """Return a cell as the API would get it."""
    cell = column[row]
    if not cell.is_valid:
        return None
    if _is_moment(column.type):
        moment = column[row : row + 1].to_numpy(zero_copy_only=False)[0]
        day = moment.astype("datetime64[D]")
        return str(day if day == moment else moment)
    value = cell.as_py()
    return [*map(_json_number, value)] if isinstance(value, list) else _json_number(value)


def _json_number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    if not types.is_dictionary(column.type):
        return compute.cast(column, pa.string()).dictionary_encode()
    texts = compute.cast(column.dictionary, pa.string())
    return pa.DictionaryArray.from_arrays(column.indices, texts)


def _subjects(columns: Mapping[str, pa.Array], contract: Contract) -> pa.Array | None:
    if contract.subject is None:
        return None
    column, field = columns[contract.subject], contract.by_name[contract.subject]
    if field.type == "text":
        return _texts(column, field.max_length or 0)
    if types.is_floating(column.type):
        return _whole(column)
    return integers_of(compute.cast(column, pa.string()))


def _texts(column: pa.Array, longest: int) -> pa.Array:
    """As texts. One that is too long is left out: many rows may refer to the one copy of it."""
    encoded = _encoded(column)
    texts = encoded.dictionary
    fits = compute.less_equal(compute.utf8_length(texts), longest)
    return compute.if_else(fits, texts, None).take(encoded.indices)


def _whole(column: pa.Array) -> pa.Array:
    """Return the integers among floats; pandas makes floats of integers where some are missing."""
    values = compute.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    whole = (values == np.floor(values)) & (np.abs(values) < _EXACT)
    return pa.array(np.where(whole, values, 0).astype(np.int64), mask=~whole)
