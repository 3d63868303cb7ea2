"""How a release begins: one at a time, and only where there is something new."""

from contextlib import suppress
from dataclasses import dataclass

from mlops.errors import ObjectChanged
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.closing import Closing, World
from mlops.release.lock import Holder, Lock
from mlops.release.ports import Alarms, FunctionVersion
from mlops.release.reconcile import Reconciler
from mlops.release.records import Ending, Folder, Plan, Settings
from mlops.release.traffic import same, words

_BY = "the state machine"
_TRIES = 5


@dataclass(frozen=True)
class Begun:
    """plan: None where the release has ended already, as `outcome` says."""

    plan: Plan | None
    outcome: Ended | None = None
    reasons: tuple[str, ...] = ()


class Beginning:
    """Raises any StoreError, RegistryBusy and CloudUnavailable."""

    def __init__(
        self, world: World, reconciler: Reconciler, alarms: Alarms, settings: Settings
    ) -> None:
        self._world = world
        self._reconciler = reconciler
        self._alarms = alarms
        self._settings = settings
        self._lock = Lock(world.objects)
        self._closing = Closing(world)

    def begin(
        self, id: str, by: str, *, despite_alarms: bool = False, retry: bool = False
    ) -> Begun:
        """Take the lock, publish both functions, and plan.

        despite_alarms: whether it may begin while alarms ring, and go on while these do.
        retry: whether it may release what was taken back before.
        What is refused, or nothing new, has ended by that; `record` does the rest.
        Raises FunctionGone, RegistryCorrupt, ReleaseRefused for an impossible id.
        """
        folder = Folder(self._world.objects, id)
        ending = folder.ending()
        if ending is not None:
            return Begun(None, ending.outcome, ending.reasons)
        plan = folder.plan()
        if plan is not None:
            return Begun(plan)
        refusal = self._take(id)
        if refusal is not None:
            return self._ended(folder, Ended.REFUSED, refusal, by)
        return self._plan(folder, id, by, despite_alarms, retry)

    def _take(self, id: str) -> str | None:
        """Take the lock; or why not. What an ended holder has left is mended before."""
        for _ in range(_TRIES):
            held = self._lock.read()
            if held.holder is not None and held.holder.id == id:
                return None
            if held.holder is not None:
                occupied = self._reconciler.occupied(held.holder)
                if occupied is not None:
                    if held.holder.kind is Kind.ROLLBACK:
                        return f"{occupied}; `mlops release start` releases it when it has ended"
                    return f"{occupied}; what was deployed meanwhile follows when it has ended"
                self._reconciler.finish(held.holder, f"its execution had ended when {id} began")
                continue
            for function in (self._world.api, self._world.batch):
                traffic = function.traffic()
                if traffic.weights:
                    return f"weights that belong to no release: {words(traffic)}"
            with suppress(ObjectChanged):  # somebody was faster, or it was written after all
                self._lock.write(held, Holder(Kind.RELEASE, id, self._world.now()))
        return "others took the lock at each try"

    def _plan(self, folder: Folder, id: str, by: str, despite_alarms: bool, retry: bool) -> Begun:
        api, batch = self._world.api, self._world.batch
        published, batch_published = api.publish(), batch.publish()
        traffic, batch_traffic = api.traffic(), batch.traffic()
        champion, batch_champion = (
            api.describe(traffic.version),
            batch.describe(batch_traffic.version),
        )
        # What was published may be, under another number, what is live.
        candidate = champion if same(published, champion) else published
        batch_candidate = (
            batch_champion if same(batch_published, batch_champion) else batch_published
        )
        self._adopt(champion, batch_champion)
        numbers = candidate.number, batch_candidate.number
        if (candidate, batch_candidate) == (champion, batch_champion):
            why = "what is deployed is live already"
            return self._ended(folder, Ended.UNCHANGED, why, by, *numbers)
        is_new = candidate != champion
        if not retry and self._was_taken_back(candidate, batch_candidate if not is_new else None):
            why = f"version {candidate.number} was taken back before; `mlops release start` retries"
            return self._ended(folder, Ended.REFUSED, why, by, *numbers)
        red = self._alarms.red()
        if red and not despite_alarms:
            why = f"alarms ring: {', '.join(red)}"
            return self._ended(folder, Ended.REFUSED, why, by, *numbers)
        plan = Plan(
            id=id,
            kind=Kind.RELEASE,
            by=by,
            started_at=self._world.now(),
            champion=champion,
            candidate=candidate,
            revision=traffic.revision,
            batch_champion=batch_champion,
            batch_candidate=batch_candidate,
            batch_revision=batch_traffic.revision,
            settings=self._settings,
            despite=red,
        )
        return Begun(folder.keep_plan(plan))

    def _ended(
        self,
        folder: Folder,
        outcome: Ended,
        why: str,
        by: str,
        candidate: str | None = None,
        batch_candidate: str | None = None,
    ) -> Begun:
        now = self._world.now()
        ending = folder.keep_ending(Ending(outcome, (why,), by, now, candidate, batch_candidate))
        return Begun(None, ending.outcome, ending.reasons)

    def _adopt(self, champion: FunctionVersion, batch_champion: FunctionVersion) -> None:
        """Enter what is live into a registry that knows of none, so that there is a way back."""
        now = self._world.now()
        self._closing.adopt(champion.pins, now)
        if any(record.moved for record in self._world.registry.releases()):
            return
        record = ReleaseRecord(
            id=f"first-{champion.number}",
            kind=Kind.FIRST,
            outcome=Ended.PROMOTED,
            reasons=("it was live before the first release",),
            by=_BY,
            started_at=now,
            ended_at=now,
            candidate=champion.number,
            batch_candidate=batch_champion.number,
            pins=champion.pins,
        )
        self._world.registry.record(record)

    def _was_taken_back(self, candidate: FunctionVersion, batch: FunctionVersion | None) -> bool:
        """Whether people, or a judge, went back from a version when it was last released.

        batch: where that alone is new. With a new version of the API it has no say: who mends the
        API deploys the same batch again.
        """

        def is_it(number: str | None, batch_number: str | None) -> bool:
            return number == candidate.number and (batch is None or batch_number == batch.number)

        for record in reversed(self._world.registry.releases()):
            if record.outcome in (Ended.REFUSED, Ended.UNCHANGED):
                continue  # it never had traffic
            if batch is None and record.candidate == record.champion:
                continue  # it was about batch alone
            if is_it(record.candidate, record.batch_candidate):
                return not record.moved
            if record.kind is Kind.ROLLBACK and is_it(record.champion, record.batch_champion):
                return True
        return False
