"""A chunk's rows as columns, one reader a format. Nothing is checked here but the rows' form."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
from numpy.typing import NDArray

from mlops.batch.job import Format, Renames, find_unknown_field
from mlops.batch.records import Positions
from mlops.errors import InputRefused, MlopsError
from mlops.models.column_names import MAX_NAMED, find_fault, quote, suggest
from mlops.models.contract import Contract, RequestField
from mlops.models.schemas import parse_date
from mlops.models.tabular import MISSING, days_since_1970
from mlops.models.validation import MAX_NAME, Fault

_T = TypeVar("_T", bound=np.generic)
_NONE = type(None)
_NUMBERS = frozenset({int, float, _NONE})
_NOT_GIVEN, _UNKNOWN = float("inf"), float("nan")
_INT64 = r"\A-?(0|[1-9][0-9]{0,17}|[1-8][0-9]{18})\z"


@dataclass(frozen=True)
class Cells:
    """The values of one field in n rows.

    values: float64 of shape (n,), as the model sees them: numbers as they are, categories by their
        positions, booleans as 0 and 1, dates as days since 1970-01-01. NaN where there is no value,
        and where a value is none of the field's.
    given: bool of shape (n,); whether there is any value.
    """

    values: NDArray[np.float64]
    given: NDArray[np.bool_]

    def with_default(self, field: RequestField, sent: NDArray[np.bool_]) -> "Cells":
        """Return the same cells, with the field's default where nothing was sent."""
        if field.default is None:
            return self
        return replace(self, values=np.where(sent, self.values, default_of(field)))


@dataclass(frozen=True)
class Rows:
    """`n` rows as they were sent.

    subjects: array of length n, of texts or 64-bit integers; null where it is surely neither.
        None where requests are about nobody.
    cells: by name, of each field that is a column of the model's input.
    well_formed: bool of shape (n,); False where the columns do not tell all there is in a row.
    faults: what is wrong with the form of a row, by its position.
    value: a row by its position as the API would get it, where its form is right.
    lines: of each row in the input, looked for where somebody asks; None where there are none.
    """

    subjects: pa.Array | None
    cells: Mapping[str, Cells]
    well_formed: NDArray[np.bool_]
    faults: Mapping[int, Fault]
    value: Callable[[int], object]
    lines: Callable[[], Positions] | None = None

    def __len__(self) -> int:
        return len(self.well_formed)


@contextmanager
def refuse_unreadable(format: Format) -> Iterator[None]:
    """Raise InputRefused for whatever a reader raises about a caller's bytes.

    Errors that say what is wrong already are left alone, and so are those of the machine: a lack of
    memory, and whatever the system refuses.
    """
    try:
        yield
    except (MlopsError, MemoryError, OSError):
        raise
    except Exception as error:
        reason = f"The input cannot be read as {format.plain} ({type(error).__name__})"
        raise InputRefused(reason) from error


_HINT = (
    "Rename columns in the file, or submit it with {options}; leave out a column with --drop NAME"
)


def rename_columns(
    names: Sequence[str], renames: Renames, line: int | None = None
) -> list[str | None]:
    """Return what each column is called in the contract, None for one to leave out.

    Raises InputRefused where two of them become the same field: nobody could tell which one counts.
    """
    fields = [renames.get(name, name) for name in names]
    columns: dict[str | None, str] = {}
    for name, field in zip(names, fields, strict=True):
        if field is not None and columns.setdefault(field, name) != name:
            raise InputRefused(
                f"the columns {quote(columns[field])} and {quote(name)} both become {quote(field)}."
                " Leave out one of them with --drop NAME",
                line,
            )
    return fields


def require_columns(names: Sequence[str], contract: Contract, line: int | None = None) -> None:
    """Raise InputRefused for columns that are missing, unknown, or there twice; or if none is left.

    line: of the header, if there is one.
    """
    known = frozenset(contract.by_name)
    unknown = [name for name in names if name not in known]
    similar = suggest(unknown[:MAX_NAMED], known - set(names))
    # A name that is too long to be shown, or that nobody can see, cannot be pasted.
    pairs = [
        f"{name}={field}"
        for name, field in similar.items()
        if len(name) <= MAX_NAME and name.isprintable()
    ]
    options = " ".join(f"--rename {shlex.quote(pair)}" for pair in pairs or ["NAME=FIELD"])
    hint = _HINT.format(options=options)
    fault = find_fault(names, contract.required, known, hint)
    if fault is None and not names:
        fault = "no column is left. Keep at least one field of the model"
    if fault is not None:
        raise InputRefused(fault, line)


