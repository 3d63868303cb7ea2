"""How a release begins: one at a time, and only where there is something new."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from mlops.errors import ObjectChanged
from mlops.monitoring.thresholds import ERROR_WINDOW
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.closing import Closing, World, follows
from mlops.release.lock import Holder, Lock
from mlops.release.ports import Alarms, Deployments, FunctionVersion
from mlops.release.reconcile import Reconciler
from mlops.release.records import Ending, Folder, Plan, Settings
from mlops.release.taken_back import why_not_again
from mlops.release.traffic import same, words

_BY = "the state machine"
_TRIES = 5
_ALARMS_END = ERROR_WINDOW + timedelta(minutes=2)
"""An alarm that rolled a canary back returns to OK when its window has no errors of the canary."""


@dataclass(frozen=True)
class Begun:
    """plan: None where the release has ended already, as `outcome` says.

    Where neither is there it waits, for these reasons, and is to be begun again in a while.
    """

    plan: Plan | None
    outcome: Ended | None = None
    reasons: tuple[str, ...] = ()


class Beginning:
    """Raises any StoreError, RegistryBusy and CloudUnavailable."""

    def __init__(
        self,
        world: World,
        reconciler: Reconciler,
        alarms: Alarms,
        deployments: Deployments,
        settings: Settings,
    ) -> None:
        self._world = world
        self._reconciler = reconciler
        self._alarms = alarms
        self._deployments = deployments
        self._settings = settings
        self._lock = Lock(world.objects)
        self._closing = Closing(world)

    def begin(
        self, id: str, by: str, *, despite_alarms: bool = False, retry: bool = False
    ) -> Begun:
        """Take the lock, publish both functions, and plan.

        despite_alarms: whether it may begin while alarms ring, and go on while these do.
        retry: whether it may release what was taken back before.
        What is refused, or nothing new, has ended by that; `record` does the rest. What follows
        another release waits for alarms, which may be that one's, until twelve minutes are over.
        Raises FunctionGone, RegistryCorrupt, ReleaseRefused for an impossible id.
        """
        folder = Folder(self._world.objects, id)
        ending = folder.ending()
        if ending is not None:
            return Begun(None, ending.outcome, ending.reasons)
        plan = folder.plan()
        if plan is not None:
            return Begun(plan)
        # What is published in the middle of a deployment is half of it, or is taken back yet.
        refusal = self._deployments.half_done() or self._take(id)
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
            weighted = self._weighted()
            if weighted is not None:
                return weighted
            with suppress(ObjectChanged):  # somebody was faster, or it was written after all
                self._lock.write(held, Holder(Kind.RELEASE, id, self._world.now()))
        return "others took the lock at each try"

    def _weighted(self) -> str | None:
        """What has weights of nobody, and how they go. A rollback takes the API's alone away."""
        for name, function, command in (
            ("the API", self._world.api, "by `mlops rollback`"),
            ("batch", self._world.batch, "as `mlops doctor` says"),
        ):
            traffic = function.traffic()
            if traffic.weights:
                return (
                    f"{name} has weights that belong to no release: {words(traffic)}; when they are"
                    f" cleared, by themselves or now {command}, `mlops release start` retries"
                )
        return None

    def _plan(self, folder: Folder, id: str, by: str, despite_alarms: bool, retry: bool) -> Begun:
        api, batch = self._world.api, self._world.batch
        published, batch_published = api.publish(), batch.publish()
        half_done = self._deployments.half_done()  # since it was asked last
        if half_done is not None:
            return self._ended(folder, Ended.REFUSED, half_done, by)
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
        releases = self._world.registry.releases()
        again = None
        if not retry:
            again = why_not_again(releases, champion, candidate, batch_candidate, self._is_aborted)
        if again is not None:
            return self._ended(folder, Ended.REFUSED, again, by, *numbers)
        red = self._alarms.red()
        if red and not despite_alarms:
            why = f"alarms ring: {', '.join(red)}"
            if follows(id) and self._has_just_begun():
                return Begun(None, None, (why,))
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

    def _has_just_begun(self) -> bool:
        holder = self._lock.read().holder
        return holder is not None and self._world.now() - holder.at < _ALARMS_END

    def _is_aborted(self, id: str) -> bool:
        return Folder(self._world.objects, id).aborted() is not None

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
