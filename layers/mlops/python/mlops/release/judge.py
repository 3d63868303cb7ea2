"""Is the canary good enough? Asked a fixed number of times while it takes its share of traffic.

Three criteria compare what canary and stable version did when they were asked for predictions, over
the same minutes: errors, latency of warm requests, and the distribution of predictions. Each has
two thresholds. What is surely worse by more than the first FAILs; what is surely not worse by the
second may PASS; between them, and with too little data, it is INCONCLUSIVE. A FAIL counts at every
look. A PASS counts at the last one only: who stops at the first good look promotes what had a lucky
start.

Three more fail a canary as the first does, and stand in no other's way: refusals of predictions,
and errors and refusals of all other requests. Clients are refused for what they ask, by both
versions alike, since the alias deals requests out by chance; and nobody may have asked for anything
but predictions. A bound for these would let few canaries pass. Instead, only what the canary has
answered counts for the least number.

A stable version that was asked often enough and answered nothing leaves nothing to be slower than,
or to differ from. It must not keep the one that mends it from being promoted.

The probability to fail a canary that is no different is shared evenly between looks and criteria
(Bonferroni), so it stays below `Policy.false_alarms` in all. The simulation in
tests/unit/release/test_simulation.py states what comes out of it.
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
where there are many looks, however far the predictions have moved."""


class Outcome(StrEnum):
    PASS = "PASS"  # noqa: S105 -- it opens nothing
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Policy:
    """What is asked of a canary.

    looks: how often it is judged. min_requests: for predictions, which the canary must have
    answered by the last, without an error and without a refusal.
    false_alarms: probability to fail a canary that is no different, over all looks.
    doubt: probability that a bound, on which a criterion passes, is wrong.
    error_share_harm, error_share_tolerated: a canary fails from this difference of the shares of
    failed, or refused, requests on, where it is surely worse; it passes surely below the other.
    latency_harm, latency_tolerated: factors of the stable version's latency.
    shift_harm: share of predictions that moved to other bins, beyond chance.
    """

    looks: int = 5
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
        """Of one criterion at one look."""
        return self.false_alarms / (self.looks * _CRITERIA)


@dataclass(frozen=True)
class Observed:
    """What one version did in the minutes that are looked at.

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
    """One criterion's outcome, with the figures it rests on, in words."""

    criterion: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Verdict:
    """look: counted from 1; of `looks`."""

    outcome: Outcome
    look: int
    looks: int
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Of the criteria that decided."""
        return tuple(
            f"{finding.criterion}: {finding.reason}"
            for finding in self.findings
            if finding.outcome is self.outcome
        )


def judge(
    canary: Observed, stable: Observed, policy: Policy, look: int, generator: np.random.Generator
) -> Verdict:
    """The verdict at a look. INCONCLUSIVE before the last one means: go on.

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
    return Verdict(_combined(findings, canary, policy, look), look, policy.looks, findings)


def _combined(findings: Sequence[Finding], canary: Observed, policy: Policy, look: int) -> Outcome:
    outcomes = {finding.outcome for finding in findings}
    if Outcome.FAIL in outcomes:
        return Outcome.FAIL
    enough = look >= policy.looks and canary.answered >= policy.min_requests
    return Outcome.PASS if enough and outcomes == {Outcome.PASS} else Outcome.INCONCLUSIVE


def _errors(canary: Observed, stable: Observed, policy: Policy) -> Finding:
    if not canary.requests or not stable.requests:
        return Finding("errors", Outcome.INCONCLUSIVE, "one of the two had no requests")
    counts = _errors_of(canary), _errors_of(stable)
    at_most = difference_at_most(*counts[0], *counts[1], doubt=policy.doubt)
    fails, words = _more("failed", *counts, policy)
    reason = f"{words}, and {at_most:.2%} more at most"
    if fails:
        return Finding("errors", Outcome.FAIL, reason)
    passes = at_most < policy.error_share_tolerated
    return Finding("errors", Outcome.PASS if passes else Outcome.INCONCLUSIVE, reason)


_Share = tuple[int, int]
"""So many, of so many requests."""


def _errors_of(it: Observed) -> _Share:
    return it.errors, it.requests


def _refusals(it: Observed) -> _Share:
    """Of those that did not fail: who mends what fails gets to see, and to refuse, more."""
    return it.refusals, it.requests - it.errors


def _other_errors(it: Observed) -> _Share:
    return it.other_errors, it.other_requests


def _other_refusals(it: Observed) -> _Share:
    return it.other_refusals, it.other_requests - it.other_errors


def _no_more(criterion: str, how: str, canary: _Share, stable: _Share, policy: Policy) -> Finding:
    """Passes unless there are surely more."""
    if not canary[1] or not stable[1]:
        return Finding(criterion, Outcome.PASS, "one of the two had no such requests")
    fails, reason = _more(how, canary, stable, policy)
    return Finding(criterion, Outcome.FAIL if fails else Outcome.PASS, reason)


def _more(how: str, canary: _Share, stable: _Share, policy: Policy) -> tuple[bool, str]:
    """Whether there are surely more of the canary's, and in words."""
    surely_more = more_often(*canary, *stable)
    more = canary[0] / canary[1] - stable[0] / stable[1]
    words = (
        f"{canary[0]} of {canary[1]} requests {how}, {stable[0]} of {stable[1]} on the stable"
        f" version; p = {surely_more:.2g} for more"
    )
    return surely_more < policy.level and more >= policy.error_share_harm, words


def _latency(canary: Observed, stable: Observed, policy: Policy) -> Finding:
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
        return Finding("latency", Outcome.FAIL, reason)
    passes = surely_not < policy.doubt
    return Finding("latency", Outcome.PASS if passes else Outcome.INCONCLUSIVE, reason)


def _predictions(
    canary: Observed, stable: Observed, policy: Policy, generator: np.random.Generator
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
        return Finding("predictions", Outcome.PASS, reason)
    fails = found.p_value < policy.level
    return Finding("predictions", Outcome.FAIL if fails else Outcome.INCONCLUSIVE, reason)


def _no_data(
    criterion: str, of: str, canary: Observed, stable: Observed, policy: Policy
) -> Finding:
    """No data never passes, unless the stable version fails for all, and the canary does not.

    Who is refused for what he asks has his answer: that is no failure.
    """
    is_down = not len(stable.predictions) and stable.errors >= policy.min_requests
    mends = canary.errors < policy.error_share_tolerated * canary.requests
    if is_down and mends and len(canary.latencies) and len(canary.predictions):
        reason = f"the stable version answered none of {stable.requests} requests"
        return Finding(criterion, Outcome.PASS, f"{reason}: there is nothing to compare with")
    return Finding(criterion, Outcome.INCONCLUSIVE, f"one of the two had no {of}")
