"""A model's trial ends within its budget, whatever the model does."""

import os
import sys
import time
from collections.abc import Callable

import pytest

from mlops.errors import GoldenRowsFailed, ModelUnusable
from mlops.inference import predictor, trial
from mlops.inference.trial import Budget, try_model
from mlops.models.churn.contract import CHURN
from tests.unit.inference.building import failing_model, golden_rows, onnx_model
from tests.unit.inference.hostile_models import (
    endless_loop,
    external_weights,
    functions_that_double,
    large_sparse_weights,
)

VERSION = "churn-model-v1.0.0"
SHORT = Budget(seconds=2)
ROWS = golden_rows()


@pytest.fixture
def structure_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime gets models that it would never see, to show that the trial ends anyway."""
    monkeypatch.setattr(trial, "_START_SECONDS", 15)
    monkeypatch.setattr(trial, "_run", _run_without_check)


def _run_without_check(*arguments: object) -> None:
    setattr(predictor, "check_structure", lambda version, model: None)  # noqa: B010 -- of another module
    _RUN(*arguments)  # type: ignore[arg-type]


_RUN = trial._run


def test_a_good_model_passes() -> None:
    try_model(VERSION, onnx_model(), CHURN, ROWS)


def test_a_model_that_answers_differently_fails_by_its_golden_rows() -> None:
    with pytest.raises(GoldenRowsFailed, match="a golden row is off"):
        try_model(VERSION, onnx_model(slope=0.06), CHURN, ROWS)
    with pytest.raises(GoldenRowsFailed, match="it cannot predict"):
        try_model(VERSION, failing_model(), CHURN, ROWS)


@pytest.mark.parametrize("build", [external_weights, endless_loop])
def test_a_hostile_model_is_refused_with_the_reason(build: Callable[[], bytes]) -> None:
    with pytest.raises(ModelUnusable, match="is not served"):
        try_model(VERSION, build(), CHURN, ROWS)


@pytest.mark.usefixtures("structure_not_checked")
@pytest.mark.parametrize("build", [endless_loop, functions_that_double])
def test_a_model_that_never_ends_is_stopped(build: Callable[[], bytes]) -> None:
    began = time.monotonic()
    with pytest.raises(ModelUnusable, match=r"more than 2 s|needs more"):
        try_model(VERSION, build(), CHURN, ROWS, SHORT)
    assert time.monotonic() - began < 30


@pytest.mark.usefixtures("structure_not_checked")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its memory")
def test_a_model_that_takes_all_memory_is_stopped() -> None:
    with pytest.raises(ModelUnusable, match=r"memory|MB|bad_alloc|ONNX Runtime crashes"):
        try_model(VERSION, large_sparse_weights(2_000_000_000), CHURN, ROWS)


def _crash(*arguments: object) -> None:
    os.abort()


def _wait(*arguments: object) -> None:
    time.sleep(600)


def test_a_crash_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_run", _crash)
    with pytest.raises(ModelUnusable, match=r"ONNX Runtime crashes .* \(exit code -6\)"):
        try_model(VERSION, onnx_model(), CHURN, ROWS)


def test_a_model_that_waits_without_computing_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_run", _wait)
    monkeypatch.setattr(trial, "_START_SECONDS", 1)
    with pytest.raises(ModelUnusable, match="takes more than 1 s"):
        try_model(VERSION, onnx_model(), CHURN, ROWS, Budget(seconds=1))
