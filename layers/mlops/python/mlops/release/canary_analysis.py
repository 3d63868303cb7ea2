"""The analyses of a canary: what was observed in each interval, and the verdict; both are kept."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import numpy as np

from mlops.inference.version import Pin
from mlops.release.analysis import Observation, Policy, Requests, Verdict, analyze
from mlops.release.evidence import Evidence, reading
from mlops.release.ports import Edges, FunctionVersion, Observations


@dataclass(frozen=True)
class Schedule:
    """When a canary is analyzed. Rehearsals compress time by this, and by nothing else.

    log_delay_seconds: an analysis waits so long for the last lines of its interval.
    min_requests: see `Policy`.
    """

    analyses: int = 5
    analysis_seconds: int = 360
    min_requests: int = 150
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
    findings: criterion, verdict and reason of each. requests, stable_requests: for predictions,
    that the canary and the stable version had so far.
    """

    number: int
    verdict: Verdict
    reasons: tuple[str, ...]
    findings: tuple[Mapping[str, str], ...]
    since: datetime
    until: datetime
    requests: int
    stable_requests: int


def changed_models(stable: FunctionVersion, canary: FunctionVersion) -> Mapping[str, Pin]:
    """Return the models to be compared by themselves, with their pins in the stable version.

    Other code or settings change every model. A model that only one of the two has cannot be
    compared.
    """
    old, new = ({pin.version.model: pin for pin in it.pins} for it in (stable, canary))
    all_change = (stable.code, stable.settings) != (canary.code, canary.settings)
    return {
        model: old[model]
        for model in sorted(old.keys() & new.keys())
        if all_change or old[model] != new[model]
    }


class CanaryAnalyses:
    """Analyzes canaries.

    edges_of: returns the bins of a version's predictions, or None where it has no profile.
    now: aware, UTC.
    """

    def __init__(
        self,
        evidence: Evidence,
        observations: Observations,
        edges_of: Callable[[Pin], Edges | None],
        now: Callable[[], datetime],
    ) -> None:
        self._evidence = evidence
        self._observations = observations
        self._edges_of = edges_of
        self._now = now

    def analyze(
        self,
        id: str,
        schedule: Schedule,
        began: datetime,
        done: tuple[CanaryAnalysis, ...],
        versions: tuple[FunctionVersion, FunctionVersion],
    ) -> tuple[CanaryAnalysis, ...]:
        """Return the analyses so far, with one more if it is time for that.

        Where intervals were missed, one analysis sees all of them. versions: the stable one, and
        the canary. Raises CloudUnavailable, RecordDamaged, any ArtifactError, any StoreError.
        """
        last = done[-1].number if done else 0
        number = schedule.due(began, self._now())
        if number <= last:
            return done
        name = f"analysis-{number}"
        kept = self._evidence.read(id, name)
        if kept is None:
            edges = {model: self._edges_of(pin) for model, pin in changed_models(*versions).items()}
            since, until = schedule.end_of(began, last), schedule.end_of(began, number)
            known = {model: of_model for model, of_model in edges.items() if of_model is not None}
            counts = {
                side: _document(self._observations.observe(version.number, since, until, known))
                for side, version in zip(("stable", "canary"), versions, strict=True)
            }
            earlier = [self._evidence.read(id, f"analysis-{it.number}") or {} for it in done]
            with reading(f"the analyses of {id}"):
                stable, canary = (
                    reduce(
                        Observation.__add__, (_observation(it[side]) for it in (*earlier, counts))
                    )
                    for side in counts
                )
            bins = {model: len(found) + 1 if found else 0 for model, found in edges.items()}
            kept = {
                **counts,
                "edges": edges,
                "since": since.isoformat(),
                "until": until.isoformat(),
                **_conclude(id, schedule, number, bins, stable, canary),
            }
            kept = self._evidence.keep(id, name, kept)
        with reading(name):
            return (*done, _read(number, kept))


def _conclude(
    id: str,
    schedule: Schedule,
    number: int,
    bins: Mapping[str, int],
    stable: Observation,
    canary: Observation,
) -> dict[str, Any]:
    """Compare all that was observed so far. The same again gives the same verdict."""
    policy = Policy(analyses=schedule.analyses, min_requests=schedule.min_requests)
    seed = hashlib.sha256(f"{id}/{number}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(seed))
    found = analyze(canary, stable, bins, policy, number, generator)
    return {
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "findings": [vars(finding) for finding in found.findings],
        "requests": canary.predictions.requests,
        "stable_requests": stable.predictions.requests,
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
        stable_requests=document["stable_requests"],
    )


def _document(observation: Observation) -> dict[str, Any]:
    models = {name: vars(found) for name, found in observation.models.items()}
    return vars(observation) | {"models": models, "others": vars(observation.others)}


def _observation(document: Mapping[str, Any]) -> Observation:
    return Observation(
        models={name: _requests(found) for name, found in document["models"].items()},
        others=_requests(document["others"]),
        crashes=document["crashes"],
    )


def _requests(document: Mapping[str, Any]) -> Requests:
    """Read counts, whose bins are texts in JSON."""
    bins = {
        name: {int(place): int(count) for place, count in document[name].items()}
        for name in ("latencies", "predictions")
    }
    return Requests(**{**document, **bins})
