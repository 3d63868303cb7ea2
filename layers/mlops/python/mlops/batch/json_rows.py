"""JSON lines: one object a line, as the API takes it, duplicate keys and all else refused alike."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops.batch.job import Renames
from mlops.batch.reading import Numbers, Rows, rename_columns
from mlops.batch.records import Positions, json_records
from mlops.batch.splitting import Chunk
from mlops.errors import MalformedJson
from mlops.models.columns import ABSENT, UNKNOWN, Codes
from mlops.models.rules import CategoryRule, Rules
from mlops.models.strict_json import parse_line
from mlops.models.validation import Fault

_NUMBERS = frozenset({int, float})
_NONE = type(None)


def read_json(chunk: Chunk, rules: Rules, renames: Renames) -> Rows:
    """Raises InputRefused for a row in which two members become the same field."""
    content = chunk.content
    records = json_records(content)

    @cache
    def lines() -> Positions:
        return chunk.lines(records.lines)

    rows: list[Any] = []
    faults: dict[int, Fault] = {}
    for row, (start, end) in enumerate(
        zip(records.starts.tolist(), records.ends.tolist(), strict=True)
    ):
        try:
            found = parse_line(content[start:end])
        except MalformedJson as error:
            found = None
            faults[row] = Fault("row", "malformed_json", str(error))
        if renames and type(found) is dict:
            found = _rename(found, renames, int(lines()[row]))
        rows.append(found)
    objects = [row if type(row) is dict else {} for row in rows]
    names = rules.names
    # `{}` stands for what is no object. It lacks the required fields, so it is checked again.
    well_formed = np.array([row.keys() <= names for row in objects], dtype=np.bool_)
    well_formed[list(faults)] = False
    return Rows(
        subjects=_subjects([row.get(rules.subject.name) for row in objects]),
        numbers={
            rule.name: _numbers([row.get(rule.name) for row in objects]) for rule in rules.numbers
        },
        categories={
            rule.name: _codes([row.get(rule.name) for row in objects], rule)
            for rule in rules.categories
        },
        well_formed=well_formed,
        faults=faults,
        value=rows.__getitem__,
        lines=lines,
    )


def _rename(row: Mapping[str, Any], renames: Renames, line: int) -> dict[str, Any]:
    fields = rename_columns([*row], renames, line)
    return {
        field: value for field, value in zip(fields, row.values(), strict=True) if field is not None
    }


def _subjects(values: Sequence[object]) -> pa.Array:
    return pa.array([value if type(value) is str else None for value in values], pa.string())


def _numbers(values: Sequence[Any]) -> Numbers:
    given = np.array([value is not None for value in values], dtype=np.bool_)
    if set(map(type, values)) <= {*_NUMBERS, _NONE}:
        numbers = values
    else:  # True is no number here, though it is one to NumPy
        numbers = [value if type(value) in _NUMBERS else None for value in values]
    try:
        return Numbers(np.array(numbers, dtype=np.float64), given)
    except OverflowError:
        return Numbers(_each(numbers, _as_float), given)


def _each(values: Sequence[Any], convert: Callable[[Any], float]) -> NDArray[np.float64]:
    return np.array([convert(value) for value in values], dtype=np.float64)


def _as_float(value: Any) -> float:
    """NaN for None, and for an integer beyond any float: no rule allows either."""
    try:
        return float("nan") if value is None else float(value)
    except OverflowError:
        return float("nan")


def _codes(values: Sequence[Any], rule: CategoryRule) -> Codes:
    positions: dict[Any, int] = {name: place for place, name in enumerate(rule.categories)}
    positions[None] = ABSENT
    if not set(map(type, values)) <= {str, _NONE}:  # a list has no place in a dict
        values = [value if type(value) in (str, _NONE) else "" for value in values]
    codes = [positions.get(value, UNKNOWN) for value in values]
    return Codes(np.array(codes, dtype=np.int16), rule.categories)
