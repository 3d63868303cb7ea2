"""The columns that travel through a pipeline, while it is turned into a graph.

A category has few values, and a field that is not sent is one more. So whatever a pipeline does to
such a column alone is a table: the fitted step is asked once for each value, and the graph looks
the answers up. Only numbers need operators of their own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from mlops.importing.graph import Graph
from mlops.models.contract import RequestField
from mlops.models.tabular import INPUT

MISSING = float("nan")


@dataclass(frozen=True, eq=False)
class Table:
    """A column that depends on one input only.

    field: the place of the input. values: for each of its states; the last state is "not sent".
    """

    field: int
    values: NDArray[Any]


@dataclass(frozen=True)
class Number:
    """A column of a float64 tensor."""

    tensor: str
    place: int


Column = Table | Number


def states_of(field: RequestField) -> tuple[Any, ...] | None:
    """Return the values that a field may have, without "not sent"; None if there are too many."""
    if field.type == "boolean":
        return (False, True)
    return field.choices or None


class Matrices:
    """Turns columns into float64 tensors of a graph."""

    def __init__(self, graph: Graph, fields: Sequence[RequestField], dtype: Any) -> None:
        """fields: of the inputs, as `TabularInputs.fields`. dtype: of the input tensor."""
        self.graph = graph
        self._fields = fields
        self._widths = {INPUT: len(fields)}
        self.raw = INPUT if np.dtype(dtype) == np.float64 else graph.cast(INPUT, np.float64)
        self._widths[self.raw] = len(fields)
        self._positions: dict[int, str] = {}
        self._made: dict[tuple[Column, ...], str] = {}
        self._constants: list[Table] = []

    def source(self, place: int) -> Column:
        """Return an input as the pipeline's data has it."""
        field = self._fields[place]
        states = states_of(field)
        if states is None:
            return Number(self.raw, place)
        last = states[0] if field.required else MISSING
        return Table(place, _array([*states, last]))

    def numbers(self, tensor: str, width: int) -> list[Column]:
        """Return the columns of a tensor."""
        self._widths[tensor] = width
        return [Number(tensor, place) for place in range(width)]

    def matrix(self, columns: Sequence[Column]) -> str:
        """Return columns as one float64 tensor of shape (n, columns)."""
        key = tuple(self._plain(column) for column in columns)
        if key not in self._made:
            self._made[key] = self.graph.concat(
                self._number_part(part) if isinstance(part[0], Number) else self._table_part(part)
                for part in _parts(key)
            )
            self._widths[self._made[key]] = len(key)
        return self._made[key]

    def _plain(self, column: Column) -> Column:
        """Return the input itself for a table that says nothing else."""
        if isinstance(column, Table):
            field = self._fields[column.field]
            if field.is_numeric:
                wanted = np.array([*(states_of(field) or ()), MISSING], dtype=np.float64)
                if field.required:
                    wanted = wanted[:-1]
                found = _floats(column.values)[: len(wanted)]
                if np.array_equal(found, wanted, equal_nan=True):
                    return Number(self.raw, column.field)
        return column

    def _number_part(self, part: Sequence[Any]) -> str:
        tensor = part[0].tensor
        places = [column.place for column in part]
        if places == [*range(self._widths.get(tensor, -1))]:
            return str(tensor)
        return self.graph.gather(tensor, places)

    def _table_part(self, part: Sequence[Any]) -> str:
        table = np.stack([_floats(column.values) for column in part], axis=1)
        return self.graph.gather_rows(table, self._position(part[0].field))

    def _position(self, place: int) -> str:
        """Return which state each row has, int64 of shape (n,)."""
        if place not in self._positions:
            graph, field = self.graph, self._fields[place]
            states = states_of(field)
            assert states is not None  # noqa: S101 -- tables are made of fields with states
            values = graph.gather(self.raw, place)
            missing = graph.add("IsNaN", values)
            if field.is_numeric:
                numbers = np.array(states, dtype=np.float64)
                if np.array_equal(numbers, numbers[0] + np.arange(len(numbers))):
                    values = graph.add("Sub", values, numbers[0]) if numbers[0] else values
                else:
                    same = graph.add("Equal", graph.reshape(values, -1, 1), numbers[None])
                    found = graph.add("ArgMax", graph.cast(same, np.int32), axis=1, keepdims=0)
                    values = graph.cast(found, np.float64)
            known = graph.add("Where", missing, float(len(states)), values)
            self._positions[place] = graph.cast(known, np.int64)
        return self._positions[place]


