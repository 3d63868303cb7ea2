"""Writing down how a release ended: the registry's record, the stages of its models, a notice."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace

from mlops.errors import (
    ArtifactError,
    CloudUnavailable,
    FunctionGone,
    RegistryCorrupt,
    VersionNotFound,
)
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.journal import Stage, StageChange
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.note import Note, Reached
from mlops.release.ports import Dependencies, FunctionVersion

_SUBJECT_LENGTH = 100  # SNS takes no longer one
_TRIES = 5


@dataclass(frozen=True)
class Closed:
    """A release that has ended, with what the operators were told. text: all of the notice."""

    record: ReleaseRecord
    text: str


class Recorder:
    """Everything here can be done twice. Raises any StoreError, RegistryBusy, CloudUnavailable."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    def write(self, record: ReleaseRecord) -> Closed:
        """Write a record, and tell the operators. What is recorded already stays as it is."""
        registry = self._deps.registry
        record = replace(record, ended_at=registry.ended_at(self._deps.now()))
        kept = record
        with suppress(RegistryCorrupt):  # its own object is written first; a rebuild finds it
            kept = registry.record(record)
        self.settle_stages(code_sha=kept.deployed_sha if kept.moved else None)
        text = _text(kept)
        if (kept.outcome, kept.reasons) == (record.outcome, record.reasons):
            text = self.notify(_subject(kept), text)
        return Closed(kept, text)

    def write_note(
        self, id: str, note: Note | None, outcome: Ended, reasons: tuple[str, ...]
    ) -> Closed:
        """Write down a release, or a rollback, of which its note is all that is known, if that."""
        execution = self._deps.executions.find(id)
        now = self._deps.now()
        record = ReleaseRecord(
            id=id,
            kind=Kind.RELEASE,
            outcome=outcome,
            reasons=reasons,
            by="unknown" if execution is None else execution.by,
            started_at=now if execution is None else execution.started_at,
            ended_at=now,
        )
        if note is None:
            return self.write(record)
        if note.reached is Reached.ROLLBACK:
            sha = self._commit_of(note.api)
            record = replace(record, kind=Kind.ROLLBACK, by=note.who, deployed_sha=sha)
        elif note.is_rollback:
            record = replace(record, kind=Kind.STOPPED)
        return self.write(
            replace(
                record,
                champion=note.api_was,
                candidate=note.api,
                batch_champion=note.batch_was,
                batch_candidate=note.batch,
                pins=self._pins(note.api),
            )
        )

    def settle_stages(self, canaries: Collection[Pin] = (), code_sha: str | None = None) -> None:
        """Let the stages in the registry say what is live, and what is a canary.

        Asked again until the alias has not moved meanwhile: of two who do this at once, the last
        one is right. A version that is not in the store, or damaged there, has no stage.
        """
        live: tuple[Pin, ...] | None = None
        for _ in range(_TRIES):
            before, live = live, self._live()
            if live is None or live == before:
                return
            for version, stage in self._wanted(live, canaries).items():
                sha = code_sha if stage is Stage.CHAMPION else None
                change = StageChange(version, stage, self._deps.now(), sha)
                with suppress(VersionNotFound, ArtifactError, RegistryCorrupt):
                    self._deps.registry.move(change)

    def notify(self, subject: str, text: str) -> str:
        """Tell the operators. Return the text, with why nobody could be told: all else is done."""
        try:
            self._deps.notices.send(subject[:_SUBJECT_LENGTH], text)
        except CloudUnavailable as error:
            return f"{text}\nNobody was told: {error}"
        return text

    def _wanted(
        self, live: Collection[Pin], canaries: Collection[Pin]
    ) -> dict[ModelVersion, Stage]:
        """Return the stages that are to change."""
        wanted = {pin.version: Stage.CANARY for pin in canaries}
        wanted |= {pin.version: Stage.CHAMPION for pin in live}
        with suppress(RegistryCorrupt):
            for entry in self._deps.registry.entries():
                if wanted.get(entry.version) is entry.stage:
                    del wanted[entry.version]
                elif entry.version not in wanted and entry.stage is Stage.CHAMPION:
                    wanted[entry.version] = Stage.RETIRED
                elif entry.version not in wanted and entry.stage is Stage.CANARY:
                    before = [it.stage for it in entry.history if it.stage is not Stage.CANARY]
                    wanted[entry.version] = (before or [Stage.CANDIDATE])[-1]
            return wanted
        return {}

    def _live(self) -> tuple[Pin, ...] | None:
        with suppress(FunctionGone):
            return self._deps.api.describe(self._deps.api.traffic().version).pins
        return None

    def _pins(self, number: str) -> tuple[Pin, ...]:
        with suppress(FunctionGone):
            return self._deps.api.describe(number).pins
        return ()

    def _commit_of(self, number: str) -> str | None:
        with suppress(RegistryCorrupt):
            made_live = [it for it in self._deps.registry.releases() if it.moved]
            return next((it.deployed_sha for it in made_live[::-1] if it.candidate == number), None)
        return None


def first_record(champion: FunctionVersion, batch: FunctionVersion, deps: Dependencies) -> None:
    """Enter what is live into a registry without any release, so that there is a way back."""
    if any(record.moved for record in deps.registry.releases()):
        return
    now = deps.now()
    deps.registry.record(
        ReleaseRecord(
            id=f"first-{champion.number}",
            kind=Kind.FIRST,
            outcome=Ended.PROMOTED,
            reasons=("it was live before the first release",),
            by="the first release",
            started_at=now,
            ended_at=now,
            candidate=champion.number,
            batch_candidate=batch.number,
            pins=champion.pins,
        )
    )


def _subject(record: ReleaseRecord) -> str:
    about = "release"
    if record.candidate is not None:
        models = ", ".join(str(pin.version) for pin in record.pins) or "no model"
        about = f"version {record.candidate} ({models})"
    return f"{record.outcome}: {about}"


def _text(record: ReleaseRecord) -> str:
    at = f"{record.ended_at:%Y-%m-%d %H:%M:%S} UTC"
    lines = [f"{record.outcome} at {at}: {record.id}, started by {record.by}"]
    lines += [f"- {reason}" for reason in record.reasons]
    if record.champion is not None:
        models = ", ".join(str(pin.version) for pin in record.pins) or "no model"
        lines.append(
            f"From version {record.champion} of the API and {record.batch_champion} of batch to"
            f" {record.candidate} and {record.batch_candidate}, with {models}."
        )
    return "\n".join(lines)
