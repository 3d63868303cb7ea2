"""What the churn model is trained on: every row, and copies as sparse as clients' requests."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlops.models.churn.contract import CHURN
from mlops.models.churn.training import (
    CHURN_PLAN,
    MASKED_COPIES,
    THREE_FIELDS_SHARE,
    fit,
    with_masked_copies,
)
from mlops.models.tabular import INPUT
from tests.unit.models.telco import TELCO, telco_data

FIELDS = [field.name for field in CHURN.encoder.fields]
REQUIRED = [FIELDS.index(name) for name in ("tenure", "monthly_charges")]
OPTIONAL = [index for index in range(len(FIELDS)) if index not in REQUIRED]

Matrix = NDArray[np.float32]


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    found: Matrix = telco_data().tensors[INPUT]
    return found


@pytest.fixture(scope="module")
def labels() -> NDArray[np.int64]:
    return telco_data().targets


@pytest.fixture(scope="module")
def copied(matrix: Matrix, labels: NDArray[np.int64]) -> Matrix:
    rows, _ = with_masked_copies(matrix, labels, np.random.default_rng(7))
    return rows


def test_the_projects_own_data_is_the_default() -> None:
    assert TELCO.parents[1] / CHURN_PLAN.default_data == TELCO
    assert CHURN_PLAN.sample.digest == telco_data().digest


def missing(matrix: Matrix) -> NDArray[np.bool_]:
    """For each optional field; shape (n, 17)."""
    blank: NDArray[np.bool_] = np.isnan(matrix[:, OPTIONAL])
    return blank


def test_the_originals_come_first_and_stay_as_they_are(matrix: Matrix, copied: Matrix) -> None:
    assert len(copied) == len(matrix) * (1 + MASKED_COPIES)
    np.testing.assert_array_equal(copied[: len(matrix)], matrix)
    assert missing(matrix).sum() == 11, "the blank totals of the first month"


def test_required_fields_are_never_masked(matrix: Matrix, copied: Matrix) -> None:
    repeated = np.tile(matrix[:, REQUIRED], (1 + MASKED_COPIES, 1))
    np.testing.assert_array_equal(copied[:, REQUIRED], repeated)


def test_what_is_not_masked_is_not_changed(matrix: Matrix, copied: Matrix) -> None:
    whole = np.tile(matrix, (1 + MASKED_COPIES, 1))
    kept = ~np.isnan(copied)
    assert 0 < kept.sum() < kept.size
    np.testing.assert_array_equal(copied[kept], whole[kept])


def test_masked_shares_are_as_documented(matrix: Matrix, copied: Matrix) -> None:
    masked = missing(copied)[len(matrix) :]
    # A row's rate is uniform in [0, 1), so half of the fields go; and rates near 1 leave nothing
    # of 17 fields in one row of 18.
    nothing_left = THREE_FIELDS_SHARE + (1 - THREE_FIELDS_SHARE) / 18
    assert masked.all(axis=1).mean() == pytest.approx(nothing_left, abs=0.01)
    assert masked.mean() == pytest.approx(0.5 + THREE_FIELDS_SHARE / 2, abs=0.01)
    per_field = masked.mean(axis=0)
    assert per_field.max() - per_field.min() < 0.02
    assert set(masked.sum(axis=1)) == set(range(18))


def test_labels_follow_their_rows(matrix: Matrix, labels: NDArray[np.int64]) -> None:
    _, targets = with_masked_copies(matrix, labels, np.random.default_rng(7))
    np.testing.assert_array_equal(targets.reshape(-1, len(labels)), [labels] * (1 + MASKED_COPIES))


def test_the_same_seed_masks_the_same_fields(
    matrix: Matrix, labels: NDArray[np.int64], copied: Matrix
) -> None:
    again, _ = with_masked_copies(matrix, labels, np.random.default_rng(7))
    other, _ = with_masked_copies(matrix, labels, np.random.default_rng(8))
    np.testing.assert_array_equal(missing(again), missing(copied))
    assert (missing(other) != missing(copied)).any()


def test_the_trees_are_fitted_to_the_masked_copies_too(
    matrix: Matrix, labels: NDArray[np.int64]
) -> None:
    """Fitted to whole rows only, they would give a request with three fields another answer."""
    rows = np.arange(0, len(matrix), 10)
    trees = fit({INPUT: matrix[rows]}, labels[rows], seed=7)
    whole = type(trees)(**trees.get_params()).fit(matrix[rows], labels[rows])
    sparse = matrix[rows].copy()
    sparse[:, OPTIONAL] = np.nan
    found, other = (it.predict_proba(sparse)[:, 1] for it in (trees, whole))
    assert np.abs(found.mean() - labels[rows].mean()) < np.abs(other.mean() - labels[rows].mean())


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_masking_works_for_any_seed_and_size(seed: int, rows: int) -> None:
    values = np.arange(rows * len(FIELDS), dtype=np.float32).reshape(rows, -1)
    copied, targets = with_masked_copies(
        values, np.ones(rows, dtype=np.int64), np.random.default_rng(seed)
    )
    assert len(copied) == len(targets) == rows * (1 + MASKED_COPIES)
    assert not np.isnan(copied[:, REQUIRED]).any()
    kept = ~np.isnan(copied)
    assert (copied[kept] == np.tile(values, (1 + MASKED_COPIES, 1))[kept]).all()
