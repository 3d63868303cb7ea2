"""How releases stand, and ending one by hand."""

from dataclasses import replace

import pytest

from mlops.errors import CloudUnavailable, ReleaseRefused
from mlops.registry.releases import Ended, Kind
from mlops.release.judge import Outcome
from mlops.release.lock import CURRENT, Holder
from mlops.release.ports import ExecutionStatus
from mlops.release.records import Ending
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, LOOK, V2, Bench
from tests.unit.release.fakes import unavailable


def test_a_stack_before_its_first_release() -> None:
    status = Bench().desk.status()
    assert status.api is not None
    assert (status.api.version, status.running, status.last) == ("1", None, None)


def test_a_release_at_its_gate() -> None:
    bench = Bench()
    bench.deploy()
    bench.begin()
    running = bench.desk.status().running
    assert running is not None
    assert running.plan == bench.plan()
    assert (running.gate, running.canary_since, running.next_look_at) == (None, None, None)


def test_a_canary_with_its_looks(canary: Bench) -> None:
    canary.serve_all(canary.clock.time)
    canary.next_look()
    running = canary.desk.status().running
    assert running is not None
    assert running.canary_since is not None
    assert running.execution is ExecutionStatus.RUNNING
    assert [(look.number, look.outcome) for look in running.looks] == [(1, Outcome.INCONCLUSIVE)]
    assert running.gate is not None
    assert running.next_look_at is not None
    assert running.ends_at == running.next_look_at + LOOK
    assert running.decision is None
    canary.desk.promote(ID, "ben")
    canary.next_look()
    running = canary.desk.status().running
    assert running is not None
    assert running.decision == "ben"


def test_after_the_last_look_there_is_no_next_one(canary: Bench) -> None:
    for _ in range(3):
        canary.next_look()
    running = canary.desk.status().running
    assert running is not None
    assert running.next_look_at is None


def test_what_there_was_the_newest_first(promoted: Bench) -> None:
    promoted.rollback.roll_back(None, ANN)
    history = promoted.desk.history()
    assert [record.kind for record in history] == ["rollback", "release", "first"]
    assert promoted.desk.status().last == history[0]


def test_an_abort_of_which_nobody_can_be_told_is_one_all_the_same(canary: Bench) -> None:
    canary.notices.before = unavailable
    closed = canary.desk.abort(ID, ANN)
    assert "Nobody was told" in closed.text
    assert canary.live() == ("1", {}, "1")


def test_functions_that_are_not_there(promoted: Bench) -> None:
    promoted.api.remove_function()
    promoted.batch.remove_alias()
    status = promoted.desk.status()
    assert (status.api, status.batch) == (None, None)


def test_an_abort_stops_the_release_and_gives_all_traffic_back(canary: Bench) -> None:
    closed = canary.desk.abort(ID, ANN)
    assert (closed.outcome, closed.reasons) == (Ended.ROLLED_BACK, ("aborted by ann",))
    assert canary.live() == ("1", {}, "1")
    assert canary.executions.runs[ID].status is ExecutionStatus.ABORTED
    assert canary.stages() == {V1: "champion", V2: "candidate"}
    assert canary.reconciler.reconcile().idle == "nothing to do"
    with pytest.raises(ReleaseRefused, match="no release release-1 is running"):
        canary.desk.abort(ID, ANN)


def test_an_abort_before_there_is_a_plan_starts_nothing_anew() -> None:
    bench = Bench()
    bench.deploy()
    bench.alarms.before = unavailable
    with pytest.raises(CloudUnavailable):
        bench.begin()
    closed = bench.desk.abort(ID, ANN)
    assert (closed.outcome, closed.again) == (Ended.REFUSED, False)
    assert bench.executions.running() == ()
    assert bench.lock.read().holder is None


def test_a_release_whose_lock_was_taken_away_is_seen_and_can_be_ended(canary: Bench) -> None:
    running = canary.desk.status().running
    assert running is not None
    assert running.locked
    canary.objects.remove(CURRENT)
    holder = replace(running.holder, at=canary.plan().started_at)
    assert canary.desk.status().running == replace(running, locked=False, holder=holder)
    with pytest.raises(ReleaseRefused, match="no release release-9 is running"):
        canary.desk.abort("release-9", ANN)
    canary.desk.abort(ID, ANN)
    assert canary.live() == ("1", {}, "1")
    assert canary.executions.runs[ID].status is ExecutionStatus.ABORTED
    assert canary.desk.status().running is None


def test_a_release_that_is_promoted_by_hand_has_its_lock_again(canary: Bench) -> None:
    canary.objects.remove(CURRENT)
    canary.desk.promote(ID, ANN)
    holder = canary.lock.read().holder
    assert holder is not None
    assert (holder.kind, holder.id) == (Kind.RELEASE, ID)


def test_a_lock_that_others_take_meanwhile_is_theirs(canary: Bench) -> None:
    canary.objects.remove(CURRENT)
    other = Holder(Kind.ROLLBACK, "rollback-1", canary.clock())

    def before(operation: str, key: str) -> None:
        if (operation, key) == ("replace", CURRENT) and canary.lock.read().holder is None:
            canary.lock.write(canary.lock.read(), other)

    canary.before = before
    with pytest.raises(ReleaseRefused, match="something else has just begun"):
        canary.desk.abort(ID, ANN)
    assert canary.lock.read().holder == other
    assert canary.executions.runs[ID].status is ExecutionStatus.RUNNING


def test_an_abort_that_a_promotion_was_ahead_of_says_so(canary: Bench) -> None:
    canary.promote()
    now = canary.clock()
    canary.folder().keep_ending(Ending(Ended.PROMOTED, ("all is well",), ANN, now))
    with pytest.raises(ReleaseRefused, match="was promoted at that very moment"):
        canary.desk.abort(ID, ANN)
    assert canary.live() == ("2", {}, "2")
    assert canary.lock.read().holder is None


def test_an_abort_goes_before_a_promotion(canary: Bench) -> None:
    canary.desk.promote(ID, "ben")
    canary.promote()
    canary.desk.abort(ID, ANN)
    assert canary.live() == ("1", {}, "1")


def test_an_abort_that_cannot_stop_the_execution_is_seen_at_the_next_tick(canary: Bench) -> None:
    canary.executions.before = unavailable
    with pytest.raises(CloudUnavailable):
        canary.desk.abort(ID, ANN)
    canary.executions.before = lambda operation: None
    assert canary.rollout.watch(ID).reasons == ("aborted by ann",)
