"""Training: the same way for each task; data or figures that are not good enough are refused."""

import io
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest

from mlops.errors import GateRefused
from mlops.inference.manifest import MODEL
from mlops.inference.predictor import Predictor
from mlops.models.churn.training import CHURN_PLAN
from mlops.models.plan import Bounds, TrainingPlan
from mlops.training.data import Dataset
from mlops.training.evaluation import FOLDS, REPEATS
from mlops.training.export import predict_numbers
from mlops.training.folder import Candidate
from mlops.training.servable import require_servable
from mlops.training.trainer import ESTIMATOR, find_bounds, train
from tests.unit.inference.building import TRAINED_AT
from tests.unit.models.telco import telco_data
from tests.unit.training.plans import (
    BIKES,
    BIKES_PLAN,
    FRUIT,
    FRUIT_PLAN,
    bikes_rows,
    fruit_rows,
    read_rows,
)


@pytest.fixture
def bikes(tmp_path: Path) -> Dataset:
    return read_rows(tmp_path, BIKES, bikes_rows())


@pytest.fixture
def fruit(tmp_path: Path) -> Dataset:
    return read_rows(tmp_path, FRUIT, fruit_rows())


def train_it(plan: TrainingPlan, data: Dataset) -> Candidate:
    return train(plan, data, at=TRAINED_AT, code_sha="c0ffee")


@pytest.mark.parametrize(("plan", "name"), [(BIKES_PLAN, "bikes"), (FRUIT_PLAN, "fruit")])
def test_a_model_of_any_task_is_trained_and_could_be_served(
    request: pytest.FixtureRequest, plan: TrainingPlan, name: str
) -> None:
    data: Dataset = request.getfixturevalue(name)
    done: list[tuple[int, int]] = []
    candidate = train(
        plan,
        data,
        at=TRAINED_AT,
        code_sha="c0ffee",
        on_fold=lambda *progress: done.append(progress),
    )
    assert done == [(fold, FOLDS * REPEATS) for fold in range(1, FOLDS * REPEATS + 1)]
    require_servable(candidate, "candidates")
    found = candidate.metrics["cross_validation"]
    assert found.keys() == data.by_view.keys()
    assert candidate.metrics["rows"] == {"train": len(data) * 4 // 5, "holdout": len(data) // 5}
    assert (candidate.provenance.trained_at, candidate.provenance.code_sha) == (
        TRAINED_AT,
        "c0ffee",
    )
    assert candidate.provenance.data_digest == data.digest

    estimator = joblib.load(io.BytesIO(candidate.files[ESTIMATOR]))
    served = Predictor(name, candidate.files[MODEL], plan.contract).predict(data.tensors)
    expected = predict_numbers(estimator, plan.contract, data.tensors)
    digits = plan.contract.outcome.output.decimals
    np.testing.assert_allclose(served, expected, rtol=1e-5, atol=1e-5 + 0.5 * 10.0**-digits)


def test_figures_outside_the_bounds_are_refused_with_all_reasons(fruit: Dataset) -> None:
    strict = replace(
        FRUIT_PLAN,
        bounds={"full": Bounds(minimum={"accuracy": 0.999}, maximum={"brier": 0.0001})},
    )
    with pytest.raises(GateRefused) as caught:
        train_it(strict, fruit)
    assert [reason.split(" 0.")[0] for reason in caught.value.reasons] == [
        "full: accuracy",
        "full: Brier score",
    ]


def test_a_graph_that_differs_from_its_estimator_is_refused(
    fruit: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = FRUIT_PLAN.fit(fruit.tensors, (fruit.targets + 1) % 3, 1)
    monkeypatch.setattr(
        "mlops.training.trainer.predict_numbers", lambda _, *rest: predict_numbers(other, *rest)
    )
    with pytest.raises(GateRefused, match="the ONNX model differs from scikit-learn by"):
        train_it(FRUIT_PLAN, fruit)


def test_too_few_rows_are_refused_before_anything_is_trained() -> None:
    whole = telco_data()
    stay, leave = np.flatnonzero(whole.targets == 0)[:100], np.flatnonzero(whole.targets == 1)[:3]
    rows = [*stay.tolist(), *leave.tolist()]
    few = Dataset(
        whole.contract,
        [whole.requests[row] for row in rows],
        [whole.labels[row] for row in rows],
        "sha256:none",
    )
    for run in (lambda: train_it(CHURN_PLAN, few), lambda: find_bounds(CHURN_PLAN, few)):
        with pytest.raises(GateRefused, match="too few rows to judge by: positive has 3"):
            run()


def test_bounds_of_a_first_run_let_the_next_one_pass(fruit: Dataset) -> None:
    first = replace(FRUIT_PLAN, bounds={})
    with pytest.raises(GateRefused, match="full: its plan has no bounds for this view"):
        train_it(first, fruit)
    found = find_bounds(first, fruit)
    assert found.keys() == {"full"}
    train_it(replace(first, bounds=found), fruit)


def test_the_same_rows_give_the_same_files(fruit: Dataset) -> None:
    assert train_it(FRUIT_PLAN, fruit).files == train_it(FRUIT_PLAN, replace(fruit)).files
