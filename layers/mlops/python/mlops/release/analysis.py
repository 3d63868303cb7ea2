"""Is the canary good enough? It is analyzed a fixed number of times while it has its share.

Three criteria compare what canary and stable version did when they were asked for predictions, over
the same minutes: errors, latency of warm requests, and the distribution of predictions. Each has
two thresholds. What is surely worse by more than the first has failed; what is surely not worse by
the second may pass; between them, and with too little data, it is inconclusive. A failure counts at
every analysis. A pass counts at the last one only: stopping at the first good analysis would
promote a canary that had a lucky start.

Three more fail a canary as the first does, and stand in no other's way: refusals of predictions,
and errors and refusals of all other requests. Clients are refused for what they ask, by both
versions alike, since the alias deals requests out by chance; and nobody may have asked for anything
but predictions. A bound for these would let few canaries pass. Instead, only what the canary has
answered counts for the least number.

A stable version that was asked often enough and answered nothing leaves nothing to be slower than,
or to differ from. It must not keep the canary that fixes it from being promoted.

The probability to fail a canary that is no different is shared evenly between analyses and criteria
(Bonferroni), so it stays below `Policy.false_alarms` in all. The simulation in
tests/simulation/test_canary_analysis.py states what comes out of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mlops.release.statistics import difference_at_most, more_often, shift, slower

_CRITERIA = 6
_BINS = 10
_DRAWS_BEYOND = 3
"""So many permutations are expected beyond the level. Of a fixed number, none could be so rare
where there are many analyses, however far the predictions have moved."""


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Policy:
    """What is asked of a canary.

    analyses: how many there are. min_requests: for predictions, which the canary must have
    answered by the last, without an error and without a refusal.
    false_alarms: probability to fail a canary that is no different, over all analyses.
    doubt: probability that a bound, on which a criterion passes, is wrong.
    error_share_harm, error_share_tolerated: a canary fails from this difference of the shares of
    failed, or refused, requests on, where it is surely worse; it passes surely below the other.
    latency_harm, latency_tolerated: factors of the stable version's latency.
    shift_harm: share of predictions that moved to other bins, beyond chance.
    """

    analyses: int = 5
    min_requests: int = 300
    false_alarms: float = 0.05
    doubt: float = 0.05
    error_share_harm: float = 0.005
    error_share_tolerated: float = 0.02
    latency_harm: float = 1.1
    latency_tolerated: float = 1.25
    shift_harm: float = 0.1

    @property
    def level(self) -> float:
        """The level of one criterion at one analysis."""
        return self.false_alarms / (self.analyses * _CRITERIA)


@dataclass(frozen=True)
class Observation:
    """What one version did in the minutes that are analyzed.

    requests: for predictions. errors, refusals: how many of them had a status of 500 and above, or
    one from 400 to 499.
    latencies: milliseconds of its warm predictions, of shape (n,).
    predictions: probabilities it answered, of shape (m,).
    latency_step, prediction_step: of very many, every so many-th is here; powers of two.
    other_requests, other_errors, other_refusals: for anything else, such as health checks.
    """

    requests: int
    errors: int
    latencies: NDArray[np.float64]
    predictions: NDArray[np.float64]
    refusals: int = 0
    other_requests: int = 0
    other_errors: int = 0
    other_refusals: int = 0
    latency_step: int = 1
    prediction_step: int = 1

    @property
    def answered(self) -> int:
        """How many predictions there were."""
        return self.requests - self.errors - self.refusals


@dataclass(frozen=True)
class Finding:
    """The verdict of one criterion, with the figures it rests on, in words."""

    criterion: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Analysis:
    """number: counted from 1; of `analyses`."""

    verdict: Verdict
    number: int
    analyses: int
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the criteria that decided."""
        return tuple(
            f"{finding.criterion}: {finding.reason}"
            for finding in self.findings
            if finding.verdict is self.verdict
        )


def analyze(
    canary: Observation,
    stable: Observation,
    policy: Policy,
    number: int,
    generator: np.random.Generator,
) -> Analysis:
    """Compare a canary with the stable version. Inconclusive before the last one means: go on.

    generator: for the permutations; the same seed gives the same verdict.
    """
    findings = (
        _errors(canary, stable, policy),
        _latency(canary, stable, policy),
        _predictions(canary, stable, policy, generator),
        _no_more("refusals", "refused", _refusals(canary), _refusals(stable), policy),
        _no_more("other errors", "failed", _other_errors(canary), _other_errors(stable), policy),
        _no_more(
            "other refusals", "refused", _other_refusals(canary), _other_refusals(stable), policy
        ),
    )
    return Analysis(_combined(findings, canary, policy, number), number, policy.analyses, findings)


def _combined(
    findings: Sequence[Finding], canary: Observation, policy: Policy, number: int
) -> Verdict:
    verdicts = {finding.verdict for finding in findings}
    if Verdict.FAILED in verdicts:
        return Verdict.FAILED
    enough = number >= policy.analyses and canary.answered >= policy.min_requests
    return Verdict.PASSED if enough and verdicts == {Verdict.PASSED} else Verdict.INCONCLUSIVE