def tabulate(step: Any, columns: Sequence[Column]) -> list[Column] | None:
    """Return what a fitted transformer makes of tables, or None if it mixes them.

    Each state of each field is asked for once, with all other fields in their first state. Rows of
    random states then have to be the same as the tables say.
    """
    if not all(isinstance(column, Table) for column in columns):
        return None
    tables = [column for column in columns if isinstance(column, Table)]
    sizes = {table.field: len(table.values) for table in tables}
    rows: list[dict[int, int]] = [dict.fromkeys(sizes, 0)]
    spans = {}
    for field, size in sizes.items():
        spans[field] = range(len(rows), len(rows) + size)
        rows += [rows[0] | {field: state} for state in range(size)]
    generator = np.random.default_rng(0)
    tried = [
        {field: int(generator.integers(size)) for field, size in sizes.items()} for _ in range(32)
    ]
    found = _rows(step.transform(_frame(step, tables, rows + tried)))
    base, width = found[0], found.shape[1]
    tables_out: list[Column] = []
    for place in range(width):
        column = found[:, place]
        moving = [
            field
            for field, span in spans.items()
            if not _same(column[span.start : span.stop], base[place])
        ]
        if len(moving) > 1:
            return None
        field = moving[0] if moving else next(iter(sizes))
        values = column[spans[field].start : spans[field].stop]
        states = [row[field] for row in tried]
        if not _same(column[len(rows) :], values[states]):
            return None
        tables_out.append(Table(field, values))
    return tables_out


def _frame(step: Any, tables: Sequence[Table], rows: Sequence[dict[int, int]]) -> Any:
    """Return rows of states as the step was fitted on: a frame, or an array."""
    found = [_array([table.values[row[table.field]] for row in rows]) for table in tables]
    return as_fitted(step, found)


def as_fitted(step: Any, columns: Sequence[NDArray[Any]]) -> Any:
    """Return columns as a frame if the step knows their names, or else as an array."""
    names = getattr(step, "feature_names_in_", None)
    if names is not None:
        frame = {
            name: pandas.Series(column).infer_objects()
            for name, column in zip(names, columns, strict=True)
        }
        return pandas.DataFrame(frame)
    if any(column.dtype == object for column in columns):
        return np.stack([column.astype(object) for column in columns], axis=1)
    return np.stack([column.astype(np.float64) for column in columns], axis=1)


def _parts(columns: Iterable[Column]) -> list[list[Column]]:
    """Split columns where the tensor or the field changes."""
    found: list[list[Column]] = []
    for column in columns:
        source = column.field if isinstance(column, Table) else column.tensor
        if found:
            before = found[-1][-1]
            if source == (before.field if isinstance(before, Table) else before.tensor):
                found[-1].append(column)
                continue
        found.append([column])
    return found


def _array(values: Sequence[Any]) -> NDArray[Any]:
    """Return numbers as float64, and anything else as objects."""
    if all(
        isinstance(value, int | float | np.number) and not isinstance(value, bool)
        for value in values
    ):
        return np.array(values, dtype=np.float64)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values).astype(np.float64)


def _rows(found: Any) -> NDArray[Any]:
    """Return what a transformer made, whatever its kind, as an array."""
    if hasattr(found, "toarray"):
        found = found.toarray()
    array = np.asarray(found)
    return array.reshape(len(array), -1)


def _same(found: NDArray[Any], wanted: Any) -> bool:
    """Tell whether all are equal; missing values are equal to one another."""
    equal = (found == wanted) | (pandas.isna(found) & pandas.isna(wanted))
    return bool(np.all(equal))
