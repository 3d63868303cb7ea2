"""The analyses of a canary: what was observed in each interval, and the verdict; both are kept."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops.release.analysis import Observation, Policy, Verdict, analyze
from mlops.release.evidence import Evidence, reading
from mlops.release.ports import Observations


@dataclass(frozen=True)
class Schedule:
    """When a canary is analyzed. Rehearsals compress time by this, and by nothing else.

    log_delay_seconds: an analysis waits so long for the last lines of its interval.
    min_requests: see `Policy`.
    """

    analyses: int = 5
    analysis_seconds: int = 360
    min_requests: int = 300
    log_delay_seconds: int = 15

    def end_of(self, began: datetime, number: int) -> datetime:
        """Return until when an analysis sees. began: when the canary got its traffic."""
        return began + number * timedelta(seconds=self.analysis_seconds)

    def due_at(self, began: datetime, number: int) -> datetime:
        return self.end_of(began, number) + timedelta(seconds=self.log_delay_seconds)

    def due(self, began: datetime, now: datetime) -> int:
        """Return how many intervals are complete, with all that was logged in them."""
        seen = now - timedelta(seconds=self.log_delay_seconds) - began
        return max(0, min(seen // timedelta(seconds=self.analysis_seconds), self.analyses))


@dataclass(frozen=True)
class CanaryAnalysis:
    """One analysis.

    since, until: the interval of this analysis alone; the verdict is about all until then.
    findings: criterion, verdict and reason of each. requests: the canary's so far. answered: those
    that had neither an error nor a refusal for an answer.
    """

    number: int
    verdict: Verdict
    reasons: tuple[str, ...]
    findings: tuple[Mapping[str, str], ...]
    since: datetime
    until: datetime
    requests: int
    answered: int
    stable_requests: int


class CanaryAnalyses:
    """now: aware, UTC."""

    def __init__(
        self, evidence: Evidence, observations: Observations, now: Callable[[], datetime]
    ) -> None:
        self._evidence = evidence
        self._observations = observations
        self._now = now

    def analyze(
        self,
        id: str,
        schedule: Schedule,
        began: datetime,
        done: tuple[CanaryAnalysis, ...],
        versions: tuple[str, str],
    ) -> tuple[CanaryAnalysis, ...]:
        """Return the analyses so far, with one more if it is time for that.

        Where intervals were missed, one analysis sees all of them. versions: the stable one, and
        the canary. Raises CloudUnavailable, RecordDamaged, any StoreError.
        """
        last = done[-1].number if done else 0
        number = schedule.due(began, self._now())
        if number <= last:
            return done
        name = f"analysis-{number}"
        kept = self._evidence.read(id, name)
        if kept is None:
            since, until = schedule.end_of(began, last), schedule.end_of(began, number)
            stable, canary = (self._observations.observe(it, since, until) for it in versions)
            kept = self._conclude(id, schedule, number, done, stable, canary)
            kept |= {"since": since.isoformat(), "until": until.isoformat()}
            kept = self._evidence.keep(id, name, kept)
        with reading(name):
            return (*done, _read(number, kept))

    def _conclude(
        self,
        id: str,
        schedule: Schedule,
        number: int,
        done: Sequence[CanaryAnalysis],
        stable: Observation,
        canary: Observation,
    ) -> dict[str, Any]:
        """Compare all that was observed so far. The same again gives the same verdict."""
        samples = {"stable": _to_document(stable), "canary": _to_document(canary)}
        earlier = [self._evidence.read(id, f"analysis-{it.number}") or {} for it in done]
        with reading(f"the analyses of {id}"):
            stable, canary = (
                _join([*(it[side] for it in earlier), samples[side]]) for side in samples
            )
        policy = Policy(analyses=schedule.analyses, min_requests=schedule.min_requests)
        seed = hashlib.sha256(f"{id}/{number}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(seed))
        found = analyze(canary, stable, policy, number, generator)
        return {
            **samples,
            "verdict": found.verdict,
            "reasons": list(found.reasons),
            "findings": [vars(finding) for finding in found.findings],
            "requests": canary.requests,
            "answered": canary.answered,
            "stable_requests": stable.requests,
        }


def _read(number: int, document: Mapping[str, Any]) -> CanaryAnalysis:
    return CanaryAnalysis(
        number=number,
        verdict=Verdict(document["verdict"]),
        reasons=tuple(document["reasons"]),
        findings=tuple(document["findings"]),
        since=datetime.fromisoformat(document["since"]),
        until=datetime.fromisoformat(document["until"]),
        requests=document["requests"],
        answered=document["answered"],
        stable_requests=document["stable_requests"],
    )


def _to_document(observation: Observation) -> dict[str, Any]:
    samples = {name: getattr(observation, name).tolist() for name in ("latencies", "predictions")}
    return {**vars(observation), **samples}


def _join(documents: Sequence[Mapping[str, Any]]) -> Observation:
    """Add counts up, and put samples together."""
    latency_step = max(int(it["latency_step"]) for it in documents)
    prediction_step = max(int(it["prediction_step"]) for it in documents)
    return Observation(
        requests=_sum(documents, "requests"),
        errors=_sum(documents, "errors"),
        refusals=_sum(documents, "refusals"),
        other_requests=_sum(documents, "other_requests"),
        other_errors=_sum(documents, "other_errors"),
        other_refusals=_sum(documents, "other_refusals"),
        latencies=_thin(documents, "latencies", "latency_step", latency_step),
        predictions=_thin(documents, "predictions", "prediction_step", prediction_step),
        latency_step=latency_step,
        prediction_step=prediction_step,
    )


def _sum(documents: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(int(it[name]) for it in documents)


def _thin(
    documents: Sequence[Mapping[str, Any]], name: str, step: str, largest: int
) -> NDArray[np.float64]:
    """Thin all samples alike, so that each interval weighs as much as it had requests.

    Only the busier version is thinned in a rush hour; if that hour weighed less in its samples, the
    two would differ wherever other clients ask then.
    """
    return np.concatenate(
        [np.asarray(it[name][:: largest // int(it[step])], np.float64) for it in documents]
    )
