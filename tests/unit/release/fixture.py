"""Releases on a store in memory and on fake functions; the state machine is a fake, too."""

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from mlops.bootstrap.releases import read_state
from mlops.errors import ReleaseRefused
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.objects import ObjectStore
from mlops.registry.registry import Registry
from mlops.registry.releases import Ended, ReleaseRecord
from mlops.release.analysis import Observation, Requests, latency_bin
from mlops.release.canary_analysis import CanaryAnalyses, Schedule
from mlops.release.evidence import Evidence
from mlops.release.operations import Operations
from mlops.release.ports import Dependencies, ExecutionStatus, GateReport
from mlops.release.recorder import Recorder
from mlops.release.repair import Repair
from mlops.release.status import Releases
from mlops.release.steps import Done, Plan, Release, Settings, State, Undo, Watch
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
from tests.unit.release.machine import Machine

__all__ = ["ANN", "ID", "V2", "Fixture", "Killed", "failing_on", "observation", "refusal"]

ID, ANN = "release-1", "ann"
V2 = V1.next_minor()
INTERVAL, DELAY = timedelta(seconds=60), timedelta(seconds=5)
SETTINGS = Settings(
    poll_seconds=10,
    schedule=Schedule(analyses=3, analysis_seconds=60, min_requests=300, log_delay_seconds=5),
    code_sha="d00d",
)
TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
PASSED = GateReport(True, (), {"rows": 3})


@dataclass
class Fixture:
    """Version 1 is live with V1. before: see `WatchedObjects`; tests look past it."""

    settings: Settings = SETTINGS
    before: Callable[[str, str], None] = lambda operation, key: None
    gate: Callable[[Plan], GateReport] = lambda plan: PASSED
    refusals: tuple[str, ...] = ()
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    clock: Clock = field(default_factory=Clock)
    alarms: FakeAlarms = field(default_factory=FakeAlarms)
    deployments: FakeDeployments = field(default_factory=FakeDeployments)
    executions: FakeExecutions = field(default_factory=FakeExecutions)
    notices: FakeNotices = field(default_factory=FakeNotices)
    observations: FakeObservations = field(default_factory=FakeObservations)
    states: dict[str, State] = field(default_factory=dict)

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
    def deps(self) -> Dependencies:
        return Dependencies(
            api=self.api,
            batch=self.batch,
            registry=Registry(self.store, no_pause),
            executions=self.executions,
            notices=self.notices,
            now=self.clock,
            new_id=lambda: f"rollback-{uuid.uuid4().hex[:8]}",
            pause=no_pause,
        )

    @property
    def release(self) -> Release:
        evidence = Evidence(self.store)
        return Release(
            self.deps,
            self.settings,
            self.alarms,
            self.deployments,
            lambda id, plan: self.gate(plan),
            CanaryAnalyses(evidence, self.observations, lambda pin: TENTHS, self.clock),
            self.refusals,
        )

    @property
    def repair(self) -> Repair:
        return Repair(self.deps, Recorder(self.deps))

    @property
    def operations(self) -> Operations:
        return Operations(self.deps)

    @property
    def releases(self) -> Releases:
        return Releases(self.deps, read_state)

    @property
    def registry(self) -> Registry:
        return Registry(self.objects, no_pause)

    @property
    def machine(self) -> Machine:
        return Machine(lambda state: self.release.step(state), self.executions, self.api, self.wait)

    def record(self, id: str = ID) -> ReleaseRecord:
        """How a release ended, as the registry has it."""
        (found,) = [record for record in self.registry.releases() if record.id == id]
        return found

    def ended(self, id: str = ID) -> tuple[Ended, tuple[str, ...]]:
        return self.record(id).outcome, self.record(id).reasons

    def last(self) -> ReleaseRecord:
        return self.registry.releases()[-1]

    def live(self) -> tuple[str, dict[str, float], str]:
        """The API's version and weights, and the batch function's version."""
        api = self.api.current
        return api.version, dict(api.weights), self.batch.current.version

    def stages(self) -> dict[ModelVersion, str]:
        return {entry.version: str(entry.stage) for entry in self.registry.entries()}

    # --- what happens around releases -----------------------------------------------------------

    def deploy(self, pin: Pin | None = None, **changed: Any) -> None:
        """Deploy both functions with another model, the second one unless said."""
        self.deployed_at = self.clock()
        changed["pins"] = (pin or self.pins[V2],)
        self.api.deploy(**changed)
        self.batch.deploy(**changed)

    def serve(self, version: str, at: datetime, requests: int, **figures: float) -> None:
        self.observations.record(version, at, observation(requests, **figures))

    def serve_all(self, state: Watch, **canary: float) -> None:
        """Requests to both versions in each interval; figures of the canary's."""
        for number in range(self.settings.schedule.analyses):
            at = state.began + number * INTERVAL + INTERVAL / 2
            self.serve(state.plan.champion.number, at, 1_500)
            self.serve(state.plan.candidate.number, at, 200, **canary)

    def wait(self, time: timedelta) -> None:
        self.clock.time += time

    # --- the state machine ----------------------------------------------------------------------

    def start(self, id: str = ID, by: str = ANN, **said: bool) -> State:
        """Start an execution; its first state."""
        self.executions.start(id, by, **said)
        self.states[id] = self.machine.first(id)
        return self.states[id]

    def step(self, id: str = ID) -> State:
        """Make the next step, as the state machine does, errors included."""
        state = self.machine.attempt(self.states[id])
        assert state is not None, "nothing can be recorded any more"
        self.states[id] = state
        if isinstance(state, Done) and self.machine.is_running(id):
            self.executions.end(id, ExecutionStatus.SUCCEEDED)
        return state

    def until(self, step: str, id: str = ID, **said: bool) -> State:
        """Start a release, and make steps until that one is the next."""
        if id not in self.states:
            self.start(id, ANN, **said)
        for _ in range(100):
            if self.states[id].next == step:
                return self.states[id]
            self.wait(timedelta(seconds=self.states[id].wait))
            self.step(id)
        raise AssertionError(f"{id} never came to {step}: {self.states[id]}")

    def canary(self, id: str = ID, **said: bool) -> Watch:
        """Let a release come so far that its canary has traffic."""
        state = self.until("watch", id, **said)
        assert isinstance(state, Watch)
        return state

    def run(self, id: str = ID, **said: bool) -> Done:
        """All of a release, as it goes by itself."""
        state = self.until("", id, **said)
        assert isinstance(state, Done)
        return state

    def promoted(self, id: str = ID, **said: bool) -> Done:
        """All of a release that is promoted by hand, if it has a canary."""
        if id not in self.states or self.states[id].next == "begin":
            self.until("gate", id, **said)
        self.operations.promote(id, ANN)
        done = self.run(id)
        assert done.outcome is Ended.PROMOTED, done
        return done

    def ends_badly(
        self, id: str = ID, status: ExecutionStatus = ExecutionStatus.ABORTED
    ) -> tuple[str, ...]:
        """Let its execution end, and repair what it left, as the event of its end has it done."""
        self.executions.end(id, status)
        return self.repair(id)

    def next_analysis(self, id: str = ID) -> State:
        """Its lines are there: the wait for them is over since the canary began."""
        self.wait(INTERVAL + DELAY if not _analyses(self.states[id]) else INTERVAL)
        return self.step(id)

    def analyze_all(self, **canary: float) -> list[State]:
        """Every analysis's answer until the canary is not watched any more."""
        self.serve_all(self.canary(), **canary)
        answers = [self.next_analysis()]
        while answers[-1].next == "watch":
            answers.append(self.next_analysis())
        return answers


