"""A canary is taken back at once, whatever else is not there."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from mlops.errors import (
    RecordDamaged,
    ReleaseRefused,
    StoreUnavailable,
    TrafficChanged,
)
from mlops.registry.releases import Ended
from mlops.release.lock import CURRENT
from mlops.release.ports import ExecutionStatus
from mlops.release.records import Ending
from mlops.release.rollout import Action
from tests.unit.fakes import overwrite
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, V2, Bench, refusal
from tests.unit.release.fakes import unavailable


def test_a_canary_is_taken_back_and_its_release_stopped(canary: Bench) -> None:
    done = canary.rollback.roll_back(None, ANN)
    assert done.version == "1"
    assert canary.live() == ("1", {}, "1")
    assert canary.executions.runs[ID].status is ExecutionStatus.ABORTED
    assert canary.outcome() == (Ended.ROLLED_BACK, ("rolled back by ann",))
    assert canary.stages() == {V1: "champion", V2: "candidate"}
    assert canary.lock.read().holder is None
    assert len(canary.notices.sent) == 1
    assert canary.reconciler.reconcile().idle == "nothing to do"


@pytest.mark.fault
def test_the_update_comes_before_all_else_and_needs_no_store(canary: Bench) -> None:
    def before(operation: str, key: str) -> None:
        raise StoreUnavailable(key, "down")

    canary.before = before
    canary.executions.before = unavailable
    with pytest.raises(StoreUnavailable):
        canary.rollback.roll_back(None, ANN)
    assert canary.live() == ("1", {}, "1")
    canary.before = lambda operation, key: None
    canary.executions.before = lambda operation: None
    # The release sees what happened, or somebody asks again.
    assert canary.rollout.watch(ID).action is Action.ROLL_BACK
    canary.rollback.roll_back(None, ANN)
    assert canary.outcome() == (Ended.ROLLED_BACK, ("rolled back by ann",))


def test_no_other_target_during_a_release(canary: Bench) -> None:
    assert "roll it back first, without a target" in refusal(canary, "1")


def test_a_release_without_traffic_yet_is_stopped() -> None:
    bench = Bench()
    bench.deploy()
    bench.begin()
    assert "without a target" in refusal(bench, "1")
    with pytest.raises(ReleaseRefused, match="^version 1 is still live"):
        bench.rollback.roll_back(None, ANN)
    assert bench.live() == ("1", {}, "1")
    assert bench.outcome() == (Ended.REFUSED, ("rolled back by ann",))
    assert bench.executions.runs[ID].status is ExecutionStatus.ABORTED


@pytest.mark.fault
def test_what_is_live_goes_back_though_a_release_had_died_in_its_gate(promoted: Bench) -> None:
    promoted.deploy(settings="more memory")
    promoted.begin("release-2")
    promoted.executions.end("release-2", ExecutionStatus.FAILED)
    assert promoted.rollback.roll_back(None, ANN).version == "1"
    assert promoted.outcome("release-2") is not None
    assert promoted.live() == ("1", {}, "1")


@pytest.mark.fault
def test_nobody_is_kept_from_it_by_what_was_stopped(promoted: Bench) -> None:
    """The second time goes back, though the gate had let the first one's release pass."""
    promoted.deploy(settings="more memory")
    promoted.begin("release-2")
    promoted.rollout.gate("release-2")
    with pytest.raises(ReleaseRefused, match="roll back again"):
        promoted.rollback.roll_back(None, ANN)
    assert promoted.outcome("release-2") == (Ended.REFUSED, ("rolled back by ann",))
    assert promoted.rollback.roll_back(None, ANN).version == "1"


def test_amid_a_release_of_batch_alone(promoted: Bench) -> None:
    promoted.batch.deploy(settings="more memory")
    plan = promoted.begin("release-2").plan
    assert plan is not None
    promoted.rollout.gate("release-2")
    promoted.batch.move(plan.batch_candidate.number, {}, plan.batch_revision)
    assert promoted.rollback.roll_back(None, ANN).version == "2"
    assert promoted.live() == ("2", {}, "2")
    assert promoted.outcome("release-2") == (Ended.ROLLED_BACK, ("rolled back by ann",))


