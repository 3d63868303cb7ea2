"""Mending what is left when a release, or a rollback, did not come to its end."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from mlops.errors import CloudUnavailable, FunctionGone, ObjectChanged, TrafficChanged
from mlops.registry.releases import Ended, Kind
from mlops.release.closing import Closed, Closing, World
from mlops.release.judge import Outcome
from mlops.release.lock import Held, Holder, Lock
from mlops.release.ports import ExecutionStatus, Function, Notices, Traffic
from mlops.release.records import Ending, Folder, Plan
from mlops.release.traffic import is_all, move, settle

_BY = "the reconciler"
_ROLLBACK_TIME = timedelta(minutes=3)
"""No rollback takes so long; one that does has died."""
_GRACE = timedelta(minutes=1)
"""So long an execution may be unheard of: Step Functions is eventually consistent."""


_Weighted = tuple[str, Function, Traffic]


@dataclass(frozen=True)
class Reconciled:
    """done: what was done, in words; empty where there was nothing to do. idle: why not."""

    done: tuple[str, ...] = ()
    idle: str | None = None


class Reconciler:
    """dangling: so long weights that belong to no release may stay."""

    def __init__(self, world: World, notices: Notices, dangling: timedelta) -> None:
        self._world = world
        self._notices = notices
        self._dangling = dangling
        self._lock = Lock(world.objects)
        self._closing = Closing(world)

    def reconcile(self) -> Reconciled:
        """Raises any StoreError, RegistryBusy, CloudUnavailable, TrafficChanged."""
        # Ahead of the lock: weights of a release that begins now are then not taken for nobody's.
        weighted = self._weighted()
        held = self._lock.read()
        if held.holder is None:
            return self._clear(weighted, held)
        why = self.occupied(held.holder)
        if why is not None:
            return Reconciled(idle=why)
        closed = self.finish(held.holder, self._how_it_ended(held.holder))
        self._notices.send(closed.subject, closed.text)
        return Reconciled(done=(closed.subject, *closed.reasons))

    def occupied(self, holder: Holder) -> str | None:
        """Why a lock is not to be taken over; None where its holder has ended."""
        age = self._world.now() - holder.at
        if holder.kind is Kind.ROLLBACK:
            return f"a rollback is under way ({holder.id})" if age < _ROLLBACK_TIME else None
        status = self._world.executions.status(holder.id)
        unheard_of = status is ExecutionStatus.UNKNOWN and age < _GRACE
        if status is ExecutionStatus.RUNNING or unheard_of:
            return f"a release is running ({holder.id})"
        return None

    def finish(self, holder: Holder, why: str, by: str = _BY) -> Closed:
        """End a release whose execution has ended, or a rollback whose process has.

        What was promoted after its approval stays so, and batch follows. Else all goes back.
        Raises as `reconcile` does.
        """
        folder = Folder(self._world.objects, holder.id)
        ending = folder.ending()
        if ending is None:
            plan = folder.plan()
            outcome, reasons = Ended.REFUSED, [why, "it had not begun"]
            if plan is not None:
                outcome, reasons = self._end(plan, folder, why)
            at = self._world.registry.ended_at(self._world.now())
            ending = Ending(outcome, tuple(reasons), by, at)
        return self._closing.close(holder.id, ending)

    def _how_it_ended(self, holder: Holder) -> str:
        if holder.kind is Kind.ROLLBACK:
            return "its rollback did not come to its end"
        # Who aborts it stops the execution, whose end may be heard of ahead of the rest.
        aborted = Folder(self._world.objects, holder.id).aborted()
        return aborted or f"its execution has ended: {self._world.executions.status(holder.id)}"

    def _end(self, plan: Plan, folder: Folder, why: str) -> tuple[Ended, list[str]]:
        api, batch = self._world.api, self._world.batch
        rollback = plan.kind is Kind.ROLLBACK
        with suppress(FunctionGone):  # then there is nothing to be kept
            if is_approved(plan, folder) and is_all(api.traffic(), plan.candidate.number):
                to, instead_of = plan.batch_candidate.number, plan.batch_champion.number
                return (
                    Ended.ROLLED_BACK if rollback else Ended.PROMOTED,
                    [why, *_settled(batch, "batch", to, instead_of)],
                )
        # What had traffic is told from what never had any by where it is, or was seen.
        seen = rollback or folder.began() is not None or _has_traffic(plan, api, batch)
        reasons = [why]
        reasons += _settled(api, "the API", plan.champion.number, plan.candidate.number)
        reasons += _settled(batch, "batch", plan.batch_champion.number, plan.batch_candidate.number)
        never = rollback or not seen
        return (Ended.REFUSED if never else Ended.ROLLED_BACK), reasons

    def _clear(self, weighted: Sequence[_Weighted], held: Held) -> Reconciled:
        now, since = self._world.now(), held.dangling_since
        # Where the lock has changed meanwhile, something has begun, and this can wait.
        if not weighted:
            if since is not None:
                with suppress(ObjectChanged):
                    self._lock.write(held, None)
            return Reconciled(idle="nothing to do")
        if since is None:
            with suppress(ObjectChanged):
                self._lock.write(held, None, dangling_since=now)
        if since is None or now - since < self._dangling:
            return Reconciled(idle="weights that belong to no release were seen; they may stay yet")
        cleared = [words for found in weighted for words in self._without_weights(*found)]
        with suppress(ObjectChanged):
            self._lock.write(held, None)
        if cleared:
            self._notices.send("Weights that belonged to no release", "\n".join(cleared))
        return Reconciled(done=tuple(cleared))

    def _without_weights(self, name: str, function: Function, traffic: Traffic) -> list[str]:
        try:
            move(function, traffic.version, {}, traffic.revision)
        except TrafficChanged:  # then they may belong to somebody now
            return []
        shares = ", ".join(f"{share:.0%} to version {it}" for it, share in traffic.weights.items())
        return [f"{name} gave {shares}; version {traffic.version} has all again"]

    def _weighted(self) -> list[_Weighted]:
        found = []
        for name, function in (("The API", self._world.api), ("Batch", self._world.batch)):
            with suppress(FunctionGone):
                traffic = function.traffic()
                if traffic.weights:
                    found.append((name, function, traffic))
        return found


def _has_traffic(plan: Plan, api: Function, batch: Function) -> bool:
    with suppress(FunctionGone):
        function, number = ((api, plan.to[0]), (batch, plan.to[1]))[plan.part]
        traffic = function.traffic()
        return number in (traffic.version, *traffic.weights)
    return False


def is_approved(plan: Plan, folder: Folder) -> bool:
    """Whether the candidate was to get all traffic: by the last look, or by somebody."""
    if folder.aborted() is not None:
        return False
    if plan.kind is Kind.ROLLBACK or folder.decision() is not None:
        return True
    if not plan.has_canary:
        return bool((folder.read("gate") or {}).get("passed"))
    last = folder.read(f"look-{plan.settings.looks}")
    return last is not None and last["outcome"] == Outcome.PASS


def tell(notices: Notices, closed: Closed) -> str:
    """Its text; with what kept people from being told, since all else is done by now."""
    try:
        notices.send(closed.subject, closed.text)
    except CloudUnavailable as error:
        return f"{closed.text}\nNobody was told: {error}"
    return closed.text


def _settled(function: Function, name: str, to: str, instead_of: str) -> list[str]:
    """What there is to say about it."""
    try:
        if settle(function, to, instead_of):
            return []
    except FunctionGone as error:
        return [str(error)]
    return [f"{name} was moved by somebody else, and left as it is"]
