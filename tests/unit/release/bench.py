"""Releases on a store in memory and on played functions; the state machine is played, too."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from mlops.errors import ReleaseRefused
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.objects import ObjectStore
from mlops.registry.registry import Registry
from mlops.registry.releases import Ended
from mlops.release.beginning import Beginning, Begun
from mlops.release.closing import Closed, World
from mlops.release.desk import Desk
from mlops.release.judge import Observed
from mlops.release.lock import Lock
from mlops.release.ports import ExecutionStatus, GateReport
from mlops.release.reconcile import Reconciler
from mlops.release.records import Folder, Plan, Settings
from mlops.release.rollback import Rollback
from mlops.release.rollout import Action, Rollout, Watched
from tests.unit.batch.bench import Clock, Killed, failing_on
from tests.unit.fakes import MemoryObjects, WatchedObjects, no_pause
from tests.unit.inference.building import V1, candidate, provenance
from tests.unit.release.fakes import (
    FakeAlarms,
    FakeDeployments,
    FakeExecutions,
    FakeFunction,
    FakeNotices,
    FakeObservations,
)

__all__ = ["ANN", "Bench", "ID", "Killed", "V2", "failing_on", "refusal"]

ID, ANN = "release-1", "ann"
V2 = V1.next_minor()
LOOK, DELAY = timedelta(seconds=60), timedelta(seconds=6)
SETTINGS = Settings(
    looks=3,
    look_seconds=60,
    tick_seconds=10,
    min_requests=300,
    log_delay_seconds=5,
    code_sha="d00d",
)
PASSED = GateReport(True, (), {"rows": 3})


@dataclass
class Bench:
    """Version 1 is live with V1. before: see `WatchedObjects`; tests look past it."""

    settings: Settings = SETTINGS
    before: Callable[[str, str], None] = lambda operation, key: None
    gate: Callable[[Plan], GateReport] = lambda plan: PASSED
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    clock: Clock = field(default_factory=Clock)
    alarms: FakeAlarms = field(default_factory=FakeAlarms)
    deployments: FakeDeployments = field(default_factory=FakeDeployments)
    executions: FakeExecutions = field(default_factory=FakeExecutions)
    notices: FakeNotices = field(default_factory=FakeNotices)
    observations: FakeObservations = field(default_factory=FakeObservations)

    def __post_init__(self) -> None:
        self.pins = {version: self.register(version) for version in (V1, V2)}
        self.deployed_at = self.clock.time
        self.api = FakeFunction("api", pins=(self.pins[V1],))
        self.batch = FakeFunction("batch", pins=(self.pins[V1],))

    def register(self, version: ModelVersion) -> Pin:
        registry = Registry(self.objects, no_pause)
        return registry.register(version, candidate(str(version)), provenance())

    @property
    def store(self) -> ObjectStore:
        return WatchedObjects(self.objects, lambda operation, key: self.before(operation, key))

    @property
    def world(self) -> World:
        registry = Registry(self.store, no_pause)
        return World(self.api, self.batch, self.store, registry, self.executions, self.clock)

    @property
    def reconciler(self) -> Reconciler:
        dangling = timedelta(seconds=self.settings.dangling_seconds)
        return Reconciler(self.world, self.notices, dangling)

    @property
    def beginning(self) -> Beginning:
        return Beginning(self.world, self.reconciler, self.alarms, self.deployments, self.settings)

    @property
    def rollout(self) -> Rollout:
        return Rollout(self.world, self.observations, self.alarms, self.gate)

    @property
    def desk(self) -> Desk:
        return Desk(self.world, self.reconciler, self.notices)

    @property
    def rollback(self) -> Rollback:
        return Rollback(self.world, self.reconciler, self.notices)

    @property
    def registry(self) -> Registry:
        return Registry(self.objects, no_pause)

    @property
    def lock(self) -> Lock:
        return Lock(self.objects)

    def folder(self, id: str = ID) -> Folder:
        return Folder(self.objects, id)

    def outcome(self, id: str = ID) -> tuple[Ended, tuple[str, ...]] | None:
        ending = self.folder(id).ending()
        return None if ending is None else (ending.outcome, ending.reasons)

    def live(self) -> tuple[str, dict[str, float], str]:
        """The API's version and weights, and the batch function's version."""
        api = self.api.traffic()
        return api.version, dict(api.weights), self.batch.traffic().version

    def stages(self) -> dict[ModelVersion, str]:
        return {entry.version: str(entry.stage) for entry in self.registry.entries()}

    # --- the world ------------------------------------------------------------------------------

    def deploy(self, pin: Pin | None = None, **changed: Any) -> None:
        """Deploy both functions with another model, the second one unless said."""
        self.deployed_at = self.clock()
        changed["pins"] = (pin or self.pins[V2],)
        self.api.deploy(**changed)
        self.batch.deploy(**changed)

    def serve(self, version: str, at: datetime, requests: int, **figures: float) -> None:
        self.observations.record(version, at, observed(requests, **figures))

    def serve_all(self, began: datetime, **canary: float) -> None:
        """Requests to both versions in each look; figures of the canary's."""
        plan = self.plan()
        for look in range(self.settings.looks):
            at = began + look * LOOK + LOOK / 2
            self.serve(plan.champion.number, at, 1_500)
            self.serve(plan.candidate.number, at, 200, **canary)

    def wait(self, time: timedelta) -> None:
        self.clock.time += time

    # --- the state machine ----------------------------------------------------------------------

    def begin(
        self, id: str = ID, by: str = ANN, *, despite_alarms: bool = False, retry: bool = False
    ) -> Begun:
        if id not in self.executions.runs:
            self.executions.start(id, by, despite_alarms=despite_alarms, retry=retry)
        return self.beginning.begin(id, by, despite_alarms=despite_alarms, retry=retry)

    def plan(self, id: str = ID) -> Plan:
        plan = self.folder(id).plan()
        assert plan is not None
        return plan

    def canary(
        self, id: str = ID, by: str = ANN, *, despite_alarms: bool = False, retry: bool = False
    ) -> Plan:
        """Let a release come so far that its canary has traffic."""
        begun = self.begin(id, by, despite_alarms=despite_alarms, retry=retry)
        assert begun.plan is not None, begun.reasons
        assert self.rollout.gate(id).passed
        plan = self.plan(id)
        self.api.move(plan.champion.number, plan.weights, plan.revision)
        assert self.rollout.watch(id) == Watched(Action.CONTINUE)
        self.wait(DELAY)
        return plan

    def promote(self, id: str = ID) -> None:
        """Give the candidate all traffic, as the state machine does."""
        plan = self.plan(id)
        self.api.move(plan.candidate.number, {}, self.api.traffic().revision)
        self.batch.move(plan.batch_candidate.number, {}, self.batch.traffic().revision)

    def released(self, id: str = ID, *, retry: bool = False) -> Closed:
        """All of a release that is promoted by hand."""
        self.canary(id, retry=retry)
        self.desk.promote(id, ANN)
        assert self.rollout.watch(id).action is Action.PROMOTE
        self.promote(id)
        closed = self.rollout.record(id, Ended.PROMOTED, ("it was good",))
        self.executions.end(id, ExecutionStatus.SUCCEEDED)
        return closed

    def released_at_once(self, id: str) -> Closed:
        """All of a release without a canary."""
        plan = self.begin(id).plan
        assert plan is not None
        assert not plan.has_canary
        assert self.rollout.gate(id).passed
        self.batch.move(plan.batch_candidate.number, {}, plan.batch_revision)
        closed = self.rollout.record(id, Ended.PROMOTED, ("only batch has changed",))
        self.executions.end(id, ExecutionStatus.SUCCEEDED)
        return closed

    def refused(self, id: str = ID) -> None:
        """All of a release that does not begin, since alarms ring meanwhile."""
        self.alarms.ringing.add("stack-errors")
        assert self.begin(id).outcome is Ended.REFUSED
        self.rollout.record(id, Ended.REFUSED, ())
        self.executions.end(id, ExecutionStatus.FAILED)
        self.alarms.ringing.clear()

    def next_look(self) -> Watched:
        """Its lines are there: the wait for them is over since the canary began."""
        self.wait(LOOK)
        return self.rollout.watch(ID)


def observed(
    requests: int,
    *,
    errors: float = 0,
    slower: float = 1,
    shifted: float = 0,
    refused: float = 0,
) -> Observed:
    """errors, refused: shares. slower: a factor. shifted: by how much the predictions are."""
    generator = np.random.default_rng(uuid.UUID(int=requests).int)
    return Observed(
        requests=requests,
        errors=round(requests * errors),
        refusals=round(requests * refused),
        latencies=generator.gamma(4, 2.5 * slower, requests),
        predictions=np.clip(generator.beta(2, 4, requests) + shifted, 0, 1),
    )


def refusal(bench: Bench, to: str | None = None) -> str:
    """The reason; and no traffic has moved."""
    before, moves = bench.live(), len(bench.api.moves)
    with pytest.raises(ReleaseRefused) as caught:
        bench.rollback.roll_back(to, ANN)
    assert (bench.live(), len(bench.api.moves)) == (before, moves)
    return str(caught.value)
