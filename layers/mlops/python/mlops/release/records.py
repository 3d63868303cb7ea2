"""What is written about one release, each object once; and what else is known by its id."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mlops.errors import (
    ObjectExists,
    ObjectNotFound,
    ReleaseRefused,
)
from mlops.inference.version import Pin
from mlops.registry.objects import ObjectStore
from mlops.registry.releases import Ended, Kind
from mlops.release.documents import moment, parsed, reading, text
from mlops.release.ports import FunctionVersion

RELEASES = "releases/"
RELEASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
"""Names of executions that are also parts of keys."""


@dataclass(frozen=True)
class Settings:
    """How releases go. Rehearsals compress time by these, and by nothing else.

    looks: how often a canary is judged; one every `look_seconds`. tick_seconds: between two calls
    of `watch`. min_requests: see `judge.Policy`. weight: the canary's share of the traffic.
    log_delay_seconds: a look waits so long for the last lines of its interval.
    dangling_seconds: so long weights that belong to no release may stay.
    code_sha: the commit that was deployed.
    """

    looks: int = 5
    look_seconds: int = 360
    tick_seconds: int = 30
    min_requests: int = 300
    weight: float = 0.1
    log_delay_seconds: int = 15
    dangling_seconds: int = 1800
    code_sha: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be live instead of what, and on which conditions. It outlives its settings.

    champion, candidate: versions of the API; the same where only batch has changed.
    revision, batch_revision: of the aliases as they were read. despite: alarms that rang when it
    began, and may go on to.
    """

    id: str
    kind: Kind
    by: str
    started_at: datetime
    champion: FunctionVersion
    candidate: FunctionVersion
    revision: str
    batch_champion: FunctionVersion
    batch_candidate: FunctionVersion
    batch_revision: str
    settings: Settings
    despite: tuple[str, ...] = ()

    @property
    def has_canary(self) -> bool:
        return self.candidate.number != self.champion.number

    @property
    def to(self) -> tuple[str, str]:
        """What is to be live in the end, of the API and of batch."""
        return self.candidate.number, self.batch_candidate.number

    @property
    def part(self) -> int:
        """Which of these shows that it is: where the API stays as it is, batch."""
        return 0 if self.has_canary else 1

    @property
    def weights(self) -> dict[str, float]:
        return {self.candidate.number: self.settings.weight} if self.has_canary else {}

    def look_ends(self, began: datetime, look: int) -> datetime:
        """Until when the look sees; `began`: when the canary did."""
        return began + look * timedelta(seconds=self.settings.look_seconds)

    def looks_due(self, began: datetime, now: datetime) -> int:
        """How many intervals are complete, with all that was logged in them."""
        seen = now - timedelta(seconds=self.settings.log_delay_seconds) - began
        intervals = seen // timedelta(seconds=self.settings.look_seconds)
        return max(0, min(intervals, self.settings.looks))

    def to_document(self) -> dict[str, Any]:
        """As JSON takes it; the state machine reads it, too."""
        return {
            "id": self.id,
            "kind": self.kind,
            "by": self.by,
            "started_at": self.started_at.isoformat(),
            "champion": _of_version(self.champion),
            "candidate": _of_version(self.candidate),
            "revision": self.revision,
            "canary_routing": {"AdditionalVersionWeights": self.weights},
            "batch_champion": _of_version(self.batch_champion),
            "batch_candidate": _of_version(self.batch_candidate),
            "batch_revision": self.batch_revision,
            "settings": vars(self.settings),
            "despite": list(self.despite),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Plan":
        return cls(
            id=document["id"],
            kind=Kind(document["kind"]),
            by=document["by"],
            started_at=moment(document["started_at"]),
            champion=_to_version(document["champion"]),
            candidate=_to_version(document["candidate"]),
            revision=document["revision"],
            batch_champion=_to_version(document["batch_champion"]),
            batch_candidate=_to_version(document["batch_candidate"]),
            batch_revision=document["batch_revision"],
            settings=Settings(**document["settings"]),
            despite=tuple(document.get("despite", ())),  # a release may outlive a deployment
        )


@dataclass(frozen=True)
class Ending:
    """How a release ended, decided once. by: who said so.

    candidate, batch_candidate: what it was about, where it ended before it was planned.
    """

    outcome: Ended
    reasons: tuple[str, ...]
    by: str
    at: datetime
    candidate: str | None = None
    batch_candidate: str | None = None


class Folder:
    """The objects of one release. What is there stays as it is: the first to write decides.

    Raises ReleaseRefused for an id that no release can have, RecordDamaged for what somebody else
    has written in their place.
    """

    def __init__(self, objects: ObjectStore, id: str) -> None:
        if RELEASE_ID.fullmatch(id) is None:
            raise ReleaseRefused(f"{id!r} is not the id of a release")
        self._objects = objects
        self._prefix = f"{RELEASES}{id}/"

    def keep(self, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Write a document, unless there is one; the one that is there."""
        content = json.dumps(document, indent=1, sort_keys=True) + "\n"
        with suppress(ObjectExists):
            self._objects.create(self._key(name), content.encode())
        return self.require(name)

    def read(self, name: str) -> dict[str, Any] | None:
        with suppress(ObjectNotFound):
            return self.require(name)
        return None

    def require(self, name: str) -> dict[str, Any]:
        """Raises ObjectNotFound."""
        key = self._key(name)
        with reading(key):
            return parsed(self._objects.get(key).content)

    def names(self) -> list[str]:
        return [
            key.removeprefix(self._prefix).removesuffix(".json")
            for key in self._objects.keys(self._prefix)
        ]

    def check(self) -> None:
        """Read all there is, to see whether it can be."""
        for read in (self.plan, self.ending, self.aborted, self.decision, self.began):
            read()
        for name in self.names():
            self.require(name)

    def plan(self) -> Plan | None:
        document = self.read("plan")
        return None if document is None else self._to_plan(document)

    def keep_plan(self, plan: Plan) -> Plan:
        return self._to_plan(self.keep("plan", plan.to_document()))

    def ending(self) -> Ending | None:
        document = self.read("outcome")
        return None if document is None else self._to_ending(document)

    def keep_ending(self, ending: Ending) -> Ending:
        document = {
            "outcome": ending.outcome,
            "reasons": list(ending.reasons),
            "by": ending.by,
            "at": ending.at.isoformat(),
            "candidate": ending.candidate,
            "batch_candidate": ending.batch_candidate,
        }
        return self._to_ending(self.keep("outcome", document))

    def abort(self, why: str) -> None:
        """Have the release taken back, unless its promotion is being recorded already."""
        self.keep("abort", {"reason": why})

    def aborted(self) -> str | None:
        """Why it is to be taken back whatever its looks say; None where nobody wants that."""
        document = self.read("abort")
        with reading(self._key("abort")):
            return None if document is None else text(document["reason"])

    def refuse_aborts(self) -> str | None:
        """From now on. Why it is to be taken back, where somebody was faster.

        Both write the same object, of which there is one: so not both are obeyed.
        """
        document = self.keep("abort", {"reason": None})
        with reading(self._key("abort")):
            return text(document["reason"])

    def decide(self, by: str, at: datetime) -> None:
        """Have it promoted, whatever its looks say."""
        self.keep("decision", {"promote": True, "by": by, "at": at.isoformat()})

    def decision(self) -> str | None:
        """Who wants it promoted; None where nobody does."""
        document = self.read("decision")
        with reading(self._key("decision")):
            return None if document is None else text(document["by"])

    def begin_canary(self, at: datetime) -> datetime:
        """When it began to have traffic: at the first call."""
        self.keep("canary", {"at": at.isoformat()})
        return self.began() or at

    def began(self) -> datetime | None:
        """When it began to have traffic; None where it has none yet."""
        document = self.read("canary")
        with reading(self._key("canary")):
            return None if document is None else moment(document["at"])

    def _to_plan(self, document: Mapping[str, Any]) -> Plan:
        with reading(self._key("plan")):
            return Plan.from_document(document)

    def _to_ending(self, document: Mapping[str, Any]) -> Ending:
        with reading(self._key("outcome")):
            return _to_ending(document)

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}.json"


def _to_ending(document: Mapping[str, Any]) -> Ending:
    return Ending(
        Ended(document["outcome"]),
        tuple(document["reasons"]),
        document["by"],
        moment(document["at"]),
        document["candidate"],
        document["batch_candidate"],
    )


def _of_version(version: FunctionVersion) -> dict[str, Any]:
    return {**vars(version), "pins": [str(pin) for pin in version.pins]}


def _to_version(document: Mapping[str, Any]) -> FunctionVersion:
    pins = tuple(Pin.parse(text) for text in document["pins"])
    return FunctionVersion(document["number"], document["code"], pins, document["settings"])
