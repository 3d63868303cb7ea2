"""Whether a bad forecast is found: by the gate on the holdout, and by the analysis of a canary.

Forecasts are those of the project's own data, so that the numbers are spread as they really are.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops.models.ridership.training import RIDERSHIP_PLAN, fit
from mlops.models.series import DAYS
from mlops.models.tasks import Numbers, forecast_of
from mlops.monitoring.reference import reference_profile
from mlops.release.analysis import Verdict
from mlops.release.noninferiority import compare
from mlops.training.data import Dataset, Rows, take
from mlops.training.evaluation import evaluation_of
from mlops.training.loading import load
from tests.simulation.test_canary_analysis import Model, shares

DATA = Path(__file__).resolve().parents[2] / RIDERSHIP_PLAN.default_data
CONTRACT = RIDERSHIP_PLAN.contract
TASK = forecast_of(CONTRACT)
RUNS = 300

pytestmark = pytest.mark.timeout(600)


@cache
def data() -> Dataset:
    return load(DATA, CONTRACT)


@cache
def champion() -> Numbers:
    """Return the forecasts of all rows."""
    return forecast(seed=7)


def forecast(seed: int) -> Numbers:
    train, _ = evaluation_of(CONTRACT).split(data())
    fitted = fit(take(data().tensors, train), data().targets[train], seed)
    return fitted.predict(data().tensors[DAYS])


def shift(numbers: Numbers, factor: float) -> Numbers:
    """Return forecasts whose days and intervals are all higher by a factor."""
    by_day = numbers.reshape(len(numbers), TASK.days, TASK.numbers_per_day).copy()
    by_day[:, :, 1:-1] *= factor
    return by_day.reshape(numbers.shape)


def bins_of(numbers: Numbers) -> tuple[float, ...]:
    """Return the share of forecasts in each bin of the champion's reference profile."""
    profile = json.loads(reference_profile(CONTRACT, data().tensors, champion(), {}))
    edges = profile["prediction"]["edges"]
    bins = np.searchsorted(edges, TASK.watched(numbers), side="right")
    counts: NDArray[np.int64] = np.bincount(bins, minlength=len(edges) + 1)
    return tuple((counts / counts.sum()).tolist())


def test_a_forecast_that_is_shifted_is_always_rolled_back() -> None:
    """Misses: none of 300 canaries each. Rolled back without need: 6 of 300; 5 % are allowed."""
    stable = {"ridership": Model(predictions=bins_of(champion()))}
    passed = {
        factor: shares(
            {"ridership": Model(predictions=bins_of(shift(champion(), factor)))}, stable, RUNS
        )[Verdict.PASSED]
        for factor in (1.0, 1.1, 1.2, 0.8)
    }
    assert passed[1.0] >= 0.95, passed
    assert passed[1.1] == passed[1.2] == passed[0.8] == 0, passed


def test_the_gate_refuses_a_shifted_forecast_and_takes_one_that_is_trained_again() -> None:
    _, held_out = evaluation_of(CONTRACT).split(data())

    def passes(candidate: Numbers, rows: Rows = held_out) -> list[bool]:
        labels = data().targets[rows]
        figures = compare(TASK, candidate[rows], champion()[rows], labels, doubt=0.05)
        return [figure.passes for figure in figures]

    assert passes(champion()) == [True, True]
    assert passes(shift(champion(), 1.2)) == [False, False]
    assert passes(shift(champion(), 0.9)) == [False, False]
    again = passes(forecast(seed=8))
    assert again[0], again
