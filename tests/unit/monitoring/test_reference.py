"""The reference profile: bins and counts, worked out by hand."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.models.contract import Contract
from mlops.models.tabular import INPUT
from mlops.models.tasks import Numbers
from mlops.monitoring.reference import BINS, reference_profile

FIELDS = """
fields = [
    { name = "size", type = "number", required = false, ge = 0, le = 1_000_000 },
    { name = "paid", type = "boolean", required = false },
    { name = "day", type = "date", required = false },
    { name = "kind", type = "category", required = false, choices = ["a", "b", "never"] },
]
examples.none = {}
"""
NUMBER = Contract.from_toml(
    f'model = "it"\ntitle = "It"\ntask = "regression"\nanswer = {{ name = "y" }}\n{FIELDS}',
    "it.toml",
)
CLASSES = Contract.from_toml(
    'model = "it"\ntitle = "It"\ntask = "multiclass"\nanswer = { classes = ["x", "y", "z"] }\n'
    + FIELDS,
    "it.toml",
)
NAN = float("nan")


def profile(
    rows: list[tuple[float, float, float, float]],
    numbers: Numbers | None = None,
    by_view: Mapping[str, Numbers] | None = None,
    contract: Contract = NUMBER,
) -> dict[str, Any]:
    """rows: size, paid, day and position of the kind."""
    matrix = np.array(rows, dtype=np.float32).reshape(-1, 4)
    if numbers is None:
        numbers = np.full((len(rows), 1), 0.5)
    content = reference_profile(contract, {INPUT: matrix}, numbers, by_view or {})
    document: dict[str, Any] = json.loads(content)
    return document


def sizes(values: list[float]) -> dict[str, Any]:
    found: dict[str, Any] = profile([(value, NAN, NAN, NAN) for value in values])["features"][
        "size"
    ]
    return found


def test_numbers_are_cut_at_their_deciles() -> None:
    found = sizes([float(number) for number in range(101)])
    assert found["edges"] == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    # Each edge belongs to the bin above it; the last bin has 100 as well. Nothing is missing.
    assert found["counts"] == [10] * 9 + [11, 0]
    assert (found["minimum"], found["maximum"]) == (0, 100)


def test_equal_deciles_are_merged() -> None:
    found = sizes([0.0] * 8 + [1.0] * 2)
    assert found["edges"] == [0, 1]
    assert found["counts"] == [0, 8, 2, 0]


def test_missing_numbers_are_counted_last() -> None:
    found = sizes([1, 2, 3, NAN])
    assert found["counts"][-1] == 1
    assert (found["minimum"], found["maximum"]) == (1, 3)


def test_a_column_that_nobody_sends() -> None:
    found = profile([(NAN, NAN, NAN, NAN)] * 2)["features"]
    assert found["size"] == found["day"] == {"edges": [], "counts": [0, 2]}
    assert found["kind"]["counts"] == [0, 0, 0, 2]
    assert found["paid"]["counts"] == [0, 0, 2]


def test_categories_keep_their_order_and_the_missing_come_last() -> None:
    found = profile([(1, NAN, NAN, kind) for kind in (1, 1, 0, NAN)])["features"]["kind"]
    assert found == {"categories": ["a", "b", "never"], "counts": [1, 2, 0, 1]}


def test_booleans_are_two_categories() -> None:
    found = profile([(1, paid, NAN, NAN) for paid in (1, 0, 1, NAN)])["features"]["paid"]
    assert found == {"categories": [False, True], "counts": [1, 2, 1]}


def test_dates_are_numbers_of_days() -> None:
    found = profile([(1, NAN, day, NAN) for day in range(20_000, 20_101)])["features"]["day"]
    assert found["edges"][0] == 20_010
    assert (found["minimum"], found["maximum"]) == (20_000, 20_100)


def test_predictions_are_profiled_on_any_scale() -> None:
    numbers = np.arange(0, 101)[:, None] * 1e6
    found = profile([(1, 0, 0, 0)] * 101, numbers)
    assert found["prediction"]["edges"] == [n * 1e7 for n in range(1, 10)]
    assert found["prediction"]["counts"] == [10] * 9 + [11, 0]
    assert found["rows"] == 101


def test_the_bins_of_a_multiclass_prediction_are_its_classes() -> None:
    numbers = np.array([[0.2, 0.7, 0.1], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1]])
    found = profile([(1, 0, 0, 0)] * 3, numbers, {"few": numbers[::-1] * [2, 0, 1]}, CLASSES)
    assert found["prediction"] == {"categories": ["x", "y", "z"], "counts": [1, 2, 0, 0]}
    assert found["views"] == {"few": {"counts": [3, 0, 0, 0]}}


def test_the_predictions_of_each_view_are_counted_in_the_same_bins() -> None:
    numbers = np.arange(1, 101)[:, None] / 100
    views = {"full": numbers, "few": np.full((100, 1), 0.95)}
    found = profile([(1, 0, 0, 0)] * 100, numbers, views)
    assert found["views"]["full"]["counts"] == found["prediction"]["counts"]
    assert found["views"]["few"]["counts"] == [0] * 9 + [100, 0]


@given(st.lists(st.floats(0, 1e6, width=32) | st.just(NAN), min_size=1, max_size=50))
def test_each_row_is_counted_once(numbers: list[float]) -> None:
    found = sizes(numbers)
    assert sum(found["counts"]) == len(numbers)
    assert found["edges"] == sorted(set(found["edges"]))
    assert len(found["counts"]) == len(found["edges"]) + 2 <= BINS + 1


@pytest.mark.parametrize("name", ["size", "paid", "day", "kind"])
def test_counts_are_whole_numbers(name: str) -> None:
    found = profile([(1, 0, 5, 2), (NAN, 1, 6, 1)])["features"][name]
    assert all(type(count) is int for count in found["counts"])
