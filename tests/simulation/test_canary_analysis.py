"""How often the analysis is wrong: thousands of releases, simulated, the same ones each time.

Each has five analyses of a growing record. Of one model the canary gets 600 requests by the last
and the stable version 5,400; of three models it gets 1,500 and the stable version 13,500, of which
70 % are for the first model and 15 % for each of the others. Latencies are log-normal, predictions
equally spread over ten bins, errors (0.2 %) and refusals (2 %) rare and independent of each other.
The shares asserted are bounds; the docstrings have those found.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import scipy
from numpy.typing import NDArray

from mlops.release.analysis import Observation, Policy, Requests, Verdict, analyze

POLICY = Policy()
BINS = 10
LATENCY_STEP = np.log(1.02)
LATENCIES = np.arange(300)
"""The bins from 1 ms to 380 ms."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """How a version of one model behaves.

    share: of the requests. predictions: the share of them in each bin; by default they are equal.
    """

    share: float = 1.0
    error_share: float = 0.002
    refused_share: float = 0.02
    latency_factor: float = 1.0
    shifted_share: float = 0.0
    predictions: tuple[float, ...] = (1 / BINS,) * BINS

    def draw(self, requests: Ints, generator: np.random.Generator) -> "Drawn":
        """requests: shape (runs, analyses)."""
        kinds = self.error_share, self.refused_share
        errors, refusals, answered = np.moveaxis(
            generator.multinomial(requests, [*kinds, 1 - sum(kinds)]), -1, 0
        )
        middle = np.log(7.4 * self.latency_factor)
        edges = (np.append(LATENCIES, len(LATENCIES)) - 0.5) * LATENCY_STEP
        latencies = np.diff(scipy.special.ndtr((edges - middle) / 0.5))
        predictions = np.array(self.predictions) * (1 - self.shifted_share)
        predictions[-1] += self.shifted_share
        counts = requests, errors, refusals
        spread = (
            generator.multinomial(answered, shares / shares.sum())
            for shares in (latencies, predictions)
        )
        return Drawn(*(part.cumsum(axis=1) for part in (*counts, *spread)))


@dataclass(frozen=True)
class Drawn:
    """Counts until each analysis, shape (runs, analyses), the last two with bins behind."""

    requests: Ints
    errors: Ints
    refusals: Ints
    latencies: Ints
    predictions: Ints

    def requests_of(self, run: int, number: int) -> Requests:
        at = run, number - 1
        latencies, predictions = (
            {place: count for place, count in enumerate(part[at].tolist()) if count}
            for part in (self.latencies, self.predictions)
        )
        counts = int(self.requests[at]), int(self.errors[at]), int(self.refusals[at])
        return Requests(*counts, latencies, predictions)


Worlds = Mapping[str, Model]
ONE: Worlds = {"churn": Model()}
THREE: Worlds = {"churn": Model(0.7), "loans": Model(0.15), "fraud": Model(0.15)}
CANARY_REQUESTS = {len(ONE): 600, len(THREE): 1_500}


def drawn(worlds: Worlds, requests: int, runs: int, seed: int) -> dict[str, Drawn]:
    generator = np.random.default_rng(seed)
    shares = [model.share for model in worlds.values()]
    each = generator.multinomial(requests // POLICY.analyses, shares, (runs, POLICY.analyses))
    return {
        name: model.draw(each[..., place], generator)
        for place, (name, model) in enumerate(worlds.items())
    }


def shares(canary_worlds: Worlds, stable_worlds: Worlds, runs: int) -> dict[Verdict, float]:
    """Return how many of the releases have each verdict."""
    requests = CANARY_REQUESTS[len(stable_worlds)]
    canary = drawn(canary_worlds, requests, runs, seed=1)
    stable = drawn(stable_worlds, 9 * requests, runs, seed=2)
    verdicts = [_release(canary, stable, run) for run in range(runs)]
    return {verdict: verdicts.count(verdict) / runs for verdict in Verdict}


def _release(canary: Mapping[str, Drawn], stable: Mapping[str, Drawn], run: int) -> Verdict:
    changed = dict.fromkeys(stable, BINS)
    generator = np.random.default_rng(run)
    verdict = Verdict.INCONCLUSIVE
    for number in range(1, POLICY.analyses + 1):
        found, expected = (
            Observation({name: it.requests_of(run, number) for name, it in side.items()})
            for side in (canary, stable)
        )
        verdict = analyze(found, expected, changed, POLICY, number, generator).verdict
        if verdict is Verdict.FAILED:
            break
    return verdict


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("worlds", "runs"), [(ONE, 1_000), (THREE, 500)], ids=["one", "three"])
def test_a_canary_that_is_no_different_is_seldom_rolled_back(worlds: Worlds, runs: int) -> None:
    """False rollbacks: 0.7 % of 1,000 with one model, 1.2 % of 500 with three; 5 % are allowed."""
    found = shares(worlds, worlds, runs)
    assert found[Verdict.FAILED] + found[Verdict.INCONCLUSIVE] <= 0.02, found


@pytest.mark.parametrize(
    "harm",
    [
        Model(error_share=0.03),
        Model(refused_share=0.07),
        Model(latency_factor=1.3),
        Model(shifted_share=0.3),
    ],
    ids=str,
)
def test_a_harmful_canary_is_hardly_ever_promoted(harm: Model) -> None:
    """Misses, of 500 each: two with 5 points more refusals, none with 3 % errors, 30 % more
    latency, or 30 % of the predictions moved.

    What is half as bad is missed more often: 3 % with 2 % errors, 30 % with 2.5 points more
    refusals, 8 % with 20 % more latency, 4 % with 20 % of the predictions moved.
    """
    found = shares({"churn": harm}, ONE, runs=500)
    assert found[Verdict.PASSED] <= 0.005, found


@pytest.mark.parametrize(
    "harm",
    [
        Model(0.15, error_share=0.05),
        Model(0.15, refused_share=0.1),
        Model(0.15, latency_factor=1.3),
        Model(0.15, shifted_share=0.3),
    ],
    ids=str,
)
def test_a_harmful_model_does_not_hide_behind_the_others(harm: Model) -> None:
    """One model of three, which has 15 % of the requests, is bad. Misses, of 500 each: 2 % with 5 %
    errors, 1.4 % with 8 points more refusals, 0.4 % with 30 % more latency, none with 30 % of its
    predictions moved. So each is found in 98 % of the releases or more; 10 % errors are always.

    What is half as bad is missed more often: 27 % with 3 % errors, 28 % with 20 % of the
    predictions moved.
    """
    found = shares({**THREE, "loans": harm}, THREE, runs=200)
    assert found[Verdict.PASSED] <= 0.05, found
