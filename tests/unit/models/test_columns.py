"""Rows as a model takes them: types, shapes, and what stands where a value is missing."""

from dataclasses import dataclass

import numpy as np

from mlops.models.columns import concatenate, to_columns


@dataclass
class Row:
    size: float | None
    kind: str | None


def test_values_and_missing_values() -> None:
    columns = to_columns([Row(1.5, "a"), Row(None, None)], ["size"], ["kind"])
    np.testing.assert_array_equal(columns.numeric, [[1.5], [np.nan]])
    assert columns.numeric.dtype == np.float32
    assert columns.categorical.tolist() == [["a"], [""]]


def test_no_rows_keep_their_columns() -> None:
    columns = to_columns([], ["size"], ["kind", "size"])
    assert (columns.numeric.shape, columns.categorical.shape, len(columns)) == ((0, 1), (0, 2), 0)


def test_taking_and_concatenating_keep_rows_together() -> None:
    columns = to_columns([Row(0, "a"), Row(1, "b"), Row(2, "c")], ["size"], ["kind"])
    joined = concatenate(columns.take(np.array(rows)) for rows in ([2, 0], [1]))
    assert joined.numeric[:, 0].tolist() == [2, 0, 1]
    assert joined.categorical[:, 0].tolist() == ["c", "a", "b"]
