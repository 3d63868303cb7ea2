"""What operators do with releases: roll back, abort, promote.

A rollback always wins. It overwrites the note at both aliases, even where no traffic has to move;
so whatever a release still does fails. Only then the execution is stopped, and all is recorded.
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
from mlops.release.alias import Undone, move, undo
from mlops.release.history import state, target_of
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
        """Undo the release under way; else go back to what was live before.

        to: the number of a version that was live once, or the name of a model version it served.
        Raises ReleaseRefused, with the traffic as it was; FunctionGone, TrafficChanged, and
        RegistryCorrupt.
        """
        asked_at = self._deps.now()
        for attempt, _ in enumerate(tries(_TRIES, self._deps.pause)):
            found = self._deps.api.traffic()
            if found.note is not None and found.note.back:
                self._repair()  # a rollback that has died, or is at it, is recorded first
            release = self._under_way(found)
            if release is not None and to is not None:
                reason = "a release is under way; roll it back first, without a target"
                raise ReleaseRefused(reason)
            if release is not None:
                try:
                    undone, closed = self._undo(release, by)
                except TrafficChanged:  # another release has got the aliases meanwhile
                    continue
                if undone.had_traffic:
                    return RolledBack(self._live(), closed.text)
                if not attempt:
                    raise ReleaseRefused(
                        f"version {self._live()} is still live. The release under way had no"
                        " traffic yet, and was stopped; to go back from what is live, roll back"
                        " again"
                    )
            elif found.weights:
                texts = self._repair()  # they belong to no release
                found = self._deps.api.traffic()
                if not found.weights:
                    text = f"version {found.version} has all traffic"
                    return RolledBack(found.version, "\n".join([*texts, text]))
            else:
                with suppress(TrafficChanged):
                    return self._go_back(found, to, by, asked_at)
        raise TrafficChanged(f"live: others moved it at each of {_TRIES} tries")

    def abort(self, id: str, by: str) -> Closed:
        """Undo a release that runs. Raises ReleaseRefused where it does not."""
        why = f"rolled back by {by}"
        for _ in tries(_TRIES, self._deps.pause):
            owner = self._owner(self._deps.api.traffic().note)
            if owner != id and id not in self._deps.executions.running():
                raise ReleaseRefused(f"no release {id} is running")
            if owner not in (None, id):  # it waits for another one, which keeps the aliases
                self._deps.executions.stop(id, why)
                return self._recorder.write_undone(Undone(None, None), id, why)
            with suppress(TrafficChanged):
                return self._undo(id, by)[1]
        raise TrafficChanged(f"live: others moved it at each of {_TRIES} tries")

    def promote(self, id: str, by: str) -> None:
        """Let a canary have all traffic at the next poll, whatever its analyses say.

        Raises ReleaseRefused where it does not run, or is being promoted.
        """
        for _ in tries(_TRIES, self._deps.pause):
            found = self._deps.api.traffic()
            note, execution = found.note, self._deps.executions.find(id)
            is_running = execution is not None and execution.is_running
            if note is None or note.by != id or note.back or not is_running:
                raise ReleaseRefused(f"no release {id} is running")
            if note.reached is Reached.PROMOTE:
                raise ReleaseRefused(f"{id} is being promoted already")
            with suppress(TrafficChanged):
                wanted = replace(note, who=by)
                move(self._deps.api, found.version, found.weights, wanted, found.revision)
                return
        raise TrafficChanged(f"live: others moved it at each of {_TRIES} tries")

    def _under_way(self, found: Traffic) -> str | None:
        """Return the release that has the alias and is not over; or one that is about to have it.

        Of a canary's traffic the note alone tells that: every request counts now.
        """
        note = found.note
        if note is not None and found.weights and note.reached is Reached.CANARY:
            return note.release
        return self._owner(note) or next(iter(self._starting(note)), None)

    def _owner(self, note: Note | None) -> str | None:
        """Return the release that has the alias, or is being undone, and is not over."""
        has_release = self._deps.registry.has_release
        is_over = note is None or all(map(has_release, note.names))
        return None if note is None or is_over else note.release

    def _starting(self, note: Note | None) -> Sequence[str]:
        """Name the executions that run and have not got the alias; those undone do not count."""
        undone = "" if note is None else note.back
        return [id for id in self._deps.executions.running() if id != undone]

    def _undo(self, release: str, by: str) -> tuple[Undone, Closed]:
        note = Note(self._deps.new_id(), back=release, who=by)
        undone = undo(self._deps, note, fence=True)
        why = f"rolled back by {by}"
        self._deps.executions.stop(release, why)
        return undone, self._recorder.write_undone(undone, release, why)

    def _go_back(self, found: Traffic, to: str | None, by: str, asked_at: datetime) -> RolledBack:
        """Go back from what is live. Every check comes before the first alias is moved."""
        batch = self._deps.batch.traffic()
        releases = self._deps.registry.releases()
        if to is None and (done := self._just_done(releases, found, asked_at)) is not None:
            return done
        target = target_of(releases, (found.version, batch.version), to)
        if state(target) == (found.version, batch.version):
            raise ReleaseRefused(f"version {found.version} is live already")
        versions = self._ready(target, found, batch)
        note = Note(
            by=self._deps.new_id(),
            reached=Reached.PROMOTE,
            api_was=versions[0].number,
            api=found.version,
            batch_was=versions[1].number,
            batch=batch.version,
            back=releases[-1].id if found.note is None else found.note.by or found.note.back,
            who=by,
        )
        # Under the revision that was read: a faster move is noticed, and everything is read again.
        move(self._deps.api, note.api_was, {}, note, found.revision)
        undone = undo(self._deps, note, fence=True)
        why = f"rolled back by {by}"
        closed = self._recorder.write_undone(undone, note.back, why)
        return RolledBack(self._live(), closed.text)

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
        if timedelta() >= age > -_JUST_NOW and last.candidate == found.version:
            text = f"{last.id} did so at the same time ({'; '.join(last.reasons)})"
            return RolledBack(found.version, text)
        # Where that is yet to come, a clock is wrong, this one or another.
        when = f"{age.total_seconds():.0f} s ago" if age >= timedelta() else "lately"
        raise ReleaseRefused(
            f"{last.id} was rolled back {when} ({'; '.join(last.reasons)});"
            " to go back further, say --to which version"
        )

    def _ready(
        self, target: ReleaseRecord, found: Traffic, batch: Traffic
    ) -> tuple[FunctionVersion, FunctionVersion]:
        """Wait until the versions to go back to can answer. Raises ReleaseRefused."""
        number, batch_number = target.candidate or "", target.batch_candidate or batch.version
        try:
            candidate = _active(self._deps.api, number, found)
            batch_candidate = _active(self._deps.batch, batch_number, batch)
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
        return candidate, batch_candidate

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
