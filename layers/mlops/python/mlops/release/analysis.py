"""Is the canary good enough? It is analyzed a fixed number of times while it has its share.

A release is analyzed for each model that it changes: where its code or settings change, that is
every model, else those with another pin. Four criteria compare what canary and stable version did
when they were asked for predictions of that model, over the same minutes. Each model is compared
by itself: a bad one cannot hide behind the requests of the others.

- Errors fail a canary that surely has more.
- Refusals do, too. Clients are refused for what they ask, by both versions alike, since the alias
  deals requests out by chance; so a refusal counts against the canary only by comparison.
- Latency of warm answers fails what is surely slower, and passes what surely is not.
- Predictions fail a canary whose predictions moved to other bins of the reference profile.

Errors and refusals of all other requests are compared as those of a model: of requests for other
models, and of requests for anything but predictions.

Two conditions only ever hold a canary up. Each changed model needs a least number of answers. And
over all models there must surely be few errors more: of a rare model alone, one error by chance
would be too many for that.

A failure counts at every analysis. A pass counts at the last one only: stopping at the first good
analysis would promote a canary that had a lucky start. Between the two, and with too little data,
an analysis is inconclusive.

The probability to fail a canary that is no different is shared evenly between analyses, models and
criteria (Bonferroni), so it stays below `Policy.false_alarms` in all. The simulation in
tests/simulation/test_canary_analysis.py states what comes out of it.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mlops.release.statistics import (
    Grouped,
    difference_at_most,
    more_often,
    moved_by_chance,
    shift,
    slower,
)

_DRAWS_BEYOND = 3
"""So many permutations are expected beyond the level. Of a fixed number, none could be so rare
where there are many analyses, however far the predictions have moved."""

_LATENCY_RATIO = 1.02
"""Between two bins of latencies that are next to each other."""
_SHORTEST_MS = 0.001

_OF_A_MODEL = 4
_OF_OTHERS = 2
"""Criteria that can fail a canary."""


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Policy:
    """What is asked of a canary.

    analyses: how many there are. min_requests: for predictions of each changed model, which the
    canary must have answered by the last, without an error and without a refusal.
    false_alarms: probability to fail a canary that is no different, over all analyses.
    doubt: probability that a bound, on which a criterion passes, is wrong.
    error_share_harm, error_share_tolerated: a canary fails from this difference of the shares of
    failed, or refused, requests on, where it is surely worse; it passes surely below the other.
    latency_harm, latency_tolerated: factors of the stable version's latency.
    shift_harm: share of predictions that moved to other bins, beyond chance.
    """

    analyses: int = 5
    min_requests: int = 150
    false_alarms: float = 0.05
    doubt: float = 0.05
    error_share_harm: float = 0.005
    error_share_tolerated: float = 0.02
    latency_harm: float = 1.1
    latency_tolerated: float = 1.25
    shift_harm: float = 0.1


Counts = Mapping[int, int]
"""How many values each bin has, by the number of the bin; those without any may be left out."""


def latency_bin(milliseconds: float) -> int:
    """Return the bin of a latency. Bins are 2 % wide, so they fit fast and slow models alike."""
    return round(math.log(max(milliseconds, _SHORTEST_MS)) / math.log(_LATENCY_RATIO))


@dataclass(frozen=True)
class Requests:
    """Requests of one kind in the minutes that are analyzed; those of two intervals add up.

    requests: all. errors, refusals: how many of them had a status of 500 and above, or one from
    400 to 499. latencies: of warm answers, in the bins of `latency_bin`.
    predictions: of answers, in the bins of the stable version's reference profile.
    """

    requests: int = 0
    errors: int = 0
    refusals: int = 0
    latencies: Counts = field(default_factory=dict)
    predictions: Counts = field(default_factory=dict)

    @property
    def answered(self) -> int:
        return self.requests - self.errors - self.refusals

    def __add__(self, other: "Requests") -> "Requests":
        return Requests(
            self.requests + other.requests,
            self.errors + other.errors,
            self.refusals + other.refusals,
            Counter(self.latencies) + Counter(other.latencies),
            Counter(self.predictions) + Counter(other.predictions),
        )


@dataclass(frozen=True)
class Observation:
    """What one version did in the minutes that are analyzed; those of two intervals add up.

    models: requests for predictions, by model. others: for anything else, such as health checks.
    crashes: requests that ended before anybody knew what they were for.
    """

    models: Mapping[str, Requests] = field(default_factory=dict)
    others: Requests = Requests()
    crashes: int = 0

    @property
    def predictions(self) -> Requests:
        """Requests for predictions of any model, with the crashes: these may have been some."""
        return self.models_but(())

    def model(self, name: str) -> Requests:
        """Return the requests for one model, with the crashes."""
        return self._with_crashes(self.models.get(name, Requests()))

    def models_but(self, names: Collection[str]) -> Requests:
        """Return the requests for all other models, with the crashes, and without any bins.

        The bins of two models have nothing in common.
        """
        others = [found for name, found in self.models.items() if name not in names]
        return self._with_crashes(
            Requests(
                sum(it.requests for it in others),
                sum(it.errors for it in others),
                sum(it.refusals for it in others),
            )
        )

    def _with_crashes(self, found: Requests) -> Requests:
        crashes = self.crashes
        return replace(found, requests=found.requests + crashes, errors=found.errors + crashes)

    def __add__(self, other: "Observation") -> "Observation":
        none = Requests()
        return Observation(
            {
                name: self.models.get(name, none) + other.models.get(name, none)
                for name in sorted(self.models.keys() | other.models.keys())
            },
            self.others + other.others,
            self.crashes + other.crashes,
        )


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
    changed: Mapping[str, int],
    policy: Policy,
    number: int,
    generator: np.random.Generator,
) -> Analysis:
    """Compare a canary with the stable version. Inconclusive before the last one means: go on.

    changed: the models to be compared by themselves, with the number of bins of their reference
    profiles; 0 where the stable version has no profile.
    generator: for the permutations; the same seed gives the same verdict.
    """
    unchanged = (stable.models.keys() | canary.models.keys()) - changed.keys()
    groups = [("other requests", canary.others, stable.others)]
    if unchanged or not changed:
        ours, theirs = (it.models_but(changed) for it in (canary, stable))
        groups.append(("other models", ours, theirs))
    criteria = _OF_A_MODEL * len(changed) + _OF_OTHERS * len(groups)
    comparison = _Comparison(policy, policy.false_alarms / (policy.analyses * criteria), generator)
    findings = [
        finding
        for name, bins in changed.items()
        for finding in comparison.of_model(name, canary.model(name), stable.model(name), bins)
    ]
    for group in groups:
        findings += comparison.of_errors(*group)
    findings.append(comparison.errors_of_all(canary.predictions, stable.predictions))
    if not changed:
        findings.append(comparison.enough("all models", canary.predictions))
    verdicts = {finding.verdict for finding in findings}
    verdict = Verdict.INCONCLUSIVE
    if Verdict.FAILED in verdicts:
        verdict = Verdict.FAILED
    elif number >= policy.analyses and verdicts == {Verdict.PASSED}:
        verdict = Verdict.PASSED
    return Analysis(verdict, number, policy.analyses, tuple(findings))


@dataclass(frozen=True)
class _Comparison:
    """level: of one criterion at one analysis."""

    policy: Policy
    level: float
    generator: np.random.Generator

    def of_model(
        self, name: str, canary: Requests, stable: Requests, bins: int
    ) -> Iterator[Finding]:
        yield self.enough(name, canary)
        yield from self.of_errors(name, canary, stable)
        yield self._latency(f"latency of {name}", canary, stable)
        yield self._predictions(f"predictions of {name}", canary, stable, bins)

    def enough(self, name: str, canary: Requests) -> Finding:
        least = self.policy.min_requests
        passes = canary.answered >= least
        reason = f"{canary.answered} answered predictions, and {least} are needed"
        return Finding(f"requests for {name}", _passed_if(passes), reason)

    def of_errors(self, name: str, canary: Requests, stable: Requests) -> Iterator[Finding]:
        """Pass errors and refusals unless the canary surely has more."""
        counts = (canary.errors, canary.requests), (stable.errors, stable.requests)
        yield self._no_more(f"errors of {name}", "failed", *counts)
        # Who fixes what fails gets to see, and to refuse, more: of those that did not fail.
        ours, theirs = ((it.refusals, it.requests - it.errors) for it in (canary, stable))
        yield self._no_more(f"refusals of {name}", "refused", ours, theirs)

    def _no_more(self, criterion: str, how: str, canary: "_Share", stable: "_Share") -> Finding:
        if not canary[1] or not stable[1]:
            return Finding(criterion, Verdict.PASSED, "one of the two had no such requests")
        surely_more = more_often(*canary, *stable)
        more = canary[0] / canary[1] - stable[0] / stable[1]
        reason = f"{_compared(how, canary, stable)}; p = {surely_more:.2g} for more"
        fails = surely_more < self.level and more >= self.policy.error_share_harm
        return Finding(criterion, Verdict.FAILED if fails else Verdict.PASSED, reason)

    def errors_of_all(self, canary: Requests, stable: Requests) -> Finding:
        """Pass where there are surely few errors more."""
        criterion = "errors of all models"
        if not canary.requests or not stable.requests:
            return Finding(criterion, Verdict.INCONCLUSIVE, "one of the two had no requests")
        counts = (canary.errors, canary.requests), (stable.errors, stable.requests)
        at_most = difference_at_most(*counts[0], *counts[1], doubt=self.policy.doubt)
        reason = f"{_compared('failed', *counts)}, and {at_most:.2%} more at most"
        return Finding(criterion, _passed_if(at_most < self.policy.error_share_tolerated), reason)

    def _latency(self, criterion: str, canary: Requests, stable: Requests) -> Finding:
        if not canary.latencies or not stable.latencies:
            return self._no_data(criterion, "warm requests", canary, stable)
        policy = self.policy
        ours, theirs = _grouped(canary.latencies), _grouped(stable.latencies)
        surely_slower, _ = slower(ours, theirs, factor=policy.latency_harm)
        _, surely_not = slower(ours, theirs, factor=policy.latency_tolerated)
        reason = (
            f"the median is {_median(ours):.1f} ms over {ours.counts.sum()} requests,"
            f" {_median(theirs):.1f} ms over {theirs.counts.sum()} on the stable version;"
            f" p = {surely_slower:.2g} for slower by {policy.latency_harm - 1:.0%}"
        )
        if surely_slower < self.level:
            return Finding(criterion, Verdict.FAILED, reason)
        return Finding(criterion, _passed_if(surely_not < policy.doubt), reason)

    def _predictions(
        self, criterion: str, canary: Requests, stable: Requests, bins: int
    ) -> Finding:
        if not bins:
            reason = "the stable version has no reference profile to count them by"
            return Finding(criterion, Verdict.INCONCLUSIVE, reason)
        counts = _in_bins(canary.predictions, bins), _in_bins(stable.predictions, bins)
        if not all(found.any() for found in counts):
            return self._no_data(criterion, "predictions", canary, stable)
        found = shift(*counts)
        reason = (
            f"{found.distance:.1%} of them lie in other bins of the reference profile,"
            f" {found.by_chance:.1%} by chance alone"
        )
        if found.excess < self.policy.shift_harm:
            return Finding(criterion, Verdict.PASSED, reason)
        draws = math.ceil(_DRAWS_BEYOND / self.level)
        p_value = moved_by_chance(*counts, draws=draws, generator=self.generator)
        verdict = Verdict.FAILED if p_value < self.level else Verdict.INCONCLUSIVE
        return Finding(criterion, verdict, f"{reason}; p = {p_value:.2g}")

    def _no_data(self, criterion: str, of: str, canary: Requests, stable: Requests) -> Finding:
        """Pass no canary without data, unless the stable version fails for all and it does not.

        Who is refused for what he asks has his answer: that is no failure.
        """
        policy = self.policy
        is_down = not stable.answered and stable.errors >= policy.min_requests
        fixes = canary.errors < policy.error_share_tolerated * canary.requests
        if is_down and fixes and canary.latencies and canary.predictions:
            reason = f"the stable version answered none of {stable.requests} requests"
            return Finding(criterion, Verdict.PASSED, f"{reason}: there is nothing to compare with")
        return Finding(criterion, Verdict.INCONCLUSIVE, f"one of the two had no {of}")


_Share = tuple[int, int]
"""So many, of so many requests."""


def _passed_if(passes: bool) -> Verdict:
    return Verdict.PASSED if passes else Verdict.INCONCLUSIVE


def _compared(how: str, canary: _Share, stable: _Share) -> str:
    return (
        f"{canary[0]} of {canary[1]} requests {how}, {stable[0]} of {stable[1]} on the stable"
        " version"
    )


def _grouped(latencies: Counts) -> Grouped:
    """Return latencies in milliseconds, in rising order."""
    bins = np.array(sorted(latencies))
    counts = np.array([latencies[place] for place in bins.tolist()], dtype=np.int64)
    return Grouped(_LATENCY_RATIO ** bins.astype(np.float64), counts)


def _median(sample: Grouped) -> float:
    place = np.searchsorted(np.cumsum(sample.counts), sample.counts.sum() / 2)
    return float(sample.values[place])


def _in_bins(counts: Counts, bins: int) -> NDArray[np.int64]:
    return np.array([counts.get(place, 0) for place in range(bins)], dtype=np.int64)
