"""Ending what nobody ends any more: by schedule, and whenever an execution has ended badly."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from mlops.errors import FunctionGone, TrafficChanged
from mlops.registry.releases import Ended
from mlops.release.alias import Undone, advance, describe, is_at, move, undo
from mlops.release.note import Note, Reached
from mlops.release.ports import Dependencies, Function
from mlops.release.recorder import Closed, Recorder


class Repair:
    """Raises any StoreError, RegistryBusy, CloudUnavailable, TrafficChanged."""

    def __init__(self, deps: Dependencies, recorder: Recorder) -> None:
        self._deps = deps
        self._recorder = recorder

    def __call__(self, ended: str | None = None) -> tuple[str, ...]:
        """Return what was done, in words; nothing where all is well.

        ended: the name of an execution that has ended badly, if that is why this is called.
        """
        notes: dict[str, Note] = {}
        for note in self._read():
            known = notes.get(note.release)
            if known is None or (note.back and not known.back):
                notes[note.release] = note
        closed = [self._end(id, note) for id, note in notes.items()]
        if ended is not None and ended not in notes and not self._is_over(ended):
            why = f"{self._how_it_ended(ended)}, before it had an alias"
            closed.append(self._recorder.write_undone(Undone(None, None), ended, why))
        texts = [it.text for it in closed if it is not None]
        for part, function in self._deps.parts:
            texts += self._clear(part, function)
        return tuple(texts)

    def _read(self) -> Iterator[Note]:
        for _, function in self._deps.parts:
            with suppress(FunctionGone):
                note = function.traffic().note
                if note is not None:
                    yield note

    def _end(self, id: str, note: Note) -> Closed | None:
        """Undo a release whose execution does not run, or finish what it has promoted.

        A rollback is finished at any time: the result is the same for each process that does it.
        """
        execution = self._deps.executions.find(id)
        is_rollback = note.back and note.by
        if not is_rollback and execution is not None and execution.is_running:
            return None
        if all(map(self._is_over, note.names)):  # asked last: it may just have ended well
            return None
        why = self._how_it_ended(id)
        if not note.back:
            if (promoted := self._promoted(id)) is not None:
                return self._finish(promoted, why)
            note = Note(back=id)
        return self._recorder.write_undone(undo(self._deps, note), id, why)

    def _promoted(self, id: str) -> Note | None:
        """Return the note with which a release has promoted its version of the API, if it has."""
        with suppress(FunctionGone):
            found = self._deps.api.traffic()
            note = found.note
            if note is not None and note.by == id and note.reached is Reached.PROMOTE:
                return note if is_at(found, note, "api") else None
        return None

    def _finish(self, note: Note, why: str) -> Closed:
        reasons = [why]
        try:
            before = replace(note, reached=Reached.BEGIN, who="")
            advance(self._deps, "batch", before, Reached.PROMOTE)
        except (FunctionGone, TrafficChanged) as error:
            reasons.append(f"batch is left as it is: {error}")
        record = self._recorder.of_release(note.by, note, Ended.PROMOTED, tuple(reasons))
        return self._recorder.write(record)

    def _how_it_ended(self, id: str) -> str:
        execution = self._deps.executions.find(id)
        status = "UNKNOWN" if execution is None else execution.status
        return f"its execution has ended: {status}"

    def _is_over(self, id: str) -> bool:
        return self._deps.registry.has_release(id)

    def _clear(self, part: str, function: Function) -> list[str]:
        """Take away weights that belong to no release."""
        with suppress(FunctionGone, TrafficChanged):  # then they may be somebody's by now
            found = function.traffic()
            note = found.note
            is_owned = note is not None and not note.back and not self._is_over(note.by)
            if not found.weights or is_owned:
                return []
            move(function, found.version, {}, note, found.revision)
            words = f"{part} was {describe(found)}, which no release asked for"
            text = f"{words}. Version {found.version} has all traffic again."
            return [self._recorder.notify("Weights that belong to no release", text)]
        return []
