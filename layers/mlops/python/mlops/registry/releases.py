"""Releases that have ended, as one create-only object each; the catalog is made from them."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mlops.errors import ObjectExists
from mlops.inference.version import Pin
from mlops.registry.documents import (
    parse_object,
    parse_optional_text,
    parse_text,
    parse_texts,
    parse_time,
    reading,
)
from mlops.registry.objects import ObjectStore

PREFIX = "registry/releases/"


class Kind(StrEnum):
    FIRST = "first"
    """What was live before there was any release; so history has a beginning."""
    RELEASE = "release"
    ROLLBACK = "rollback"
    """Back to an earlier version after a promotion."""
    STOPPED = "stopped"
    """A release that an operator rolled back before it was promoted."""


class Ended(StrEnum):
    """How."""

    PROMOTED = "PROMOTED"
    ROLLED_BACK = "ROLLED_BACK"
    UNCHANGED = "UNCHANGED"
    REFUSED = "REFUSED"
    """It never had any traffic."""


@dataclass(frozen=True)
class ReleaseRecord:
    """One release. Times are aware, in UTC.

    champion: number of the API's version that was live before; None where that is not known.
    candidate: number of the one that was to be live; for a rollback: of the one gone back to.
    batch_champion, batch_candidate: the same of the batch function.
    pins: of the candidate. deployed_sha: the commit that the candidate came with.
    """

    id: str
    kind: Kind
    outcome: Ended
    reasons: tuple[str, ...]
    by: str
    started_at: datetime
    ended_at: datetime
    champion: str | None = None
    candidate: str | None = None
    batch_champion: str | None = None
    batch_candidate: str | None = None
    pins: tuple[Pin, ...] = ()
    deployed_sha: str | None = None

    @property
    def moved(self) -> bool:
        """Whether the candidate is what was live at its end."""
        return self.outcome is Ended.PROMOTED or (
            self.kind is Kind.ROLLBACK and self.outcome is Ended.ROLLED_BACK
        )

    def to_document(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "outcome": self.outcome,
            "reasons": list(self.reasons),
            "by": self.by,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "champion": self.champion,
            "candidate": self.candidate,
            "batch_champion": self.batch_champion,
            "batch_candidate": self.batch_candidate,
            "pins": [str(pin) for pin in self.pins],
            "deployed_sha": self.deployed_sha,
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "ReleaseRecord":
        """Raises ValueError, TypeError, KeyError, PinInvalid."""
        return cls(
            id=parse_text(document["id"]),
            kind=Kind(document["kind"]),
            outcome=Ended(document["outcome"]),
            reasons=tuple(parse_texts(document["reasons"])),
            by=parse_text(document["by"]),
            started_at=parse_time(document["started_at"]),
            ended_at=parse_time(document["ended_at"]),
            champion=parse_optional_text(document["champion"]),
            candidate=parse_optional_text(document["candidate"]),
            batch_champion=parse_optional_text(document["batch_champion"]),
            batch_candidate=parse_optional_text(document["batch_candidate"]),
            pins=tuple(map(Pin.parse, parse_texts(document["pins"]))),
            deployed_sha=parse_optional_text(document["deployed_sha"]),
        )


class ReleaseRecords:
    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def write(self, record: ReleaseRecord) -> None:
        """Note a release. Repeating it changes nothing: what was written first stays."""
        content = json.dumps(record.to_document(), sort_keys=True, indent=1) + "\n"
        with suppress(ObjectExists):
            self._objects.create(_key(record.id), content.encode())

    def has(self, id: str) -> bool:
        return id in self.ids()

    def ids(self) -> Iterator[str]:
        for key in self._objects.keys(PREFIX):
            if key.endswith(".json"):  # else somebody else has put it there
                yield key.removeprefix(PREFIX).removesuffix(".json")

    def read(self, id: str) -> ReleaseRecord:
        """Raises DocumentInvalid, ObjectNotFound."""
        key = _key(id)
        content = self._objects.get(key).content
        with reading(key):
            record = ReleaseRecord.from_document(parse_object(content))
            if record.id != id:
                raise ValueError(f"it is the record of {record.id}")
        return record


def _key(id: str) -> str:
    return f"{PREFIX}{id}.json"
