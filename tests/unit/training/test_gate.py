"""The gate: what is refused just beyond each bound, and let pass on it."""

from dataclasses import replace

import numpy as np
import pytest

from mlops.errors import GateRefused
from mlops.models.churn.training import CHURN_PLAN
from mlops.models.columns import Columns
from mlops.models.plan import Dataset
from mlops.training.candidate import train
from mlops.training.evaluation import CrossValidation, Figures
from mlops.training.gate import (
    MAX_PARITY_DIFFERENCE,
    MIN_CLASS_ROWS,
    refusals,
    too_few_rows,
)
from tests.unit.inference.building import TRAINED_AT

NOISE = Figures(roc_auc=0.01, brier=0.01, ece=0.01)
GOOD = {
    "full": Figures(roc_auc=0.85, brier=0.135, ece=0.01),
    "three_fields": Figures(roc_auc=0.82, brier=0.145, ece=0.01),
}
NAN = float("nan")


def judged(view: str = "full", *, parity: float = 0.0, **changed: float) -> list[str]:
    """The reasons against a good candidate of which some figures of one view are changed."""
    found = GOOD | {view: replace(GOOD[view], **changed)}
    results = {name: CrossValidation(it, NOISE, it.ece) for name, it in found.items()}
    return refusals(CHURN_PLAN, results, parity)


def test_a_good_candidate_passes() -> None:
    assert judged() == []


def test_the_bounds_are_those_promised() -> None:
    bounds = {view.name: view.bounds for view in CHURN_PLAN.views}
    full = bounds["full"]
    assert (full.min_roc_auc, full.max_brier, full.max_ece) == (0.84, 0.137, 0.02)
    three = bounds["three_fields"]
    assert (three.min_roc_auc, three.max_brier, three.max_ece) == (0.815, 0.1465, None)
    assert {bound.leak_roc_auc for bound in bounds.values()} == {0.87}
    assert MAX_PARITY_DIFFERENCE == 1e-5


@pytest.mark.parametrize(
    ("view", "figure", "bound", "worse", "says"),
    [
        ("full", "roc_auc", 0.84, 0.8399, "full: ROC-AUC 0.8399 is below 0.84"),
        ("full", "roc_auc", 0.87, 0.8701, "does a column give the label away?"),
        ("full", "brier", 0.137, 0.1371, "full: Brier score 0.1371 is above 0.137"),
        ("full", "ece", 0.02, 0.0201, "full: calibration error 0.0201 is above 0.02"),
        ("three_fields", "roc_auc", 0.815, 0.8149, "three_fields: ROC-AUC 0.8149 is below 0.815"),
        ("three_fields", "roc_auc", 0.87, 0.8701, "does a column give the label away?"),
        ("three_fields", "brier", 0.1465, 0.1466, "three_fields: Brier score 0.1466 is above"),
    ],
)
def test_each_bound(view: str, figure: str, bound: float, worse: float, says: str) -> None:
    assert judged(view, **{figure: bound}) == []
    (reason,) = judged(view, **{figure: worse})
    assert says in reason


def test_three_field_requests_have_no_bound_on_calibration() -> None:
    assert judged("three_fields", ece=0.5) == []


def test_parity() -> None:
    assert judged(parity=1e-5) == []
    (reason,) = judged(parity=1.1e-5)
    assert reason == "the ONNX model differs from scikit-learn by 1.1e-05, more than 1e-05"


@pytest.mark.parametrize("view", ["full", "three_fields"])
@pytest.mark.parametrize("figure", ["roc_auc", "brier"])
def test_nan_is_refused(view: str, figure: str) -> None:
    assert len(judged(view, **{figure: NAN})) == 1


def test_nan_as_calibration_error_or_parity_is_refused() -> None:
    assert len(judged(ece=NAN)) == len(judged(parity=NAN)) == 1


def test_all_reasons_are_told_at_once() -> None:
    reasons = judged(roc_auc=0.5, brier=0.25, ece=0.1, parity=1.0)
    assert len(reasons) == 4
    told = str(GateRefused("churn", reasons))
    assert all(reason in told for reason in reasons)


@pytest.mark.parametrize(
    ("stay", "leave", "refused"),
    [
        (MIN_CLASS_ROWS, MIN_CLASS_ROWS, False),
        (1000, MIN_CLASS_ROWS - 1, True),
        (MIN_CLASS_ROWS - 1, 1000, True),
        (1000, 0, True),
    ],
)
def test_too_few_rows_of_a_class(stay: int, leave: int, refused: bool) -> None:
    assert bool(too_few_rows(dataset(stay, leave))) is refused


def test_too_few_rows_are_refused_before_anything_is_trained() -> None:
    with pytest.raises(GateRefused, match="one class has 3 rows, too few"):
        train(CHURN_PLAN, dataset(100, 3), at=TRAINED_AT, code_sha=None)


def dataset(stay: int, leave: int) -> Dataset:
    return Dataset(
        columns=Columns(np.zeros((stay + leave, 19), np.float32)),
        requests=(),
        labels=np.repeat([0, 1], [stay, leave]),
        segments={},
        digest="sha256:none",
    )
