"""Figures: by hand where that is possible, against scikit-learn's where it has them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss, roc_auc_score

from mlops.models.churn.data import load
from mlops.training.evaluation import HOLDOUT_SHARE, expected_calibration_error, figures, split
from tests.unit.models.telco import TELCO

SIZES = st.integers(1, 60)


@pytest.mark.parametrize(
    ("labels", "predictions", "error"),
    [
        ([0, 1], [0.0, 1.0], 0.0),
        ([0, 1], [1.0, 0.0], 1.0),
        ([0, 1], [0.5, 0.5], 0.0),  # one bin, half of it positive, as predicted
        ([0, 0, 1, 1], [0.15, 0.15, 0.75, 0.85], 0.175),  # (2 × .15 + .25 + .15) / 4
        ([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], 0.0),
        ([1, 1, 0], [0.19, 0.21, 0.21], 0.81 / 3 + 0.29 * 2 / 3),
        ([1], [0.999], 0.001),
    ],
)
def test_calibration_error_by_hand(
    labels: list[int], predictions: list[float], error: float
) -> None:
    found = expected_calibration_error(np.array(labels), np.array(predictions))
    assert found == pytest.approx(error, abs=1e-12)


@given(st.data())
def test_calibration_error_is_a_share(data: st.DataObject) -> None:
    size = data.draw(SIZES)
    labels = data.draw(arrays(np.int64, size, elements=st.integers(0, 1)))
    predictions = data.draw(arrays(np.float64, size, elements=st.floats(0, 1)))
    assert 0 <= expected_calibration_error(labels, predictions) <= 1 + 1e-12


@given(st.data())
def test_knowing_the_label_is_perfect_and_its_opposite_the_worst(data: st.DataObject) -> None:
    labels = data.draw(arrays(np.int64, data.draw(SIZES), elements=st.integers(0, 1)))
    assert expected_calibration_error(labels, labels.astype(float)) == 0
    assert expected_calibration_error(labels, 1.0 - labels) == 1


def test_calibration_error_does_not_depend_on_the_order() -> None:
    generator = np.random.default_rng(1)
    predictions = generator.random(500)
    labels = (generator.random(500) < 0.3).astype(np.int64)
    order = generator.permutation(500)
    assert expected_calibration_error(labels[order], predictions[order]) == pytest.approx(
        expected_calibration_error(labels, predictions)
    )


def test_figures_are_scikit_learns() -> None:
    generator = np.random.default_rng(2)
    predictions = generator.random(300)
    labels = (generator.random(300) < predictions).astype(np.int64)
    found = figures(labels, predictions)
    assert found.roc_auc == roc_auc_score(labels, predictions)
    assert found.brier == brier_score_loss(labels, predictions)
    assert found.ece == expected_calibration_error(labels, predictions)
    assert found.rounded() == {
        "roc_auc": round(found.roc_auc, 4),
        "brier": round(found.brier, 4),
        "ece": round(found.ece, 4),
    }


def test_the_holdout_is_apart_stratified_and_always_the_same() -> None:
    data = load(TELCO)
    train, holdout = split(data)
    assert sorted([*train, *holdout]) == list(range(len(data.labels)))
    assert len(holdout) == pytest.approx(HOLDOUT_SHARE * len(data.labels), abs=1)
    shares = data.labels[train].mean(), data.labels[holdout].mean()
    assert shares[0] == pytest.approx(shares[1], abs=1e-3)
    np.testing.assert_array_equal(split(data)[1], holdout)
