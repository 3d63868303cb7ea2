"""What the churn model is trained on: every row, and copies as sparse as clients' requests."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlops.models.churn.contract import CHURN, ChurnRequest
from mlops.models.churn.data import load
from mlops.models.churn.training import (
    CHURN_PLAN,
    MASKED_COPIES,
    THREE_FIELDS_SHARE,
    three_fields,
    with_masked_copies,
)
from mlops.models.columns import Columns
from tests.unit.models.telco import TELCO

FIELDS = (*CHURN.numeric, *CHURN.categorical)
REQUIRED = [FIELDS.index(name) for name in ("tenure", "monthly_charges")]
OPTIONAL = [index for index in range(len(FIELDS)) if index not in REQUIRED]


@pytest.fixture(scope="module")
def columns() -> Columns:
    return load(TELCO).columns


@pytest.fixture(scope="module")
def labels() -> NDArray[np.int64]:
    return load(TELCO).labels


@pytest.fixture(scope="module")
def copied(columns: Columns, labels: NDArray[np.int64]) -> Columns:
    rows, _ = with_masked_copies(columns, labels, np.random.default_rng(7))
    return rows


def test_the_projects_own_data_is_the_default() -> None:
    assert TELCO.parents[1] / CHURN_PLAN.default_data == TELCO
    assert CHURN_PLAN.card.sample.digest == load(TELCO).digest


def missing(columns: Columns) -> NDArray[np.bool_]:
    """For each optional field; shape (n, 17)."""
    blank: NDArray[np.bool_] = np.isnan(columns.values[:, OPTIONAL])
    return blank


def test_the_originals_come_first_and_stay_as_they_are(columns: Columns, copied: Columns) -> None:
    assert len(copied) == len(columns) * (1 + MASKED_COPIES)
    np.testing.assert_array_equal(copied.values[: len(columns)], columns.values)
    assert missing(columns).sum() == 11, "the blank totals of the first month"


def test_required_fields_are_never_masked(columns: Columns, copied: Columns) -> None:
    repeated = np.tile(columns.values[:, REQUIRED], (1 + MASKED_COPIES, 1))
    np.testing.assert_array_equal(copied.values[:, REQUIRED], repeated)


def test_what_is_not_masked_is_not_changed(columns: Columns, copied: Columns) -> None:
    whole = np.tile(columns.values, (1 + MASKED_COPIES, 1))
    kept = ~np.isnan(copied.values)
    assert 0 < kept.sum() < kept.size
    np.testing.assert_array_equal(copied.values[kept], whole[kept])


def test_masked_shares_are_as_documented(columns: Columns, copied: Columns) -> None:
    masked = missing(copied)[len(columns) :]
    # A row's rate is uniform in [0, 1), so half of the fields go; and rates near 1 leave nothing
    # of 17 fields in one row of 18.
    nothing_left = THREE_FIELDS_SHARE + (1 - THREE_FIELDS_SHARE) / 18
    assert masked.all(axis=1).mean() == pytest.approx(nothing_left, abs=0.01)
    assert masked.mean() == pytest.approx(0.5 + THREE_FIELDS_SHARE / 2, abs=0.01)
    per_field = masked.mean(axis=0)
    assert per_field.max() - per_field.min() < 0.02
    assert set(masked.sum(axis=1)) == set(range(18))


def test_labels_follow_their_rows(columns: Columns, labels: NDArray[np.int64]) -> None:
    _, targets = with_masked_copies(columns, labels, np.random.default_rng(7))
    np.testing.assert_array_equal(targets.reshape(-1, len(labels)), [labels] * (1 + MASKED_COPIES))


def test_the_same_seed_masks_the_same_fields(
    columns: Columns, labels: NDArray[np.int64], copied: Columns
) -> None:
    again, _ = with_masked_copies(columns, labels, np.random.default_rng(7))
    other, _ = with_masked_copies(columns, labels, np.random.default_rng(8))
    np.testing.assert_array_equal(missing(again), missing(copied))
    assert (missing(other) != missing(copied)).any()


def test_three_fields_is_what_such_a_client_sends(columns: Columns) -> None:
    requests = [
        ChurnRequest(customer_id="1", tenure=int(tenure), monthly_charges=float(charges))
        for tenure, charges in columns.values[:5, REQUIRED]
    ]
    sent, reduced = CHURN.columns(requests), three_fields(columns.take(np.arange(5)))
    np.testing.assert_array_equal(sent.values, reduced.values)


@pytest.mark.parametrize("view", [view.reduce for view in CHURN_PLAN.views])
def test_views_leave_their_input_alone(
    columns: Columns, view: Callable[[Columns], Columns]
) -> None:
    before = columns.values.copy()
    view(columns)
    np.testing.assert_array_equal(columns.values, before)


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_masking_works_for_any_seed_and_size(seed: int, rows: int) -> None:
    values = np.arange(rows * len(FIELDS), dtype=np.float32).reshape(rows, -1)
    copied, targets = with_masked_copies(
        Columns(values), np.ones(rows, dtype=np.int64), np.random.default_rng(seed)
    )
    assert len(copied) == len(targets) == rows * (1 + MASKED_COPIES)
    assert not np.isnan(copied.values[:, REQUIRED]).any()
    kept = ~np.isnan(copied.values)
    assert (copied.values[kept] == np.tile(values, (1 + MASKED_COPIES, 1))[kept]).all()