def _analyses(state: State) -> int:
    return len(state.analyses) if isinstance(state, Watch) else 0


def reasons(state: State) -> tuple[str, ...]:
    assert isinstance(state, Undo | Done), state
    return state.reasons


def observation(requests: int, **figures: float) -> Observation:
    return Observation({"churn": asked_for(requests, **figures)})


def asked_for(
    requests: int,
    *,
    errors: float = 0,
    slower: float = 1,
    shifted: float = 0,
    refused: float = 0,
) -> Requests:
    """Return requests for one model; its predictions lie in tenths.

    errors, refused: shares. slower: a factor. shifted: by how much the predictions are.
    """
    generator = np.random.default_rng(uuid.UUID(int=requests).int)
    latencies = generator.gamma(4, 2.5 * slower, requests)
    predictions = np.clip(generator.beta(2, 4, requests) + shifted, 0, 1)
    return Requests(
        requests=requests,
        errors=round(requests * errors),
        refusals=round(requests * refused),
        latencies=Counter(map(latency_bin, latencies.tolist())),
        predictions=Counter(np.searchsorted(TENTHS, predictions, side="right").tolist()),
    )


def refusal(fixture: Fixture, to: str | None = None) -> str:
    """The reason; and no traffic has moved."""
    before, moves = fixture.live(), len(fixture.api.moves)
    with pytest.raises(ReleaseRefused) as caught:
        fixture.operations.roll_back(to, ANN)
    assert (fixture.live(), len(fixture.api.moves)) == (before, moves)
    return str(caught.value)