def require_flat(contract: Contract) -> None:
    """Raise InputRefused where a field's values have no place in the cells of a CSV file."""
    lists = [field.name for field in contract.fields if field.type == "list of numbers"]
    if lists:
        raise InputRefused(
            f"The model takes lists of numbers ({', '.join(lists)}), which csv cannot hold. Give"
            " JSON lines or Parquet"
        )


def require_fields(renames: Renames, contract: Contract) -> None:
    """Raise InputRefused where a column is renamed to what is no field of the model."""
    unknown = find_unknown_field(contract, renames)
    if unknown is not None:
        raise InputRefused(
            f"rename: the model has no field {ascii(unknown)}. Its fields are:"
            f" {', '.join(contract.by_name)}"
        )


def default_of(field: RequestField) -> float:
    """Return what a model sees where a field is not sent."""
    if field.default is None:
        return MISSING
    return number_of(field, field.default)


def number_of(field: RequestField, value: Any) -> float:
    """Return a value of a field as a model sees it; a choice by its position.

    value: no date.
    """
    return float(field.choices.index(value) if field.type == "category" else value)


def absent(field: RequestField, rows: int) -> Cells:
    """Return the cells of a field that no row has."""
    return Cells(np.full(rows, default_of(field)), np.zeros(rows, dtype=np.bool_))


def to_cells(values: Sequence[Any], field: RequestField) -> Cells:
    """Return the cells of JSON values; None stands for no value."""
    if field.type in ("integer", "number"):
        given = np.array([value is not None for value in values], dtype=np.bool_)
        return Cells(_to_numbers(values), given)
    kind = bool if field.type == "boolean" else str
    if not set(map(type, values)) <= {kind, _NONE}:
        # Others may have no place in a dict, or be equal to one of its keys, as 1 is to True.
        values = [value if type(value) in (kind, _NONE) else _UNKNOWN for value in values]
    known = _known(values, field) | {None: _NOT_GIVEN}
    numbers = np.array([known.get(value, _UNKNOWN) for value in values], dtype=np.float64)
    given = numbers != _NOT_GIVEN
    numbers[~given] = MISSING
    return Cells(numbers, given)


def _known(values: Sequence[Any], field: RequestField) -> dict[Any, float]:
    """Return the values that a field may have, or of dates those that it has, as numbers."""
    match field.type:
        case "boolean":
            return {False: 0.0, True: 1.0}
        case "category":
            return {choice: float(place) for place, choice in enumerate(field.choices)}
    dates = {value: parse_date(value) for value in set(values) if isinstance(value, str)}
    return {text: days_since_1970(day) for text, day in dates.items() if day is not None}


def _to_numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    if not set(map(type, values)) <= _NUMBERS:  # True is no number here, though it is one to NumPy
        values = [value if type(value) in _NUMBERS else None for value in values]
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        return np.array([_as_float(value) for value in values], dtype=np.float64)


def _as_float(value: float | None) -> float:
    """NaN for None, and for an integer beyond any float: no field has either."""
    try:
        return MISSING if value is None else float(value)
    except OverflowError:
        return MISSING


def integers_of(texts: pa.Array) -> pa.Array:
    """Return texts as 64-bit integers; null where one is none in plain digits."""
    plain = compute.match_substring_regex(texts, _INT64)
    return compute.cast(compute.if_else(plain, texts, None), pa.int64())


def spread(column: pa.DictionaryArray, distinct: Cells) -> Cells:
    """Return for each row what is known of its text; where it has none, nothing is given.

    distinct: of each text in the column's dictionary.
    """
    return Cells(
        _by_row(column, distinct.values, MISSING), _by_row(column, distinct.given, missing=False)
    )


def _by_row(column: pa.DictionaryArray, known: NDArray[_T], missing: object) -> NDArray[_T]:
    indices = column.indices
    if indices.null_count:
        known = np.append(known, np.asarray(missing, known.dtype))
        indices = compute.fill_null(indices, len(known) - 1)
    found: NDArray[_T] = known[indices.to_numpy(zero_copy_only=False)]
    return found
