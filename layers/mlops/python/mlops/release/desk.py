"""What people ask of releases: how they stand, what there were; to promote, to abort."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mlops.errors import FunctionGone, ObjectChanged, ReleaseRefused
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.closing import Closed, World
from mlops.release.lock import Holder, Lock, unlocked
from mlops.release.looks import Look, Looks
from mlops.release.ports import LATEST, ExecutionStatus, Function, Notices, Traffic
from mlops.release.reconcile import Reconciler, tell
from mlops.release.records import Folder, Plan
from mlops.release.traffic import same


@dataclass(frozen=True)
class Running:
    """The release, or the rollback, that holds the lock.

    locked: False where somebody has taken the lock away from a release that runs.
    execution: UNKNOWN for a rollback, which has none. plan: None until it is planned.
    gate: its report as it was kept. canary_since: None where no canary has traffic yet.
    next_look_at, ends_at: from when on the next, the last look can be taken. decision: who has
    promoted it by hand.
    """

    holder: Holder
    locked: bool
    execution: ExecutionStatus
    plan: Plan | None
    gate: dict[str, Any] | None
    canary_since: datetime | None
    looks: tuple[Look, ...]
    next_look_at: datetime | None
    ends_at: datetime | None
    decision: str | None


@dataclass(frozen=True)
class Status:
    """api, batch: None where the function or its alias is not there. last: to have ended."""

    api: Traffic | None
    batch: Traffic | None
    running: Running | None
    last: ReleaseRecord | None


@dataclass(frozen=True)
class Standing:
    """The record that says why something is live, or is not."""

    record: ReleaseRecord
    is_live: bool


class Desk:
    """Every method raises any StoreError and CloudUnavailable."""

    def __init__(self, world: World, reconciler: Reconciler, notices: Notices) -> None:
        self._world = world
        self._reconciler = reconciler
        self._notices = notices
        self._lock = Lock(world.objects)

    def status(self) -> Status:
        """Raises RegistryCorrupt."""
        locked = self._lock.read().holder
        holder = locked or unlocked(self._world.objects, self._world.executions)
        history = self.history()
        return Status(
            api=_traffic(self._world.api),
            batch=_traffic(self._world.batch),
            running=None if holder is None else self._running(holder, locked=locked is not None),
            last=history[0] if history else None,
        )

    def verdict(self, deployed_at: datetime) -> Standing | None:
        """How what is deployed now was released; None where no release has been about it yet.

        deployed_at: when that deployment began. What was not promoted before may be by now, even
        where it is the same. For what people went back from, the record is their rollback.
        Raises FunctionGone, RegistryCorrupt.
        """
        api, batch = self._world.api, self._world.batch
        latest = api.describe(LATEST), batch.describe(LATEST)

        def is_latest(number: str, batch_number: str) -> bool:
            return same(latest[0], api.describe(number)) and same(
                latest[1], batch.describe(batch_number)
            )

        history = self.history()
        live = api.traffic(), batch.traffic()
        if is_latest(live[0].version, live[1].version):
            made_live = (it for it in history if it.moved and it.candidate == live[0].version)
            record = next(made_live, history[0] if history else None)
            is_all = not (live[0].weights or live[1].weights)
            return None if record is None else Standing(record, is_live=is_all)
        for record in history:
            if record.ended_at < deployed_at:
                return None
            about = record.candidate, record.batch_candidate
            if record.kind is Kind.ROLLBACK:
                about = record.champion, record.batch_champion
            if about[0] and about[1] and is_latest(about[0], about[1]):
                return Standing(record, is_live=False)
        return None

    def history(self) -> Sequence[ReleaseRecord]:
        """The newest first. Raises RegistryCorrupt."""
        return self._world.registry.releases()[::-1]

    def promote(self, id: str, by: str) -> None:
        """Let the canary have all traffic at the next tick, whatever the looks say.

        Raises ReleaseRefused.
        """
        folder = self._require_running(id)
        folder.decide(by, self._world.now())

    def abort(self, id: str, by: str) -> Closed:
        """Stop a release and give all traffic back.

        Raises ReleaseRefused, RegistryBusy, TrafficChanged.
        """
        folder = self._require_running(id)
        why = f"aborted by {by}"
        folder.abort(why)
        self._world.executions.stop(id, why)
        closed = self._reconciler.finish(Holder(Kind.RELEASE, id, self._world.now()), why, by)
        closed = replace(closed, text=tell(self._notices, closed))
        if closed.outcome is Ended.PROMOTED:
            raise ReleaseRefused(
                f"{id} was promoted at that very moment; `mlops rollback` goes back"
            )
        return closed

    def _require_running(self, id: str) -> Folder:
        """A release from which somebody has taken the lock away has it again then."""
        held = self._lock.read()
        holder = held.holder
        if holder is None:
            holder = unlocked(self._world.objects, self._world.executions)
            if holder is not None and holder.id == id:
                try:
                    self._lock.write(held, holder)
                except ObjectChanged as error:
                    raise ReleaseRefused("something else has just begun") from error
        if holder is None or holder.id != id or holder.kind is not Kind.RELEASE:
            raise ReleaseRefused(f"no release {id} is running")
        return Folder(self._world.objects, id)

    def _running(self, holder: Holder, *, locked: bool) -> Running:
        folder = Folder(self._world.objects, holder.id)
        plan = folder.plan()
        looks = None if plan is None else Looks(folder, plan)
        began = folder.began()
        kept = () if looks is None else tuple(looks.kept())
        next_look_at = ends_at = None
        if plan is not None and began is not None:
            delay = timedelta(seconds=plan.settings.log_delay_seconds)
            ends_at = plan.look_ends(began, plan.settings.looks) + delay
            last = kept[-1].number if kept else 0
            if last < plan.settings.looks:
                next_look_at = plan.look_ends(began, last + 1) + delay
        return Running(
            holder=holder,
            locked=locked,
            execution=self._world.executions.status(holder.id),
            plan=plan,
            gate=folder.read("gate"),
            canary_since=began,
            looks=kept,
            next_look_at=next_look_at,
            ends_at=ends_at,
            decision=folder.decision(),
        )


def _traffic(function: Function) -> Traffic | None:
    with suppress(FunctionGone):
        return function.traffic()
    return None
