"""The looks at a canary: what was observed in each interval, and the verdict, both kept."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops.release.judge import Observed, Outcome, Policy, judge
from mlops.release.ports import Observations
from mlops.release.records import Folder, Plan

_LOOK, _OBSERVED = "look-", "observed-"


@dataclass(frozen=True)
class Look:
    """A verdict as it was kept.

    since, until: the interval of this look alone; the verdict is about all until then.
    findings: criterion, outcome and reason of each. requests: the canary's so far. answered: those
    that had neither an error nor a refusal for an answer.
    """

    number: int
    outcome: Outcome
    reasons: tuple[str, ...]
    findings: tuple[Mapping[str, str], ...]
    since: datetime
    until: datetime
    requests: int
    answered: int
    stable_requests: int


class Looks:
    """The looks of one release, of which its folder knows."""

    def __init__(self, folder: Folder, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan

    def begin(self, now: datetime) -> datetime:
        """When the canary began: at the first call."""
        return self._folder.begin_canary(now)

    def kept(self) -> list[Look]:
        return [self._look(number) for number in self._numbers(_LOOK)]

    def take(self, observations: Observations, now: datetime) -> Look | None:
        """Look, if it is time to; the last look there was. None is taken after one that failed.

        Where intervals were missed, one look sees all of them. Raises CloudUnavailable.
        """
        began = self.begin(now)
        seen, judged = self._numbers(_OBSERVED), self._numbers(_LOOK)
        # What was observed and not judged, since somebody died in between, comes first.
        if seen == judged:
            last = judged[-1] if judged else 0
            due = self._plan.looks_due(began, now)
            if due <= last or (last and self._look(last).outcome is Outcome.FAIL):
                return self._look(last) if last else None
            self._observe(last, due, began, observations)
            seen = [*seen, due]
        self._judge(seen[-1], seen)
        return self._look(seen[-1])

    def _observe(self, last: int, due: int, began: datetime, observations: Observations) -> None:
        since, until = self._plan.look_ends(began, last), self._plan.look_ends(began, due)
        canary = observations.observed(self._plan.candidate.number, since, until)
        stable = observations.observed(self._plan.champion.number, since, until)
        document = {
            "since": since.isoformat(),
            "until": until.isoformat(),
            "canary": _to_document(canary),
            "stable": _to_document(stable),
        }
        self._folder.keep(f"{_OBSERVED}{due}", document)

    def _judge(self, number: int, observed: Sequence[int]) -> None:
        intervals = [self._folder.require(f"{_OBSERVED}{each}") for each in sorted(observed)]
        canary = _together([interval["canary"] for interval in intervals])
        stable = _together([interval["stable"] for interval in intervals])
        settings = self._plan.settings
        policy = Policy(looks=settings.looks, min_requests=settings.min_requests)
        verdict = judge(canary, stable, policy, number, self._generator(number))
        document = {
            "outcome": verdict.outcome,
            "reasons": list(verdict.reasons),
            "findings": [vars(finding) for finding in verdict.findings],
            "since": intervals[-1]["since"],
            "until": intervals[-1]["until"],
            "requests": canary.requests,
            "answered": canary.answered,
            "stable_requests": stable.requests,
        }
        self._folder.keep(f"{_LOOK}{number}", document)

    def _look(self, number: int) -> Look:
        document = self._folder.require(f"{_LOOK}{number}")
        return Look(
            number=number,
            outcome=Outcome(document["outcome"]),
            reasons=tuple(document["reasons"]),
            findings=tuple(document["findings"]),
            since=datetime.fromisoformat(document["since"]),
            until=datetime.fromisoformat(document["until"]),
            requests=document["requests"],
            answered=document.get("answered", document["requests"]),
            stable_requests=document["stable_requests"],
        )

    def _generator(self, number: int) -> np.random.Generator:
        """A retry gives the same verdict."""
        seed = hashlib.sha256(f"{self._plan.id}/{number}".encode()).digest()
        return np.random.default_rng(int.from_bytes(seed))

    def _numbers(self, prefix: str) -> list[int]:
        names = [name for name in self._folder.names() if name.startswith(prefix)]
        return sorted(int(name.removeprefix(prefix)) for name in names)


def _to_document(observed: Observed) -> dict[str, Any]:
    return {
        "requests": observed.requests,
        "errors": observed.errors,
        "latencies": observed.latencies.tolist(),
        "predictions": observed.predictions.tolist(),
        "refusals": observed.refusals,
        "other_requests": observed.other_requests,
        "other_errors": observed.other_errors,
        "other_refusals": observed.other_refusals,
        "latency_step": observed.latency_step,
        "prediction_step": observed.prediction_step,
    }


def _together(documents: Sequence[Mapping[str, Any]]) -> Observed:
    return Observed(
        requests=sum(document["requests"] for document in documents),
        errors=sum(document["errors"] for document in documents),
        latencies=_joined(documents, "latencies", "latency_step"),
        predictions=_joined(documents, "predictions", "prediction_step"),
        # A release may outlive a deployment: its first looks may not tell these apart.
        refusals=_sum(documents, "refusals"),
        other_requests=_sum(documents, "other_requests"),
        other_errors=_sum(documents, "other_errors"),
        other_refusals=_sum(documents, "other_refusals"),
        latency_step=_largest(documents, "latency_step"),
        prediction_step=_largest(documents, "prediction_step"),
    )


def _sum(documents: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(document.get(name, 0) for document in documents)


def _largest(documents: Sequence[Mapping[str, Any]], step: str) -> int:
    """Looks that were kept by an older version of this code do not say their steps."""
    return max(int(document.get(step, 1)) for document in documents)


def _joined(documents: Sequence[Mapping[str, Any]], name: str, step: str) -> NDArray[np.float64]:
    """All thinned alike, so that each interval weighs as much as it had requests.

    Only the busier version is thinned in a rush hour; if that hour weighed less in its samples, the
    two would differ wherever other clients ask then.
    """
    largest = _largest(documents, step)
    return np.concatenate(
        [
            np.asarray(document[name][:: largest // document.get(step, 1)], np.float64)
            for document in documents
        ]
    )
