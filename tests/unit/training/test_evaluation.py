"""Figures: by hand where that is possible, against scikit-learn's where it has them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from mlops.training.evaluation import (
    FOLDS,
    HOLDOUT_SHARE,
    MIN_CLASS_ROWS,
    MIN_ROWS,
    REPEATS,
    BinaryEvaluation,
    Evaluation,
    Figure,
    MulticlassEvaluation,
    RegressionEvaluation,
    evaluation_of,
    expected_calibration_error,
)
from tests.unit.models.telco import telco_data
from tests.unit.training.plans import BIKES, FRUIT, bikes_rows, fruit_rows, read_rows

KINDS = MulticlassEvaluation(("a", "b", "c"))
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


def test_binary_figures_are_scikit_learns() -> None:
    generator = np.random.default_rng(2)
    predictions = generator.random(300)
    labels = (generator.random(300) < predictions).astype(np.int64)
    assert BinaryEvaluation().compute(labels, predictions[:, None]) == {
        "roc_auc": roc_auc_score(labels, predictions),
        "brier": brier_score_loss(labels, predictions),
        "ece": expected_calibration_error(labels, predictions),
    }


def test_multiclass_figures_are_scikit_learns() -> None:
    generator = np.random.default_rng(3)
    numbers = generator.dirichlet([1, 1, 1], 300)
    labels = generator.integers(0, 3, 300)
    found = KINDS.compute(labels, numbers)
    assert found["accuracy"] == accuracy_score(labels, numbers.argmax(axis=1))
    assert found["brier"] == pytest.approx(brier_score_loss(labels, numbers, scale_by_half=False))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(labels, numbers, multi_class="ovr"))


def test_multiclass_figures_by_hand() -> None:
    numbers = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    found = KINDS.compute(np.array([0, 1]), numbers)
    assert found["accuracy"] == 0.5
    assert found["brier"] == pytest.approx(((0.09 + 0.04 + 0.01) + (0.01 + 0.49 + 0.36)) / 2)
    assert found["roc_auc"] == 1, "of the two classes that there are"


def test_a_curve_needs_two_classes() -> None:
    found = KINDS.compute(np.array([1, 1]), np.array([[0.2, 0.5, 0.3]] * 2))
    assert np.isnan(found["roc_auc"])


def test_regression_figures_are_scikit_learns() -> None:
    generator = np.random.default_rng(4)
    labels = generator.normal(100, 20, 300)
    numbers = labels + generator.normal(2, 5, 300)
    found = RegressionEvaluation().compute(labels, numbers[:, None])
    assert found["mae"] == pytest.approx(mean_absolute_error(labels, numbers))
    assert found["rmse"] == pytest.approx(root_mean_squared_error(labels, numbers))
    assert found["r2"] == pytest.approx(r2_score(labels, numbers))


def test_each_task_has_its_evaluation() -> None:
    assert evaluation_of(BIKES) == RegressionEvaluation()
    assert evaluation_of(FRUIT) == MulticlassEvaluation(("apple", "pear", "plum"))
    assert evaluation_of(telco_data().contract) == BinaryEvaluation()


@pytest.mark.parametrize(
    ("share", "value", "rounded", "text"),
    [
        (True, 0.846753, 0.8468, "0.8468"),
        (False, 12345.678, 12346.0, "12,346"),
        (False, 0.000123456, 0.00012346, "0.00012346"),
    ],
)
def test_figures_in_the_unit_of_the_label_keep_five_digits(
    share: bool, value: float, rounded: float, text: str
) -> None:
    figure = Figure("it", "it", more_is_better=True, share=share)
    assert (figure.round(value), figure.format(value)) == (rounded, text)


def test_the_holdout_is_apart_stratified_and_always_the_same() -> None:
    data = telco_data()
    train, holdout = BinaryEvaluation().split(data)
    assert sorted([*train, *holdout]) == list(range(len(data)))
    assert len(holdout) == pytest.approx(HOLDOUT_SHARE * len(data), abs=1)
    shares = data.targets[train].mean(), data.targets[holdout].mean()
    assert shares[0] == pytest.approx(shares[1], abs=1e-3)
    np.testing.assert_array_equal(BinaryEvaluation().split(data)[1], holdout)


def test_classes_are_stratified_in_holdout_and_folds(tmp_path: Path) -> None:
    data = read_rows(tmp_path, FRUIT, fruit_rows())
    evaluation = evaluation_of(FRUIT)
    for _, rows in (evaluation.split(data), *evaluation.folds(data)):
        assert np.bincount(data.targets[rows]).tolist() == [20, 20, 20]


@pytest.mark.parametrize("contract", [BIKES, FRUIT])
def test_each_row_is_held_out_once_in_each_repetition(tmp_path: Path, contract: object) -> None:
    data = (
        read_rows(tmp_path, BIKES, bikes_rows())
        if contract is BIKES
        else read_rows(tmp_path, FRUIT, fruit_rows())
    )
    folds = [*evaluation_of(data.contract).folds(data)]
    assert len(folds) == FOLDS * REPEATS
    for start in range(0, len(folds), FOLDS):
        held_out = np.concatenate([test for _, test in folds[start : start + FOLDS]])
        assert sorted(held_out) == list(range(len(data)))
    for train, test in folds:
        assert not set(train) & set(test)


def test_the_holdout_of_numbers_is_apart_and_always_the_same(tmp_path: Path) -> None:
    data = read_rows(tmp_path, BIKES, bikes_rows())
    train, holdout = RegressionEvaluation().split(data)
    assert sorted([*train, *holdout]) == list(range(len(data)))
    assert len(holdout) == HOLDOUT_SHARE * len(data)
    np.testing.assert_array_equal(RegressionEvaluation().split(data)[1], holdout)


@pytest.mark.parametrize(
    ("evaluation", "counts", "reasons"),
    [
        (BinaryEvaluation(), (MIN_CLASS_ROWS, MIN_CLASS_ROWS), []),
        (
            BinaryEvaluation(),
            (1000, MIN_CLASS_ROWS - 1),
            ["too few rows to judge by: positive has 49; each class needs 50"],
        ),
        (
            BinaryEvaluation(),
            (MIN_CLASS_ROWS - 1, 1000),
            ["too few rows to judge by: negative has 49; each class needs 50"],
        ),
        (
            BinaryEvaluation(),
            (1000,),
            ["too few rows to judge by: positive has 0; each class needs 50"],
        ),
        (KINDS, (50, 50, 50), []),
        (KINDS, (50, 3), ["too few rows to judge by: b has 3, c has 0; each class needs 50"]),
    ],
)
def test_each_class_needs_rows(
    evaluation: Evaluation, counts: tuple[int, ...], reasons: list[str]
) -> None:
    assert evaluation.find_shortages(np.repeat(np.arange(len(counts)), counts)) == reasons


def test_numbers_need_rows_that_differ() -> None:
    find = RegressionEvaluation().find_shortages
    assert find(np.arange(MIN_ROWS, dtype=float)) == []
    assert find(np.arange(MIN_ROWS - 1, dtype=float)) == [
        "it has 199 rows, too few to judge by: 200 are needed"
    ]
    assert find(np.full(MIN_ROWS, 3.0)) == [
        "all labels are the same number, so there is nothing to predict"
    ]