def _errors(canary: Observation, stable: Observation, policy: Policy) -> Finding:
    if not canary.requests or not stable.requests:
        return Finding("errors", Verdict.INCONCLUSIVE, "one of the two had no requests")
    counts = _errors_of(canary), _errors_of(stable)
    at_most = difference_at_most(*counts[0], *counts[1], doubt=policy.doubt)
    fails, words = _more("failed", *counts, policy)
    reason = f"{words}, and {at_most:.2%} more at most"
    if fails:
        return Finding("errors", Verdict.FAILED, reason)
    passes = at_most < policy.error_share_tolerated
    return Finding("errors", Verdict.PASSED if passes else Verdict.INCONCLUSIVE, reason)


_Share = tuple[int, int]
"""So many, of so many requests."""


def _errors_of(it: Observation) -> _Share:
    return it.errors, it.requests


def _refusals(it: Observation) -> _Share:
    """Return refusals among what did not fail: a canary that fixes errors sees more to refuse."""
    return it.refusals, it.requests - it.errors


def _other_errors(it: Observation) -> _Share:
    return it.other_errors, it.other_requests


def _other_refusals(it: Observation) -> _Share:
    return it.other_refusals, it.other_requests - it.other_errors


def _no_more(criterion: str, how: str, canary: _Share, stable: _Share, policy: Policy) -> Finding:
    """Passes unless there are surely more."""
    if not canary[1] or not stable[1]:
        return Finding(criterion, Verdict.PASSED, "one of the two had no such requests")
    fails, reason = _more(how, canary, stable, policy)
    return Finding(criterion, Verdict.FAILED if fails else Verdict.PASSED, reason)


def _more(how: str, canary: _Share, stable: _Share, policy: Policy) -> tuple[bool, str]:
    """Whether there are surely more of the canary's, and in words."""
    surely_more = more_often(*canary, *stable)
    more = canary[0] / canary[1] - stable[0] / stable[1]
    words = (
        f"{canary[0]} of {canary[1]} requests {how}, {stable[0]} of {stable[1]} on the stable"
        f" version; p = {surely_more:.2g} for more"
    )
    return surely_more < policy.level and more >= policy.error_share_harm, words


def _latency(canary: Observation, stable: Observation, policy: Policy) -> Finding:
    if not len(canary.latencies) or not len(stable.latencies):
        return _no_data("latency", "warm requests", canary, stable, policy)
    surely_slower, _ = slower(canary.latencies, stable.latencies, factor=policy.latency_harm)
    _, surely_not = slower(canary.latencies, stable.latencies, factor=policy.latency_tolerated)
    reason = (
        f"the median is {np.median(canary.latencies):.1f} ms over {len(canary.latencies)} requests,"
        f" {np.median(stable.latencies):.1f} ms over {len(stable.latencies)} on the stable version;"
        f" p = {surely_slower:.2g} for slower by {policy.latency_harm - 1:.0%}"
    )
    if surely_slower < policy.level:
        return Finding("latency", Verdict.FAILED, reason)
    passes = surely_not < policy.doubt
    return Finding("latency", Verdict.PASSED if passes else Verdict.INCONCLUSIVE, reason)


def _predictions(
    canary: Observation, stable: Observation, policy: Policy, generator: np.random.Generator
) -> Finding:
    if not len(canary.predictions) or not len(stable.predictions):
        return _no_data("predictions", "predictions", canary, stable, policy)
    found = shift(
        canary.predictions,
        stable.predictions,
        bins=_BINS,
        draws=math.ceil(_DRAWS_BEYOND / policy.level),
        generator=generator,
    )
    reason = (
        f"{found.distance:.1%} of the predictions lie in other tenths, {found.by_chance:.1%} by"
        f" chance alone; p = {found.p_value:.2g}"
    )
    if found.excess < policy.shift_harm:
        return Finding("predictions", Verdict.PASSED, reason)
    fails = found.p_value < policy.level
    return Finding("predictions", Verdict.FAILED if fails else Verdict.INCONCLUSIVE, reason)


def _no_data(
    criterion: str, of: str, canary: Observation, stable: Observation, policy: Policy
) -> Finding:
    """No data never passes, unless the stable version fails for all, and the canary does not.

    Who is refused for what he asks has his answer: that is no failure.
    """
    is_down = not len(stable.predictions) and stable.errors >= policy.min_requests
    fixes = canary.errors < policy.error_share_tolerated * canary.requests
    if is_down and fixes and len(canary.latencies) and len(canary.predictions):
        reason = f"the stable version answered none of {stable.requests} requests"
        return Finding(criterion, Verdict.PASSED, f"{reason}: there is nothing to compare with")
    return Finding(criterion, Verdict.INCONCLUSIVE, f"one of the two had no {of}")
