"""A chunk's rows as columns, one reader a format. Nothing is checked here but the rows' form."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
from numpy.typing import NDArray

from mlops.batch.job import Format, Renames
from mlops.batch.records import Positions
from mlops.errors import InputRefused, MlopsError
from mlops.models.column_names import MAX_NAMED, find_fault, quote, suggest
from mlops.models.columns import ABSENT, UNKNOWN, Codes
from mlops.models.rules import CategoryRule, Rules
from mlops.models.validation import MAX_NAME, Fault

_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True)
class Numbers:
    """float64 of shape (n,), NaN where there is none or it is no number; `given`: something is."""

    values: NDArray[np.float64]
    given: NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """`n` rows as they were sent.

    subjects: StringArray of length n, null where there is no text.
    well_formed: bool of shape (n,); False where the columns do not tell all there is in a row.
    faults: what is wrong with the form of a row, by its position.
    value: a row by its position as the API would get it, where its form is right.
    lines: of each row in the input, looked for where somebody asks; None where there are none.
    """

    subjects: pa.Array
    numbers: Mapping[str, Numbers]
    categories: Mapping[str, Codes]
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


def require_columns(names: Sequence[str], rules: Rules, line: int | None = None) -> None:
    """Raises InputRefused for columns that are missing, unknown, or there twice."""
    unknown = [name for name in names if name not in rules.names]
    similar = suggest(unknown[:MAX_NAMED], rules.names - set(names))
    # A name that is too long to be shown, or that nobody can see, cannot be pasted.
    pairs = [
        f"{name}={field}"
        for name, field in similar.items()
        if len(name) <= MAX_NAME and name.isprintable()
    ]
    options = " ".join(f"--rename {shlex.quote(pair)}" for pair in pairs or ["NAME=FIELD"])
    hint = _HINT.format(options=options)
    fault = find_fault(names, rules.required, rules.names, hint)
    if fault is not None:
        raise InputRefused(fault, line)


def numbers_by_name(
    columns: Mapping[str, pa.Array],
    rules: Rules,
    rows: int,
    read: Callable[[Sequence[pa.Array]], Iterable[Numbers]],
) -> dict[str, Numbers]:
    """Of all number fields; absent where there is no such column."""
    absent = Numbers(np.full(rows, np.nan), np.zeros(rows, dtype=np.bool_))
    names = [rule.name for rule in rules.numbers if rule.name in columns]
    found = read([columns[name] for name in names]) if names else ()
    return {rule.name: absent for rule in rules.numbers} | dict(zip(names, found, strict=True))


def codes_by_name(
    columns: Mapping[str, pa.DictionaryArray],
    rules: Rules,
    rows: int,
    is_absent: Callable[[str], bool] | None = None,
) -> dict[str, Codes]:
    """Of all category fields; absent where there is no such column.

    is_absent: whether a text stands for no value, as null does.
    """
    nothing = np.full(rows, ABSENT, np.int16)
    return {
        rule.name: _codes(columns[rule.name], rule, is_absent)
        if rule.name in columns
        else Codes(nothing, rule.categories)
        for rule in rules.categories
    }


def _codes(
    column: pa.DictionaryArray, rule: CategoryRule, is_absent: Callable[[str], bool] | None
) -> Codes:
    positions = {name: place for place, name in enumerate(rule.categories)}

    def position(text: str | None) -> int:
        if text is None or (text not in positions and is_absent is not None and is_absent(text)):
            return ABSENT
        return positions.get(text, UNKNOWN)

    known = np.array([*map(position, column.dictionary.to_pylist())], np.int16)
    return Codes(by_row(column, known, ABSENT), rule.categories)


def by_row(column: pa.DictionaryArray, known: NDArray[_T], missing: object) -> NDArray[_T]:
    """What is known of each distinct text, for each row; `missing` for those that have none."""
    indices = column.indices
    if indices.null_count:
        known = np.append(known, np.asarray(missing, known.dtype))
        indices = compute.fill_null(indices, len(known) - 1)
    found: NDArray[_T] = known[indices.to_numpy(zero_copy_only=False)]
    return found
