"""Releases, rollbacks, aborts, promotions and hand edits that race, as a seed decides."""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, cast

from mlops.errors import CloudUnavailable, ReleaseRefused
from mlops.inference.version import Pin
from mlops.registry.registry import Registry
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.analysis import Verdict
from mlops.release.canary_analysis import CanaryAnalyses, CanaryAnalysis, Schedule
from mlops.release.note import Note, Reached
from mlops.release.operations import Operations
from mlops.release.ports import Dependencies, ExecutionStatus, GateReport, Traffic
from mlops.release.recorder import Recorder
from mlops.release.repair import Repair
from mlops.release.steps import Release, Settings
from tests.unit.inference.building import V1
from tests.unit.release.fakes import (
    STARTED,
    FakeAlarms,
    FakeDeployments,
    FakeExecutions,
    FakeFunction,
    FakeNotices,
)
from tests.unit.release.interleaving import Interleaving
from tests.unit.release.machine import Crash, Machine

PIN = Pin(V1, f"sha256:{'0' * 64}")
SETTINGS = Settings(schedule=Schedule(analyses=1, analysis_seconds=60))
LATEST = 120
"""An actor begins after so many turns at most: a release makes about so many calls."""


class MemoryRegistry:
    """Implements `Registry` without stages: the records alone, in the order of their ends."""

    versions = cast(Any, None)

    def __init__(self, turn: Callable[[], None]) -> None:
        self._turn = turn
        self.kept: dict[str, ReleaseRecord] = {}

    def record(self, release: ReleaseRecord) -> ReleaseRecord:
        self._turn()
        kept = self.kept.setdefault(release.id, release)
        self._turn()
        return kept

    def has_release(self, id: str) -> bool:
        self._turn()
        return id in self.kept

    def releases(self) -> Sequence[ReleaseRecord]:
        self._turn()
        return sorted(self.kept.values(), key=lambda record: record.ended_at)

    def ended_at(self, now: datetime) -> datetime:
        last = max((it.ended_at for it in self.kept.values()), default=now)
        return max(now, last + timedelta(microseconds=1))

    def entries(self, model: str | None = None) -> Sequence[Any]:
        return ()

    def entry(self, version: object) -> Any:
        raise NotImplementedError

    def move(self, change: object) -> None:
        """Stages are settled after every race; the records are what counts."""


class RacingFunction(FakeFunction):
    """Its alias may be read as it was before the last move, as AWS allows."""

    def __init__(self, name: str, turns: Interleaving) -> None:
        super().__init__(name, pins=(PIN,))
        self._turns = turns
        self.stale = 0.0

    def traffic(self) -> Traffic:
        found = super().traffic()
        if self.stale and len(self.moves) > 1 and self._turns.random.random() < self.stale:
            return self.moves[-2]
        return found