def test_a_release_of_batch_alone_whose_end_is_just_being_recorded(promoted: Bench) -> None:
    promoted.batch.deploy(settings="more memory")
    plan = promoted.begin("release-2").plan
    assert plan is not None
    promoted.batch.move(plan.batch_candidate.number, {}, plan.batch_revision)
    ending = Ending(Ended.PROMOTED, ("only batch has changed",), ANN, promoted.clock())
    promoted.folder("release-2").keep_ending(ending)
    assert promoted.rollback.roll_back(None, ANN).version == "2"
    assert promoted.live() == ("2", {}, "2")
    assert promoted.outcome("release-2") == (Ended.PROMOTED, ("only batch has changed",))


@pytest.mark.fault
def test_a_target_is_gone_to_though_something_had_died(promoted: Bench) -> None:
    promoted.deploy(settings="more memory")
    promoted.canary("release-2")
    promoted.promote("release-2")
    promoted.executions.end("release-2", ExecutionStatus.FAILED)
    assert promoted.rollback.roll_back("1", ANN).version == "1"
    assert promoted.live() == ("1", {}, "1")


@pytest.mark.fault
def test_people_are_told_of_a_dead_release_that_it_ends(canary: Bench) -> None:
    canary.executions.end(ID, ExecutionStatus.FAILED)
    canary.rollback.roll_back(None, ANN)
    assert canary.outcome() == (Ended.ROLLED_BACK, ("rolled back by ann",))
    assert len(canary.notices.sent) == 1


def test_a_follower_that_ends_at_once_lets_nobody_go_back_too_far(promoted: Bench) -> None:
    promoted.deploy(settings="more memory")
    promoted.canary("release-2")
    promoted.rollback.roll_back(None, ANN)
    promoted.deploy()
    begun = promoted.begin("release-3")
    assert begun.outcome is not None
    promoted.rollout.record("release-3", begun.outcome, begun.reasons)
    assert "was taken back" in refusal(promoted)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("abort", b"{}"),
        ("abort", b'{"reason": 7}'),
        ("decision", b"{}"),
        ("canary", b"{}"),
        ("canary", b'{"at": "2026-01-01T00:00:00"}'),
        ("plan", b"{}"),
    ],
)
def test_a_record_that_says_nothing_is_damaged(canary: Bench, name: str, damage: bytes) -> None:
    key = f"releases/{ID}/{name}.json"
    if name in canary.folder().names():
        overwrite(canary.objects, key, damage)
    else:
        canary.objects.create(key, damage)
    with pytest.raises(RecordDamaged, match=f"^{key} cannot be read"):
        canary.folder().check()
    with pytest.raises(RecordDamaged):
        canary.rollout.watch(ID)
    with suppress(RecordDamaged):
        canary.rollback.roll_back(None, ANN)
    assert canary.live() == ("1", {}, "1")


def test_an_ended_release_that_nobody_approved_goes_back_one_step_only(promoted: Bench) -> None:
    promoted.deploy(settings="more memory")
    promoted.canary("release-2")
    promoted.promote("release-2")
    promoted.executions.end("release-2", ExecutionStatus.TIMED_OUT)
    assert promoted.rollback.roll_back(None, ANN).version == "2"
    assert promoted.live() == ("2", {}, "2")


@pytest.mark.fault
def test_a_lock_that_nobody_can_read(canary: Bench) -> None:
    overwrite(canary.objects, CURRENT, b"oops")
    assert canary.rollback.roll_back(None, ANN).version == "1"
    assert canary.live() == ("1", {}, "1")
    assert canary.rollout.watch(ID).action is Action.ROLL_BACK
    assert canary.rollout.record(ID, Ended.ROLLED_BACK, ()).outcome is Ended.ROLLED_BACK


@pytest.mark.parametrize("name", ["plan", "canary"])
def test_a_record_that_nobody_can_read_is_named_when_traffic_is_back(
    canary: Bench, name: str
) -> None:
    overwrite(canary.objects, f"releases/{ID}/{name}.json", b"[")
    with pytest.raises(RecordDamaged, match=f"^releases/{ID}/{name}.json cannot be read"):
        canary.rollback.roll_back(None, ANN)
    assert canary.live() == ("1", {}, "1")


