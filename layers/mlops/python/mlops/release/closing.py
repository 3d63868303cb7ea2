"""What is left to do when it is decided how a release ends; all of it can be done twice."""

import hashlib
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from mlops.errors import ArtifactError, FunctionGone, RegistryCorrupt, VersionNotFound
from mlops.inference.version import Pin
from mlops.registry.journal import Stage, StageChange
from mlops.registry.objects import ObjectStore
from mlops.registry.registry import Registry
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.lock import Lock
from mlops.release.ports import LATEST, Executions, Function
from mlops.release.records import Ending, Folder, Plan
from mlops.release.traffic import same

DEPLOY = "deploy"
"""By whom a release is, for the record, that begins because the stack has changed."""

_FOLLOWING = "again-"
_SUBJECT_LENGTH = 100  # SNS takes no longer one


@dataclass(frozen=True)
class World:
    """What releases, rollbacks and the reconciler have in common. now: aware, UTC."""

    api: Function
    batch: Function
    objects: ObjectStore
    registry: Registry
    executions: Executions
    now: Callable[[], datetime]


@dataclass(frozen=True)
class Closed:
    """A release that has ended, and what to tell people about it.

    again: a deploy came in the middle; its release was started.
    """

    id: str
    outcome: Ended
    reasons: tuple[str, ...]
    subject: str
    text: str
    again: bool


class Closing:
    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = Lock(world.objects)

    def close(self, id: str, ending: Ending) -> Closed:
        """Note how a release ended, and let go of the lock. How it ended before, it stays.

        Raises any StoreError, RegistryBusy, CloudUnavailable.
        """
        folder = Folder(self._world.objects, id)
        ending = folder.keep_ending(ending)
        plan = folder.plan()
        # The journal and the release's own object are written first; a rebuild finds them.
        with suppress(RegistryCorrupt):
            self._world.registry.record(_record(id, ending, plan))
        if plan is not None:
            self._move_stages(plan, ending)
        holder = self._lock.read_whatever().holder
        # It died before it knew what it was about. Its follower is followed by none: so it ends.
        # Nor is one that people have stopped: it would begin anew.
        is_its = holder is not None and (holder.kind, holder.id) == (Kind.RELEASE, id)
        is_last = follows(id) or folder.aborted() is not None
        kept_others = is_its and not is_last
        self._lock.free(id)
        again = self._is_outdated(plan, ending, kept_others=kept_others)
        if again:
            self._world.executions.start(following(id), DEPLOY)
        return _closed(id, ending, plan, again)

    def adopt(self, pins: Collection[Pin], at: datetime) -> None:
        """Let the stages say that exactly these are live, where an earlier end could not."""
        live = {pin.version for pin in pins}
        with suppress(RegistryCorrupt):
            entries = self._world.registry.entries()
            champions = {entry.version for entry in entries if entry.stage is Stage.CHAMPION}
            old = [entry.pin for entry in entries if entry.version in champions - live]
            self.stage(old, Stage.RETIRED, at)
            self.stage([pin for pin in pins if pin.version not in champions], Stage.CHAMPION, at)

    def stage(
        self, pins: Iterable[Pin], stage: Stage, at: datetime, code_sha: str | None = None
    ) -> None:
        """A version that is not in the store, or damaged there, has no stages: traffic goes on."""
        for pin in pins:
            with suppress(VersionNotFound, ArtifactError, RegistryCorrupt):
                self._world.registry.move(StageChange(pin.version, stage, at, code_sha))

    def _move_stages(self, plan: Plan, ending: Ending) -> None:
        record = _record(plan.id, ending, plan)
        new = [pin for pin in plan.candidate.pins if pin not in plan.champion.pins]
        if record.moved:
            old = [pin for pin in plan.champion.pins if pin not in plan.candidate.pins]
            self.stage(old, Stage.RETIRED, ending.at)
            self.stage(plan.candidate.pins, Stage.CHAMPION, ending.at, record.deployed_sha)
            return
        for pin in new:
            with suppress(VersionNotFound, RegistryCorrupt):
                entry = self._world.registry.entry(pin.version)
                if entry.stage is Stage.CANARY:
                    before = [c.stage for c in entry.history if c.stage is not Stage.CANARY]
                    self.stage([pin], (before or [Stage.CANDIDATE])[-1], ending.at)

    def _is_outdated(self, plan: Plan | None, ending: Ending, *, kept_others: bool) -> bool:
        """Whether something else was deployed since the release published what there was."""
        api, batch = self._world.api, self._world.batch
        try:
            if plan is not None:
                about = plan.candidate, plan.batch_candidate
            elif ending.candidate is not None and ending.batch_candidate is not None:
                about = api.describe(ending.candidate), batch.describe(ending.batch_candidate)
            elif kept_others:
                about = api.describe(api.traffic().version), batch.describe(batch.traffic().version)
            else:
                return False
            if plan is not None and plan.kind is not Kind.RELEASE:
                return False
            return not (
                same(api.describe(LATEST), about[0]) and same(batch.describe(LATEST), about[1])
            )
        except FunctionGone:
            return False


def following(id: str) -> str:
    """The release after one in whose middle a deploy came: the same at each try."""
    return f"{_FOLLOWING}{hashlib.sha256(id.encode()).hexdigest()[:32]}"


def follows(id: str) -> bool:
    return id.startswith(_FOLLOWING)


def _record(id: str, ending: Ending, plan: Plan | None) -> ReleaseRecord:
    if plan is None:
        return ReleaseRecord(
            id=id,
            kind=Kind.RELEASE,
            outcome=ending.outcome,
            reasons=ending.reasons,
            by=ending.by,
            started_at=ending.at,
            ended_at=ending.at,
            candidate=ending.candidate,
            batch_candidate=ending.batch_candidate,
        )
    return ReleaseRecord(
        id=id,
        kind=plan.kind,
        outcome=ending.outcome,
        reasons=_reasons(ending, plan),
        by=plan.by,
        started_at=plan.started_at,
        ended_at=ending.at,
        champion=plan.champion.number,
        candidate=plan.candidate.number,
        batch_champion=plan.batch_champion.number,
        batch_candidate=plan.batch_candidate.number,
        pins=plan.candidate.pins,
        deployed_sha=plan.settings.code_sha,
    )


def _reasons(ending: Ending, plan: Plan | None) -> tuple[str, ...]:
    """Why it ended so; and what else there is to say of it wherever it is told."""
    if plan is None or not plan.despite:
        return ending.reasons
    return (*ending.reasons, f"it began although alarms rang: {', '.join(plan.despite)}")


def _closed(id: str, ending: Ending, plan: Plan | None, again: bool) -> Closed:
    by = ending.by if plan is None else plan.by
    reasons = _reasons(ending, plan)
    lines = [f"{ending.outcome} at {ending.at:%Y-%m-%d %H:%M:%S} UTC: {id}, started by {by}"]
    lines += [f"- {reason}" for reason in reasons]
    what = "release"
    if plan is not None:
        models = ", ".join(str(pin.version) for pin in plan.candidate.pins) or "no model"
        what = f"version {plan.candidate.number} ({models})"
        lines.append(
            f"The API was at version {plan.champion.number}, batch at"
            f" {plan.batch_champion.number}. This was version {plan.candidate.number} of the API"
            f" and {plan.batch_candidate.number} of batch, with {models}."
        )
    if again:
        lines.append("What is deployed now is something else; its release has been started.")
    subject = f"{ending.outcome}: {what}"[:_SUBJECT_LENGTH]
    return Closed(id, ending.outcome, reasons, subject, "\n".join(lines), again)
