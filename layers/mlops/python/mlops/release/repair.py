"""The end of releases whose execution does not end them: by schedule, and after a bad end."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from mlops.errors import FunctionGone, TrafficChanged
from mlops.registry.releases import Ended
from mlops.release.alias import describe, follow, is_free, move, undo
from mlops.release.note import Note, Reached
from mlops.release.ports import Dependencies, Function
from mlops.release.recorder import Closed, Recorder


def outcome_of(notes: Sequence[Note], *, had_traffic: bool = False) -> Ended:
    """Return how a release ends that leaves these notes. had_traffic: it is known otherwise."""
    if notes and notes[0].reached is Reached.PROMOTE:
        return Ended.PROMOTED
    had_traffic = had_traffic or any(note.reached is not Reached.BEGIN for note in notes)
    return Ended.ROLLED_BACK if had_traffic else Ended.REFUSED


class Repair:
    """Raises any StoreError, RegistryBusy, CloudUnavailable, TrafficChanged."""

    def __init__(self, deps: Dependencies, recorder: Recorder) -> None:
        self._deps = deps
        self._recorder = recorder

    def __call__(self, ended: str | None = None) -> tuple[str, ...]:
        """Return what was done, in words; nothing where all is well.

        ended: the name of an execution that has ended badly, if that is why this is called.
        """
        owners = {note.by: note for note in self._read()}
        closed = [self._end(note) for note in owners.values()]
        if ended is not None and ended not in owners and not self._deps.registry.has_release(ended):
            why = f"{self._how_it_ended(ended)}, before it had an alias"
            closed.append(self._recorder.write_note(ended, None, Ended.REFUSED, (why,)))
        texts = [it.text for it in closed if it is not None]
        for part, function in self._deps.parts:
            texts += self._clear(part, function)
        return tuple(texts)

    def finish(self, note: Note, why: str, who: str = "") -> Closed:
        """Undo a release, and record it; or what it has promoted, once batch has followed.

        The note of the API decides which, so each process that does this comes to the same end.
        who: the operator who wants it undone.
        """
        notes = undo(self._deps, note.by, who)
        if not notes:  # it has just ended, and others have the aliases
            return self._recorder.write_note(note.by, note, Ended.REFUSED, (why,))
        note = notes[0]
        batch_is_left = () if note.undone else follow(self._deps, note)
        reason = f"rolled back by {note.who}" if note.is_rollback else why
        outcome = outcome_of(notes)
        return self._recorder.write_note(note.by, note, outcome, (reason, *batch_is_left))

    def _read(self) -> Iterator[Note]:
        """Yield the notes of both aliases, the API's last."""
        for _, function in self._deps.parts[::-1]:
            with suppress(FunctionGone):
                note = function.traffic().note
                if note is not None:
                    yield note

    def _end(self, note: Note) -> Closed | None:
        """Finish a release whose execution does not run. A rollback is finished at any time."""
        execution = self._deps.executions.find(note.by)
        if not note.is_rollback and execution is not None and execution.is_running:
            return None
        if is_free(self._deps, note):  # asked last: it may just have ended well
            return None
        return self.finish(note, self._how_it_ended(note.by))

    def _how_it_ended(self, id: str) -> str:
        execution = self._deps.executions.find(id)
        status = "UNKNOWN" if execution is None else execution.status
        return f"its execution has ended: {status}"

    def _clear(self, part: str, function: Function) -> list[str]:
        """Take away weights that belong to no release."""
        with suppress(FunctionGone, TrafficChanged):  # then a release may own them by now
            found = function.traffic()
            note = found.note
            is_owned = note is not None and not note.undone and not is_free(self._deps, note)
            if not found.weights or is_owned:
                return []
            move(function, found.version, {}, note, found.revision)
            words = f"{part} was {describe(found)}, which no release asked for"
            text = f"{words}. Version {found.version} has all traffic again."
            return [self._recorder.notify("Weights that belong to no release", text)]
        return []