class Race:
    """Two versions have been live, the second by a release; a third one is deployed."""

    def __init__(self, seed: int) -> None:
        self.turns = Interleaving(seed)
        self.random = self.turns.random
        self.now = STARTED
        self.crashes = self.losses = 0.0
        self.dies_at: int | None = None
        self.by_hand: set[str] = set()
        self.refused: list[str] = []
        self.rolled_back: list[str] = []
        self.canaries_rolled_back: set[str] = set()
        self.api = RacingFunction("api", self.turns)
        self.batch = RacingFunction("batch", self.turns)
        for function in (self.api, self.batch):
            function.before = lambda operation: self._call()
            function.after = lambda operation: self._answer()
        self.registry = MemoryRegistry(self._call)
        self.executions = FakeExecutions()
        self.executions.before = self._ask_step_functions
        self.notices = FakeNotices()
        self.alarms = FakeAlarms()
        self.gate_passes, self.verdict = True, Verdict.PASSED
        self.deps = Dependencies(
            api=self.api,
            batch=self.batch,
            registry=cast(Registry, self.registry),
            executions=self.executions,
            notices=self.notices,
            now=self._now,
            new_id=lambda: f"rollback-{self.random.getrandbits(48):x}",
            pause=lambda number: None,
        )
        self.release = Release(
            self.deps,
            SETTINGS,
            self.alarms,
            FakeDeployments(),
            lambda id, plan: GateReport(self.gate_passes, ("the gate",), {}),
            cast(CanaryAnalyses, self),
        )
        self.operations = Operations(self.deps)
        # Which models there are is nothing that races.
        self.operations._require_model = lambda pin: None  # type: ignore[method-assign]
        self.repair = Repair(self.deps, Recorder(self.deps))
        self._failing = False
        self.machine = Machine(
            self._step, self.executions, self.api, self._passed, through_json=False
        )
        self._release_second_version()
        self.now += timedelta(hours=1)
        self.deploy()

    def deploy(self) -> None:
        code = f"sha256:{self.random.getrandbits(48):x}"
        self.api.deploy(code=code)
        self.batch.deploy(code=code)

    def _release_second_version(self) -> None:
        self.deploy()
        for function in (self.api, self.batch):
            note = Note("release-0", Reached.PROMOTE, "1", "2", "1", "2")
            function.move(function.publish().number, {}, note, function.current.revision)
        for id, kind, champion, candidate in (
            ("first-1", Kind.FIRST, None, "1"),
            ("release-0", Kind.RELEASE, "1", "2"),
        ):
            self.registry.record(
                ReleaseRecord(
                    id=id,
                    kind=kind,
                    outcome=Ended.PROMOTED,
                    reasons=(),
                    by="ann",
                    started_at=self.now,
                    ended_at=self._now(),
                    champion=champion,
                    candidate=candidate,
                    batch_champion=champion,
                    batch_candidate=candidate,
                    pins=(PIN,),
                )
            )

    def analyze(
        self, id: str, schedule: Schedule, began: datetime, done: tuple[Any, ...], versions: object
    ) -> tuple[CanaryAnalysis, ...]:
        """As `CanaryAnalyses`: the only analysis comes at the third poll."""
        self._call()
        if self.now - began < timedelta(seconds=80):
            return ()
        zero = STARTED
        return (CanaryAnalysis(1, self.verdict, ("analyzed",), (), zero, zero, 300, 300),)

    # --- actors -----------------------------------------------------------------------------------

    def released(self, id: str) -> Callable[[], None]:
        def act() -> None:
            self.machine.run(id)

        return act

    def deployed_and_released(self, id: str) -> Callable[[], None]:
        def act() -> None:
            self.deploy()
            self.machine.run(id)

        return act

    def rolls_back(self) -> None:
        found = self.api.current
        for _ in range(20):  # after an outage, as an operator does
            with suppress_and_note(self.refused):
                try:
                    done = self.operations.roll_back(None, "ann")
                except CloudUnavailable:
                    continue
                except Crash:
                    return
                self.rolled_back.append(done.version)
                if found.weights and found.note and found.note.reached is Reached.CANARY:
                    self.canaries_rolled_back.add(found.note.by)
                return
            return

    def aborts(self) -> None:
        with suppress(ReleaseRefused, CloudUnavailable, Crash):
            self.operations.abort("release-1", "bob")

    def promotes(self) -> None:
        with suppress(ReleaseRefused, CloudUnavailable, Crash):
            self.operations.promote("release-1", "cid")

    def repairs(self) -> None:
        with suppress(CloudUnavailable, Crash):
            self.repair()

    def stops(self) -> None:
        with suppress(Crash):
            self.executions.stop("release-1", "in the console")

    def sets_weights(self) -> None:
        function = self.random.choice([self.api, self.batch])
        live = function.current.version
        function.move_by_hand(live, **{f"v{'1' if live != '1' else '2'}": 0.5})

    def sets_version(self) -> None:
        """In an emergency, past the releases; of both functions."""
        self.by_hand.add("1")
        for function in (self.api, self.batch):
            function.move_by_hand("1")

    def raises_alarm(self) -> None:
        self.alarms.in_alarm.add("errors")

    # --- what may go wrong ------------------------------------------------------------------------

    def _now(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def _passed(self, seconds: timedelta) -> None:
        self.now += seconds
        self.turns.turn()

    def _call(self) -> None:
        self.turns.turn()
        if self.crashes and self.random.random() < self.crashes:
            raise Crash

    def _ask_step_functions(self, operation: str) -> None:
        if operation != "start":
            self._call()

    def _answer(self) -> None:
        self._call()
        if self.losses and self.random.random() < self.losses:
            raise CloudUnavailable("an answer", "it got lost")

    def _step(self, state: Any) -> Any:
        if self.dies_at is not None and len(self.machine.steps) >= self.dies_at:
            raise Crash
        return self.release.step(state)


@contextmanager
def suppress_and_note(refused: list[str]) -> Iterator[None]:
    try:
        yield
    except ReleaseRefused as error:
        refused.append(str(error))


def play(seed: int) -> tuple[Race, Counter[str]]:
    """Play one race, and have repaired what it left. Return it, with what took part in it."""
    race = Race(seed)
    draw = race.random.random
    chances: dict[str, tuple[float, Callable[[], None]]] = {
        "release": (1, race.released("release-1")),
        "rollback": (0.6, race.rolls_back),
        "second rollback": (0.35, race.rolls_back),
        "abort": (0.15, race.aborts),
        "promotion by hand": (0.3, race.promotes),
        "deployment": (0.25, race.deployed_and_released("release-2")),
        "repair": (0.3, race.repairs),
        "stop": (0.1, race.stops),
        "weights by hand": (0.08, race.sets_weights),
        "version by hand": (0.04, race.sets_version),
        "alarm": (0.1, race.raises_alarm),
    }
    actors = {name: actor for name, (chance, actor) in chances.items() if draw() < chance}
    took_part = [*actors]
    if draw() < 0.25:
        race.crashes = 0.03
        took_part.append("crashes")
    if draw() < 0.2:
        race.losses = 0.1
        took_part.append("lost answers")
    if draw() < 0.2:
        race.api.stale = race.batch.stale = 0.1
        took_part.append("stale reads")
    if draw() < 0.08:
        race.dies_at = len(race.machine.steps) + race.random.randrange(10)
        took_part.append("dead function")
    if draw() < 0.1:
        race.gate_passes = False
        took_part.append("gate")
    if draw() < 0.2:
        race.verdict = race.random.choice([Verdict.FAILED, Verdict.INCONCLUSIVE])
        took_part.append("bad canary")
    begin = race.random.randrange
    race.turns.run([(begin(LATEST), actor) for actor in actors.values()])
    race.crashes = race.losses = race.api.stale = race.batch.stale = 0
    race.dies_at = None
    bad = (ExecutionStatus.FAILED, ExecutionStatus.ABORTED, ExecutionStatus.TIMED_OUT)
    for id in [id for id, run in race.executions.runs.items() if run.status in bad]:
        race.repair(id)
    race.repair()
    return race, Counter(took_part)


def check(race: Race, took_part: Container[str] = ()) -> None:
    """One version has all traffic, the registry says why, and who rolled back got it."""
    live = race.api.current.version, race.batch.current.version
    assert not race.api.current.weights, "one version has all traffic"
    assert not race.batch.current.weights, "one version of batch has all traffic"
    assert not race.executions.running(), "each release has come to its end"
    assert race.executions.runs.keys() <= race.registry.kept.keys(), "each end is recorded"
    assert race.repair() == (), "nothing is left to be repaired"
    records = race.registry.releases()
    moved = [record for record in records if record.moved]
    if not race.by_hand:
        said = moved[-1].candidate, moved[-1].batch_candidate
        assert live == said, f"the registry says {said}, live is {live}"
    if live[0] not in race.by_hand:
        assert race.api.code_of(live[0]) == race.batch.code_of(live[1]), "batch follows"
    for number, record in enumerate(records):
        left = {Kind.ROLLBACK: record.champion, Kind.STOPPED: record.candidate}.get(record.kind)
        if left == live[0] and record.champion != record.candidate and not race.by_hand:
            later = [it for it in records[number:] if it.moved and it.candidate == live[0]]
            assert later, f"{record.id} went back from version {live[0]}, which is live"
    for id in race.canaries_rolled_back:
        was_promoted = race.registry.kept[id].outcome is Ended.PROMOTED
        backs = [it for it in records if it.kind is Kind.ROLLBACK]
        went_back = any(it.champion == race.registry.kept[id].candidate for it in backs)
        assert went_back or not was_promoted, f"{id} was rolled back, and is promoted"
    if race.rolled_back and "weights by hand" not in took_part:
        went = [it for it in records if it.kind is Kind.ROLLBACK or it.outcome is Ended.ROLLED_BACK]
        assert went or race.by_hand, "a rollback that was asked for is recorded"
    if "crashes" not in took_part:
        assert race.notices.sent, "operators were told"