def test_a_release_that_has_promoted_and_not_recorded_goes_back(canary: Bench) -> None:
    canary.desk.promote(ID, ANN)
    canary.promote()
    assert canary.rollback.roll_back(None, ANN).version == "1"
    assert canary.live() == ("1", {}, "1")
    assert canary.outcome() == (Ended.ROLLED_BACK, ("rolled back by ann",))


def test_a_promotion_that_is_just_being_recorded_goes_back(canary: Bench) -> None:
    canary.promote()
    now = canary.clock()
    canary.folder().keep_ending(Ending(Ended.PROMOTED, ("all is well",), ANN, now))
    assert canary.rollback.roll_back(None, ANN).version == "1"
    assert canary.live() == ("1", {}, "1")
    assert canary.outcome() == (Ended.PROMOTED, ("all is well",))
    assert canary.registry.releases()[-1].outcome is Ended.ROLLED_BACK
    assert canary.stages() == {V1: "champion", V2: "retired"}
    assert canary.lock.read().holder is None


def test_traffic_that_is_back_already_goes_back_no_further(canary: Bench) -> None:
    """Though a promotion was being recorded when the canary's weights were taken."""
    now = canary.clock()
    canary.folder().keep_ending(Ending(Ended.PROMOTED, ("all is well",), ANN, now))
    assert canary.rollback.roll_back(None, ANN).version == "1"
    assert canary.live()[:2] == ("1", {})
    assert canary.lock.read().holder is None


def promotes(bench: Bench) -> None:
    bench.promote()


def promotes_and_records(bench: Bench) -> None:
    bench.promote()
    bench.rollout.record(ID, Ended.PROMOTED, ())


def takes_back_and_records(bench: Bench) -> None:
    bench.api.move("1", {}, bench.api.traffic().revision)
    bench.rollout.record(ID, Ended.ROLLED_BACK, ())


@pytest.mark.parametrize("meanwhile", [promotes, promotes_and_records, takes_back_and_records])
def test_a_release_that_moves_at_the_same_time(
    canary: Bench, meanwhile: Callable[[Bench], None]
) -> None:
    def before(operation: str) -> None:
        if operation == "move":
            canary.api.before = lambda operation: None
            meanwhile(canary)

    canary.api.before = before
    assert canary.rollback.roll_back(None, ANN).version == "1"
    assert canary.live() == ("1", {}, "1")
    assert canary.lock.read().holder is None


def test_who_is_faster_each_time(canary: Bench) -> None:
    def always(operation: str) -> None:
        if operation == "move":
            canary.api.before = lambda operation: None
            canary.api.move("1", {"2": 0.1}, canary.api.traffic().revision)
            canary.api.before = always

    canary.api.before = always
    with pytest.raises(TrafficChanged):
        canary.rollback.roll_back(None, ANN)


def test_a_release_that_ends_itself_meanwhile(canary: Bench) -> None:
    def before(operation: str, key: str) -> None:
        if (operation, key) == ("replace", CURRENT):
            canary.before = lambda operation, key: None
            canary.rollout.record(ID, Ended.ROLLED_BACK, ("slow",))

    canary.before = before
    assert canary.rollback.roll_back(None, ANN).version == "1"
    assert canary.outcome() == (Ended.ROLLED_BACK, ("slow",))


def test_a_release_without_traffic_that_ends_itself_meanwhile() -> None:
    bench = Bench()
    bench.deploy()
    bench.begin()

    def before(operation: str, key: str) -> None:
        if (operation, key) == ("replace", CURRENT):
            bench.before = lambda operation, key: None
            bench.rollout.record(ID, Ended.REFUSED, ("accuracy",))

    bench.before = before
    assert refusal(bench) == "somebody else has just ended the release"


def test_weights_that_belong_to_no_release(promoted: Bench) -> None:
    promoted.api.move("2", {"1": 0.5}, promoted.api.traffic().revision)
    done = promoted.rollback.roll_back(None, ANN)
    assert (done.version, done.text) == ("2", "version 2 has all traffic again")
    assert promoted.live() == ("2", {}, "2")
