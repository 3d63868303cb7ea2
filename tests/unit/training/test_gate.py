"""The gate: what is refused just beyond each bound, and let pass on it."""

from dataclasses import replace

import numpy as np
import pytest

from mlops.errors import GateRefused
from mlops.models.churn.training import CHURN_PLAN
from mlops.models.plan import Bounds, TrainingPlan
from mlops.training.evaluation import Figures, MulticlassEvaluation, RegressionEvaluation
from mlops.training.evidence import CrossValidation
from mlops.training.gate import (
    MAX_PARITY_DIFFERENCE,
    find_leaks,
    find_refusals,
    parity_difference,
    propose_bounds,
)
from tests.unit.training.plans import BIKES_PLAN

NOISE = {"roc_auc": 0.01, "brier": 0.002, "ece": 0.006}
GOOD = {
    "full": {"roc_auc": 0.85, "brier": 0.135, "ece": 0.01},
    "three_fields": {"roc_auc": 0.82, "brier": 0.145, "ece": 0.01},
}
NAN = float("nan")


def validated(found: dict[str, Figures]) -> dict[str, CrossValidation]:
    return {name: CrossValidation(figures, NOISE) for name, figures in found.items()}


def judged(view: str = "full", *, parity: float = 0.0, **changed: float) -> list[str]:
    """The reasons against a good candidate of which some figures of one view are changed."""
    found = GOOD | {view: GOOD[view] | changed}
    return find_refusals(CHURN_PLAN, validated(found), parity)


def judged_by(bounds: dict[str, Bounds]) -> list[str]:
    return find_refusals(replace(CHURN_PLAN, bounds=bounds), validated(GOOD), 0.0)


def test_a_good_candidate_passes() -> None:
    assert judged() == []


def test_the_bounds_are_those_promised() -> None:
    full, three = CHURN_PLAN.bounds["full"], CHURN_PLAN.bounds["three_fields"]
    assert full.minimum == {"roc_auc": 0.84}
    assert full.maximum == {"roc_auc": 0.87, "brier": 0.137, "ece": 0.02}
    assert three.minimum == {"roc_auc": 0.815}
    assert three.maximum == {"roc_auc": 0.87, "brier": 0.1465}
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


def test_a_view_without_bounds_is_refused_with_the_command_that_proposes_some() -> None:
    (reason,) = judged_by({"full": CHURN_PLAN.bounds["full"]})
    assert reason == (
        "three_fields: its plan has no bounds for this view; to find some:"
        " mlops train churn --propose-bounds"
    )


def test_bounds_that_nothing_is_compared_with_are_refused() -> None:
    good = dict(CHURN_PLAN.bounds)
    assert judged_by(good | {"ful": Bounds()}) == [
        "ful: its plan has bounds for this view, which the contract does not have"
    ]
    assert judged_by(good | {"full": Bounds(minimum={"auc": 0.8})}) == [
        "full: there is no figure auc; those of the task: roc_auc, brier, ece"
    ]


def test_without_a_bound_of_its_own_a_figure_may_not_be_perfect() -> None:
    bounds = dict(CHURN_PLAN.bounds) | {"full": Bounds(minimum={"roc_auc": 0.5})}
    plan = replace(CHURN_PLAN, bounds=bounds)
    for roc_auc, count in ((0.999, 0), (0.9991, 1)):
        found = GOOD | {"full": GOOD["full"] | {"roc_auc": roc_auc}}
        assert len(find_refusals(plan, validated(found), 0.0)) == count
    allowed = bounds | {"full": Bounds(maximum={"roc_auc": 1})}
    found = GOOD | {"full": GOOD["full"] | {"roc_auc": 1.0}}
    assert find_refusals(replace(plan, bounds=allowed), validated(found), 0.0) == []


def test_a_loss_may_be_too_good_to_be_true_too() -> None:
    found = {name: {"mae": 1.0, "rmse": 2.0, "r2": 0.9} for name in ("all", "some")}
    bounds = {"all": Bounds(minimum={"mae": 3}), "some": Bounds()}
    (reason,) = find_refusals(replace(BIKES_PLAN, bounds=bounds), validated(found), 0.0)
    assert reason == (
        "all: mean absolute error 1 is below 3, too good to be true:"
        " does a column give the label away?"
    )


@pytest.mark.parametrize(
    ("evaluation", "figures", "leaks"),
    [
        (MulticlassEvaluation(("a", "b")), {"accuracy": 1.0}, 1),
        (MulticlassEvaluation(("a", "b")), {"accuracy": 0.99}, 0),
        (RegressionEvaluation(), {"r2": 1.0}, 1),
        (RegressionEvaluation(), {"r2": 0.99}, 0),
    ],
)
def test_each_task_knows_what_is_too_good(
    evaluation: MulticlassEvaluation | RegressionEvaluation, figures: Figures, leaks: int
) -> None:
    found = find_leaks(evaluation, figures)
    assert len(found) == leaks
    assert all("too good to be true: does a column give the label away?" in it for it in found)


def test_proposed_bounds_let_the_run_pass_that_they_come_from() -> None:
    found = propose_bounds(CHURN_PLAN, validated(GOOD))
    assert found["full"] == Bounds(
        minimum={"roc_auc": 0.84}, maximum={"roc_auc": 0.88, "brier": 0.137, "ece": 0.016}
    )
    plan: TrainingPlan = replace(CHURN_PLAN, bounds=found)
    assert find_refusals(plan, validated(GOOD), 0.0) == []
    worse = GOOD | {"full": GOOD["full"] | {"brier": 0.138}}
    assert len(find_refusals(plan, validated(worse), 0.0)) == 1


@pytest.mark.parametrize(
    ("found", "expected", "decimals", "difference"),
    [
        ([0.5], [0.5], 6, 0),
        ([0.5], [0.50001], 6, 0.00001 - 0.0000005),
        ([250.0], [250.4], 0, 0),  # it is rounded to whole numbers
        ([250.0], [251.5], 0, 1 / 251.5),  # a share of large numbers
        ([0.0], [0.2], 6, 0.2 - 0.0000005),
    ],
)
def test_parity_is_measured_apart_from_rounding(
    found: list[float], expected: list[float], decimals: int, difference: float
) -> None:
    both = np.array([found]), np.array([expected])
    assert parity_difference(*both, decimals) == pytest.approx(difference, abs=1e-12)


def test_one_nan_makes_the_parity_nan() -> None:
    rows = np.array([[0.1], [NAN], [0.3]])
    assert np.isnan(parity_difference(rows, np.nan_to_num(rows), 6))
