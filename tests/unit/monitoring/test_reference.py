"""The reference profile: bins and shares, worked out by hand."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.models.churn.contract import CHURN
from mlops.models.columns import MISSING, Columns
from mlops.monitoring.reference import BINS, reference_profile

KINDS = ("a", "b", "never")
CONTRACT = replace(CHURN, numeric=("size",), categorical=("kind",), categories={"kind": KINDS})


def profile(
    numbers: list[float], words: list[str], predictions: list[float] | None = None
) -> dict[str, Any]:
    codes = [KINDS.index(word) if word else MISSING for word in words]
    columns = Columns(np.array([numbers, codes], dtype=np.float32).T)
    content = reference_profile(CONTRACT, columns, np.array(predictions or [0.5] * len(numbers)))
    document: dict[str, Any] = json.loads(content)
    return document


def test_numbers_are_cut_at_their_deciles() -> None:
    found = profile([float(number) for number in range(101)], ["a"] * 101)["numeric"]["size"]
    assert found["edges"] == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    # Each edge belongs to the bin above it; the last bin has 100 as well. Nothing is missing.
    assert found["shares"] == [round(10 / 101, 6)] * 9 + [round(11 / 101, 6), 0]


def test_equal_deciles_are_merged() -> None:
    found = profile([0.0] * 8 + [1.0] * 2, ["a"] * 10)["numeric"]["size"]
    assert len(set(found["edges"])) == len(found["edges"]) < BINS - 1
    assert len(found["shares"]) == len(found["edges"]) + 2
    assert sum(found["shares"]) == pytest.approx(1)


def test_missing_numbers_have_their_own_share() -> None:
    found = profile([1, 2, 3, float("nan")], ["a"] * 4)["numeric"]["size"]
    assert found["shares"][-1] == 0.25


def test_a_column_that_nobody_sends() -> None:
    found = profile([float("nan")] * 2, [""] * 2)
    assert found["numeric"]["size"] == {"edges": [], "shares": [0, 1]}
    assert found["categorical"]["kind"]["shares"] == [0, 0, 0, 1]


def test_categories_keep_their_order_and_the_missing_come_last() -> None:
    found = profile([1] * 4, ["b", "b", "a", ""])["categorical"]["kind"]
    assert found == {"categories": ["a", "b", "never"], "shares": [0.25, 0.5, 0, 0.25]}


def test_predictions_are_profiled_like_numbers() -> None:
    found = profile([1] * 100, ["a"] * 100, [number / 100 for number in range(1, 101)])
    assert found["prediction"]["edges"] == pytest.approx([0.1 * n for n in range(1, 10)], abs=0.01)
    assert found["rows"] == 100


@given(st.lists(st.floats(0, 1e6, width=32) | st.just(float("nan")), min_size=1, max_size=50))
def test_shares_sum_to_one(numbers: list[float]) -> None:
    found = profile(numbers, ["a"] * len(numbers))["numeric"]["size"]
    assert sum(found["shares"]) == pytest.approx(1, abs=1e-5)
    assert found["edges"] == sorted(set(found["edges"]))
    assert len(found["shares"]) == len(found["edges"]) + 2
