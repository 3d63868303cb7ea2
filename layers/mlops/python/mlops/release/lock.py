"""Who may move traffic: one release at a time, or one rollback."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops.errors import ObjectChanged, ObjectNotFound, RecordDamaged
from mlops.registry.objects import ObjectStore, Stamped
from mlops.registry.releases import Kind
from mlops.release.documents import moment, parsed, reading
from mlops.release.ports import Executions
from mlops.release.records import RELEASE_ID, RELEASES, Folder

CURRENT = f"{RELEASES}current.json"


@dataclass(frozen=True)
class Holder:
    """kind: RELEASE or ROLLBACK. id: of the release; a rollback of a canary takes over its id."""

    kind: Kind
    id: str
    at: datetime


@dataclass(frozen=True)
class Held:
    """The lock in one of its states.

    dangling_since: since when weights were seen that belong to no release. tag: of the object.
    """

    holder: Holder | None
    dangling_since: datetime | None
    tag: str | None


class Lock:
    """Replaced under its tag: of two who take it at once, one does."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def read(self) -> Held:
        """Raises RecordDamaged."""
        stamped = self._stamped()
        return Held(None, None, None) if stamped is None else _held(stamped)

    def read_whatever(self) -> Held:
        """As `read`; but what nobody can read is held by nobody."""
        stamped = self._stamped()
        if stamped is None:
            return Held(None, None, None)
        try:
            return _held(stamped)
        except RecordDamaged:
            return Held(None, None, stamped.tag)

    def write(
        self, seen: Held, holder: Holder | None, dangling_since: datetime | None = None
    ) -> None:
        """Replace all of it. Raises ObjectChanged where it is no longer as it was seen."""
        document = {
            "holder": None if holder is None else {**vars(holder), "at": holder.at.isoformat()},
            "dangling_since": None if dangling_since is None else dangling_since.isoformat(),
        }
        try:
            self._objects.replace(CURRENT, json.dumps(document).encode(), seen.tag)
        except ObjectChanged:
            # A write whose answer got lost is sent again, and finds its own. Nobody else writes
            # the same: a holder's id and time are its own.
            found = self.read_whatever()
            if (found.holder, found.dangling_since) != (holder, dangling_since):
                raise

    def free(self, id: str) -> None:
        """Of a release that has ended. What is held by somebody else stays so."""
        held = self.read_whatever()
        while held.holder is not None and held.holder.id == id:
            try:
                self.write(held, None)
            except ObjectChanged:  # taken over: then it is somebody else's, or to be freed anew
                held = self.read_whatever()
            else:
                return

    def _stamped(self) -> Stamped | None:
        with suppress(ObjectNotFound):
            return self._objects.get(CURRENT)
        return None


def unlocked(objects: ObjectStore, executions: Executions) -> Holder | None:
    """The release that runs while nobody holds the lock: somebody has taken it away.

    Raises any StoreError, CloudUnavailable.
    """
    for id in filter(RELEASE_ID.fullmatch, executions.running()):
        folder = Folder(objects, id)
        plan = folder.plan()
        # In this order: the lock is taken ahead of the plan, and let go after the end is kept.
        if plan is not None and Lock(objects).read().holder is None and folder.ending() is None:
            return Holder(Kind.RELEASE, id, plan.started_at)
    return None


def _held(stamped: Stamped) -> Held:
    with reading(CURRENT):
        document = parsed(stamped.content)
        since = document["dangling_since"]
        return Held(
            _to_holder(document["holder"]),
            None if since is None else moment(since),
            stamped.tag,
        )


def _to_holder(document: dict[str, Any] | None) -> Holder | None:
    if document is None:
        return None
    if RELEASE_ID.fullmatch(document["id"]) is None:
        raise ValueError(f"{document['id']!r} is not the id of a release")
    return Holder(Kind(document["kind"]), document["id"], moment(document["at"]))
