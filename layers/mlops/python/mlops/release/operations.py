"""What operators do with releases: roll back, abort, promote.

A rollback always wins. It undoes the last change of what clients get: that of a canary, or that of
a promotion. First it marks the note of a release that has the aliases as undone; so whatever that
release still does fails. Then its execution is stopped, and the end is recorded.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mlops.errors import (
    ArtifactError,
    FunctionGone,
    InvocationFailed,
    ReleaseRefused,
    StoreError,
    TrafficChanged,
    VersionNotFound,
)
from mlops.inference.loading import SERVED_FILES, read_listed, read_manifest
from mlops.inference.version import Pin
from mlops.registry.pausing import tries
from mlops.registry.releases import Ended, ReleaseRecord
from mlops.release.alias import is_free, move, undo
from mlops.release.history import State, find_target
from mlops.release.note import Note, Reached
from mlops.release.ports import Dependencies, Function, FunctionVersion, Traffic
from mlops.release.recorder import Closed, Recorder
from mlops.release.repair import Repair
from mlops.release.version_client import HEALTH

_TRIES = 5
_JUST_NOW = timedelta(minutes=2)


@dataclass(frozen=True)
class RolledBack:
    """version: of the API, which has all traffic now. text: what was done, for people."""

    version: str
    text: str


class Operations:
    """All raise any StoreError, RegistryBusy, CloudUnavailable, and ReleaseRefused.

    What an error leaves half done, the repair ends.
    """

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._recorder = Recorder(deps)
        self._repair = Repair(deps, self._recorder)

    def roll_back(self, to: str | None, by: str) -> RolledBack:
        """Undo the canary, if there is one; else go back to what was live before.

        A release that has no traffic yet is stopped on the way.
        to: the number of a version that was live once, or the name of a model version it served.
        Raises ReleaseRefused, with the traffic as it was; FunctionGone, TrafficChanged, and
        RegistryCorrupt.
        """
        asked_at = self._deps.now()
        for _ in tries(_TRIES, self._deps.pause):
            found = self._deps.api.traffic()
            note = self._owner(found)
            if note is not None and to is not None:
                reason = "a release is under way; roll it back first, without a target"
                raise ReleaseRefused(reason)
            if note is not None:
                with suppress(TrafficChanged):  # else it is promoted meanwhile, or another begins
                    closed = self._stop(note, by)
                    if closed.record.outcome is Ended.ROLLED_BACK:
                        return RolledBack(self._live(), closed.text)
                continue
            if found.weights:  # they belong to no release
                if texts := self._repair():
                    return RolledBack(self._live(), "\n".join(texts))
                continue
            with suppress(TrafficChanged):
                return self._go_back(found, to, by, asked_at)
        raise TrafficChanged("api:live", f"others moved it at each of {_TRIES} tries")

    def abort(self, id: str, by: str) -> Closed:
        """Undo a release that runs.

        Raises ReleaseRefused where it does not, or was promoted; TrafficChanged.
        """
        owner = self._owner(self._deps.api.traffic())
        if (owner is None or owner.by != id) and not self._is_running(id):
            raise ReleaseRefused(f"no release {id} is running")
        notes = undo(self._deps, id, by)
        if not notes:  # it waits for another one, which keeps the aliases
            why = f"rolled back by {by}"
            self._deps.executions.stop(id, why)
            return self._recorder.write_note(id, None, Ended.REFUSED, (why,))
        if not notes[0].undone:
            raise ReleaseRefused(f"{id} has all traffic already; to go back: mlops rollback")
        return self._stop(notes[0], by)

    def promote(self, id: str, by: str) -> None:
        """Let a canary have all traffic at the next poll, whatever its analyses say.

        Raises ReleaseRefused where it does not run, or is being promoted.
        """
        for _ in tries(_TRIES, self._deps.pause):
            found = self._deps.api.traffic()
            note = found.note
            if note is None or note.by != id or note.undone or not self._is_running(id):
                raise ReleaseRefused(f"no release {id} is running")
            if note.reached is Reached.PROMOTE:
                raise ReleaseRefused(f"{id} is being promoted already")
            with suppress(TrafficChanged):
                wanted = replace(note, who=by)
                move(self._deps.api, found.version, found.weights, wanted, found.revision)
                return
        raise TrafficChanged("api:live", f"others moved it at each of {_TRIES} tries")

    def _owner(self, found: Traffic) -> Note | None:
        """Return the note of the release that has the alias, or of a rollback that is not over.

        Of a canary's traffic the note alone tells that: every request counts now.
        """
        note = found.note
        has_canary = note is not None and found.weights and note.reached is Reached.CANARY
        return note if has_canary or not is_free(self._deps, note) else None

    def _is_running(self, id: str) -> bool:
        execution = self._deps.executions.find(id)
        return execution is not None and execution.is_running

    def _stop(self, note: Note, by: str) -> Closed:
        closed = self._repair.finish(note, f"it was promoted when {by} rolled back", by)
        self._deps.executions.stop(note.by, f"rolled back by {by}")
        return closed

    def _go_back(self, found: Traffic, to: str | None, by: str, asked_at: datetime) -> RolledBack:
        """Go back from what is live. Every check comes before the first alias is moved."""
        batch = self._deps.batch.traffic()
        releases = self._deps.registry.releases()
        if to is None and (done := self._just_done(releases, found, asked_at)) is not None:
            return done
        live = found.version, batch.version
        target = find_target(releases, live, to)
        if target == live:
            raise ReleaseRefused(f"version {found.version} is live already")
        api, batch_version = self._ready(target, found, batch)
        note = Note(
            by=self._deps.new_id(),
            reached=Reached.ROLLBACK,
            api_was=found.version,
            api=api,
            batch_was=batch.version,
            batch=batch_version,
            who=by,
        )
        # Under the revision that was read: a faster move is noticed, and everything is read again.
        move(self._deps.api, api, {}, note, found.revision)
        return RolledBack(api, self._repair.finish(note, "").text)

    def _just_done(
        self, releases: Sequence[ReleaseRecord], found: Traffic, asked_at: datetime
    ) -> RolledBack | None:
        """Keep the second of two rollbacks from going back one version too far."""
        ended = [it for it in releases if it.outcome in (Ended.PROMOTED, Ended.ROLLED_BACK)]
        last = ended[-1] if ended else None
        if last is None or last.outcome is not Ended.ROLLED_BACK:
            return None
        age = asked_at - last.ended_at
        if age >= _JUST_NOW:
            return None
        live = last.candidate if last.moved else last.champion
        if timedelta() >= age > -_JUST_NOW and live == found.version:
            text = f"{last.id} did so at the same time ({'; '.join(last.reasons)})"
            return RolledBack(found.version, text)
        # Where that is yet to come, a clock is wrong, this one or another.
        when = f"{age.total_seconds():.0f} s ago" if age >= timedelta() else "lately"
        raise ReleaseRefused(
            f"{last.id} was rolled back {when} ({'; '.join(last.reasons)});"
            " to go back further, say --to which version"
        )

    def _ready(self, target: State, found: Traffic, batch: Traffic) -> tuple[str, str]:
        """Wait until the versions to go back to can answer. Raises ReleaseRefused."""
        number, batch_number = target[0] or "", target[1] or batch.version
        try:
            candidate = _active(self._deps.api, number, found)
            _active(self._deps.batch, batch_number, batch)
            for pin in candidate.pins:
                self._require_model(pin)
        except (
            FunctionGone,
            InvocationFailed,
            VersionNotFound,
            ArtifactError,
            StoreError,
        ) as error:
            raise ReleaseRefused(f"version {number} cannot come back: {error}") from error
        return number, batch_number

    def _require_model(self, pin: Pin) -> None:
        """Read what is served. Other files would cost time, which counts now."""
        versions = self._deps.registry.versions
        manifest = read_manifest(versions, pin)
        for file in SERVED_FILES:
            read_listed(versions, manifest, file)

    def _live(self) -> str:
        return self._deps.api.traffic().version


def _active(function: Function, number: str, traffic: Traffic) -> FunctionVersion:
    """Describe a version that can have all traffic; the one that has it stays as it is."""
    if number == traffic.version:
        return function.describe(number)
    return function.wait_until_active(number, HEALTH)
