"""What the state machine asks of a release that has begun. Each can be asked twice."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mlops.errors import FunctionGone, ReleaseRefused, TrafficChanged
from mlops.registry.journal import Stage
from mlops.registry.releases import Ended
from mlops.release.closing import Closed, Closing, World
from mlops.release.judge import Outcome
from mlops.release.looks import Look, Looks
from mlops.release.ports import Alarms, FunctionVersion, GateReport, Observations, Traffic
from mlops.release.records import Ending, Folder, Plan
from mlops.release.traffic import is_all, words

_BY = "the state machine"


class Action(StrEnum):
    CONTINUE = "CONTINUE"
    PROMOTE = "PROMOTE"
    ROLL_BACK = "ROLL_BACK"


@dataclass(frozen=True)
class Watched:
    """What is to be done with a canary. look: the last one there was."""

    action: Action
    reasons: tuple[str, ...] = ()
    look: int | None = None


class Rollout:
    """Every method raises any StoreError, RegistryBusy and CloudUnavailable."""

    def __init__(
        self,
        world: World,
        observations: Observations,
        alarms: Alarms,
        gate: Callable[[Plan], GateReport],
    ) -> None:
        self._world = world
        self._observations = observations
        self._alarms = alarms
        self._gate = gate
        self._closing = Closing(world)

    def gate(self, id: str) -> GateReport:
        """Whether the candidate may have traffic at all. Raises whatever the gate raises."""
        folder, plan = self._planned(id)
        kept = folder.read("gate")
        if kept is None:
            report = self._gate(plan)
            at = self._world.now().isoformat()
            kept = folder.keep("gate", {**vars(report), "at": at})
        if kept["passed"]:
            new = [pin for pin in plan.candidate.pins if pin not in plan.champion.pins]
            self._closing.stage(new, Stage.CANARY, datetime.fromisoformat(kept["at"]))
        return GateReport(kept["passed"], tuple(kept["reasons"]), kept["details"])

    def watch(self, id: str) -> Watched:
        """What to do with the canary now. Raises FunctionGone."""
        folder, plan = self._planned(id)
        why = folder.aborted()
        if why is not None:
            return Watched(Action.ROLL_BACK, (why,))
        traffic = self._world.api.traffic()
        if not _is_canary(traffic, plan):
            return Watched(Action.ROLL_BACK, (f"somebody else has moved {words(traffic)}",))
        red = [name for name in self._alarms.red() if name not in plan.despite]
        if red:
            return Watched(Action.ROLL_BACK, tuple(f"alarm {name}" for name in red))
        if not plan.champion.pins:
            # A reconciler, too, is to find it approved.
            folder.decide(_BY, self._world.now())
            return Watched(Action.PROMOTE, ("no model was live before, which nobody can miss",))
        decided_by = folder.decision()
        if decided_by is not None:
            return Watched(Action.PROMOTE, (f"promoted by {decided_by}",))
        look = Looks(folder, plan).take(self._observations, self._world.now())
        return Watched(Action.CONTINUE) if look is None else _after(look, plan)

    def record(self, id: str, outcome: Ended, reasons: tuple[str, ...]) -> Closed:
        """Note how a release ended, once its traffic is where it belongs.

        Raises TrafficChanged where it is not, or is about to be taken back: then the reconciler,
        or who takes it back, sees to it.
        """
        folder = Folder(self._world.objects, id)
        plan = folder.plan()
        if plan is not None and folder.ending() is None:
            self._require(plan, outcome)
            # What aborts from now on finds a promotion, and goes back from that.
            if outcome is Ended.PROMOTED and folder.refuse_aborts() is not None:
                raise TrafficChanged(f"of {id}")
        at = self._world.registry.ended_at(self._world.now())
        return self._closing.close(id, Ending(outcome, reasons, _BY, at))

    def _planned(self, id: str) -> tuple[Folder, Plan]:
        folder = Folder(self._world.objects, id)
        plan = folder.plan()
        if plan is None:
            raise ReleaseRefused(f"There is no plan of {id}")
        return folder, plan

    def _require(self, plan: Plan, outcome: Ended) -> None:
        """Raises TrafficChanged."""
        api, batch = self._world.api, self._world.batch
        with suppress(FunctionGone):  # then nothing has traffic
            if outcome is Ended.PROMOTED:
                kept = is_all(api.traffic(), plan.candidate.number)
                kept = kept and is_all(batch.traffic(), plan.batch_candidate.number)
            else:
                kept = not (_has(api.traffic(), plan.candidate, plan.champion))
                kept = kept and not _has(batch.traffic(), plan.batch_candidate, plan.batch_champion)
            if not kept:
                raise TrafficChanged(f"of {plan.id}")


def _after(look: Look, plan: Plan) -> Watched:
    if look.outcome is Outcome.FAIL:
        return Watched(Action.ROLL_BACK, look.reasons, look.number)
    if look.number < plan.settings.looks:
        return Watched(Action.CONTINUE, look.reasons, look.number)
    if look.outcome is Outcome.PASS:
        return Watched(Action.PROMOTE, look.reasons, look.number)
    least = plan.settings.min_requests
    few = (f"{look.answered} predictions, and {least} are needed",) if look.answered < least else ()
    return Watched(
        Action.ROLL_BACK, ("inconclusive at the last look", *few, *look.reasons), look.number
    )


def _has(traffic: Traffic, candidate: FunctionVersion, champion: FunctionVersion) -> bool:
    if candidate.number == champion.number:
        return False
    return candidate.number in (traffic.version, *traffic.weights)


def _is_canary(traffic: Traffic, plan: Plan) -> bool:
    return (
        traffic.version == plan.champion.number
        and traffic.weights.keys() == plan.weights.keys()
        and all(
            math.isclose(traffic.weights[number], weight) for number, weight in plan.weights.items()
        )
    )
