"""Traffic made for a canary: how often a harmless new model is rolled back, by what it is asked.

Where nobody uses a stage, `make verdict TRAFFIC=2` asks it, again and again in the same order. New
models here are the old one with its probabilities moved a little, each row's by itself.
"""

from collections import Counter

import numpy as np
import scipy
from numpy.typing import NDArray

from mlops.release.analysis import (
    Observation,
    Policy,
    Requests,
    Verdict,
    analyze,
    latency_bin,
)

POLICY = Policy()
REQUESTS, WEIGHT = 3_600, 0.1  # two a second, for half an hour
ROWS = 1_409  # of the churn model's holdout
MOVED = 0.02  # standard deviation
EDGES = scipy.stats.beta(0.8, 2.2).ppf(np.arange(1, 10) / 10)
"""Of the stable version's reference profile: the deciles of its training predictions."""


def release(
    old: NDArray[np.float64], new: NDArray[np.float64], generator: np.random.Generator
) -> Verdict:
    """The alias deals requests out by chance; which row comes next, it does not know."""
    row = np.arange(REQUESTS) % len(old)
    is_canary = generator.random(REQUESTS) < WEIGHT
    latencies = np.array([*map(latency_bin, generator.lognormal(2.0, 0.5, REQUESTS).tolist())])
    bins = [np.searchsorted(EDGES, predictions, side="right")[row] for predictions in (new, old)]
    verdict = Verdict.INCONCLUSIVE
    for number in range(1, POLICY.analyses + 1):
        until = np.arange(REQUESTS) < REQUESTS * number // POLICY.analyses
        canary, stable = (
            Observation(
                {
                    "churn": Requests(
                        requests=int(asked.sum()),
                        latencies=Counter(latencies[asked].tolist()),
                        predictions=Counter(predictions[asked].tolist()),
                    )
                }
            )
            for asked, predictions in zip(
                (until & is_canary, until & ~is_canary), bins, strict=True
            )
        )
        changed = {"churn": len(EDGES) + 1}
        verdict = analyze(canary, stable, changed, POLICY, number, generator).verdict
        if verdict is Verdict.FAILED:
            break
    return verdict


def promoted(rows: int, runs: int, *, shifted: float = 0) -> float:
    """Return the share of releases that are promoted.

    shifted: the share of the rows whose new predictions come from another distribution.
    """
    generator = np.random.default_rng(1)
    verdicts = []
    for _ in range(runs):
        old = generator.beta(0.8, 2.2, rows)
        new = np.clip(old + generator.normal(0, MOVED, rows), 0, 1)
        others = generator.random(rows) < shifted
        new[others] = generator.beta(6, 2, np.count_nonzero(others))
        verdicts.append(release(old, new, generator))
    return verdicts.count(Verdict.PASSED) / runs


def test_a_harmless_model_asked_about_a_holdout_is_hardly_ever_rolled_back() -> None:
    """Of 200, none. (Of 100 bootstraps of the churn model's own training, none either.)"""
    assert promoted(ROWS, runs=200) >= 0.97


def test_a_harmless_model_asked_about_two_rows_often_is() -> None:
    """Of 200, 37 %: one that crosses an edge of the bins takes half of all predictions with it."""
    assert promoted(2, runs=200) <= 0.9


def test_a_shift_shows_in_a_holdout() -> None:
    """None of 100 with 30 % of the predictions moved is promoted."""
    assert promoted(ROWS, runs=100, shifted=0.3) <= 0.01
