"""Rows as a model takes them: types, shapes, and what stands where a value is missing."""

from dataclasses import dataclass

import numpy as np

from mlops.models.columns import ABSENT, UNKNOWN, Codes, concatenate, to_columns

KINDS = {"kind": {"a": 0.0, "b": 1.0, "c": 2.0}}
NAN = float("nan")


@dataclass
class Row:
    size: float | None
    kind: str | None


def test_values_and_missing_values() -> None:
    rows = [Row(1.5, "b"), Row(None, None), Row(0, "of another world")]
    columns = to_columns(rows, ["size"], KINDS)
    np.testing.assert_array_equal(columns.values, [[1.5, 1], [NAN, NAN], [0, NAN]])
    assert columns.values.dtype == np.float32


def test_no_rows_keep_their_columns() -> None:
    columns = to_columns([], ["size", "weight"], KINDS)
    assert (columns.values.shape, len(columns)) == ((0, 3), 0)


def test_taking_and_concatenating_keep_rows_together() -> None:
    columns = to_columns([Row(0, "a"), Row(1, "b"), Row(2, "c")], ["size"], KINDS)
    joined = concatenate(columns.take(np.array(rows)) for rows in ([2, 0], [1]))
    assert joined.values.tolist() == [[2, 2], [0, 0], [1, 1]]


def test_codes_are_what_rows_of_such_categories_would_be() -> None:
    codes = Codes(np.array([1, ABSENT, UNKNOWN, 0], np.int16), ("a", "b", "c"))
    rows = [Row(0, "b"), Row(0, None), Row(0, "?"), Row(0, "a")]
    expected = to_columns(rows, [], KINDS).values[:, 0]
    np.testing.assert_array_equal(codes.numbers(), expected)
