"""What an ended execution left is mended; what runs is left alone."""

from datetime import timedelta

import pytest

from mlops.errors import CloudUnavailable, StoreUnavailable, TrafficChanged
from mlops.registry.releases import Ended, Kind
from mlops.release.lock import Holder
from mlops.release.ports import ExecutionStatus
from mlops.release.reconcile import Reconciled
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, V2, Bench, Killed
from tests.unit.release.fakes import unavailable

BAD = [ExecutionStatus.ABORTED, ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT]


def end(bench: Bench, status: ExecutionStatus = ExecutionStatus.ABORTED) -> None:
    bench.executions.end(ID, status)


def test_nothing_to_do(bench: Bench) -> None:
    assert bench.reconciler.reconcile() == Reconciled(idle="nothing to do")
    bench.released()
    assert bench.reconciler.reconcile() == Reconciled(idle="nothing to do")
    assert not bench.notices.sent


def test_a_release_that_runs_is_left_alone(bench: Bench) -> None:
    bench.canary()
    bench.wait(timedelta(days=1))
    assert bench.reconciler.reconcile().idle == f"a release is running ({ID})"
    assert bench.live() == ("1", {"2": 0.1}, "1")


@pytest.mark.fault
def test_an_abort_that_has_come_no_further_is_ended_in_its_name(canary: Bench) -> None:
    """Its command was killed, or the end of the execution was heard of first."""
    canary.folder().abort(f"aborted by {ANN}")
    end(canary)
    canary.reconciler.reconcile()
    assert canary.outcome() == (Ended.ROLLED_BACK, (f"aborted by {ANN}",))
    assert canary.live() == ("1", {}, "1")


@pytest.mark.fault
@pytest.mark.parametrize("status", BAD)
def test_the_canary_of_an_ended_execution_is_taken_back(
    bench: Bench, status: ExecutionStatus
) -> None:
    bench.canary()
    end(bench, status)
    done = bench.reconciler.reconcile()
    assert done.done == (f"ROLLED_BACK: version 2 ({V2})", f"its execution has ended: {status}")
    assert bench.live() == ("1", {}, "1")
    assert bench.outcome() == (Ended.ROLLED_BACK, (f"its execution has ended: {status}",))
    assert bench.stages() == {V1: "champion", V2: "candidate"}
    assert [subject for subject, _ in bench.notices.sent] == [done.done[0]]
    assert bench.reconciler.reconcile().idle == "nothing to do"


@pytest.mark.fault
def test_an_execution_that_nobody_knows_any_more(bench: Bench) -> None:
    bench.canary()
    del bench.executions.runs[ID]
    bench.wait(timedelta(minutes=2))
    bench.reconciler.reconcile()
    assert bench.live() == ("1", {}, "1")


@pytest.mark.fault
def test_an_update_that_was_on_its_way_comes_to_nothing(bench: Bench) -> None:
    plan = bench.begin().plan
    assert plan is not None
    end(bench)
    bench.reconciler.reconcile()
    with pytest.raises(TrafficChanged):
        bench.api.move("1", plan.weights, plan.revision)


@pytest.mark.fault
def test_one_that_died_before_its_plan_or_its_gate_was_never_on(bench: Bench) -> None:
    bench.executions.start(ID, ANN)
    bench.lock.write(bench.lock.read(), Holder(Kind.RELEASE, ID, bench.clock.time))
    end(bench)
    bench.reconciler.reconcile()
    assert bench.outcome() == (
        Ended.REFUSED,
        ("its execution has ended: ABORTED", "it had not begun"),
    )
    bench.begin("release-2")
    bench.executions.end("release-2", ExecutionStatus.FAILED)
    bench.reconciler.reconcile()
    ended = bench.outcome("release-2")
    assert ended is not None
    assert ended[0] is Ended.REFUSED


@pytest.mark.fault
def test_a_promotion_that_nobody_recorded_stays_and_batch_follows(bench: Bench) -> None:
    bench.canary()
    bench.desk.promote(ID, ANN)
    bench.api.move("2", {}, bench.api.traffic().revision)
    end(bench)
    bench.reconciler.reconcile()
    assert bench.live() == ("2", {}, "2")
    assert bench.stages() == {V1: "retired", V2: "champion"}


@pytest.mark.fault
def test_so_does_one_that_the_last_look_let_pass(bench: Bench) -> None:
    bench.canary()
    bench.serve_all(bench.clock.time)
    for _ in range(3):
        bench.next_look()
    bench.api.move("2", {}, bench.api.traffic().revision)
    end(bench)
    bench.reconciler.reconcile()
    assert bench.live() == ("2", {}, "2")


@pytest.mark.fault
def test_so_does_a_change_of_batch_alone_that_passed_the_gate() -> None:
    bench = Bench()
    bench.batch.deploy(settings="more memory")
    bench.begin()
    bench.rollout.gate(ID)
    end(bench)
    bench.reconciler.reconcile()
    assert bench.live() == ("1", {}, "2")


@pytest.mark.fault
def test_all_traffic_without_approval_is_taken_back(bench: Bench) -> None:
    bench.canary()
    bench.promote()
    end(bench)
    bench.reconciler.reconcile()
    assert bench.live() == ("1", {}, "1")


@pytest.mark.fault
def test_what_somebody_else_has_moved_is_left_to_them(bench: Bench) -> None:
    bench.canary()
    bench.api.deploy(code="sha256:third")
    bench.api.publish()
    bench.api.move("3", {}, bench.api.traffic().revision)
    end(bench)
    bench.reconciler.reconcile()
    assert bench.live() == ("3", {}, "1")
    outcome = bench.outcome()
    assert outcome is not None
    assert "the API was moved by somebody else, and left as it is" in outcome[1]


@pytest.mark.fault
@pytest.mark.parametrize("gone", ["api", "batch"])
def test_a_function_that_was_deleted(bench: Bench, gone: str) -> None:
    bench.canary()
    getattr(bench, gone).remove_function()
    end(bench)
    bench.reconciler.reconcile()
    outcome = bench.outcome()
    assert outcome is not None
    assert outcome[0] is Ended.ROLLED_BACK
    assert f"There is no function {gone}" in outcome[1]
    assert bench.reconciler.reconcile().idle == "nothing to do"


@pytest.mark.fault
def test_a_promotion_whose_function_was_deleted(bench: Bench) -> None:
    bench.canary()
    bench.desk.promote(ID, ANN)
    bench.promote()
    bench.api.remove_alias()
    end(bench)
    bench.reconciler.reconcile()
    outcome = bench.outcome()
    assert outcome is not None
    assert (outcome[0], outcome[1][-1]) == (Ended.ROLLED_BACK, "There is no alias api:live")
    assert bench.batch.traffic().version == "1"


@pytest.mark.fault
def test_a_promotion_whose_batch_function_was_deleted(bench: Bench) -> None:
    bench.canary()
    bench.desk.promote(ID, ANN)
    bench.api.move("2", {}, bench.api.traffic().revision)
    bench.batch.remove_alias()
    end(bench)
    bench.reconciler.reconcile()
    outcome = bench.outcome()
    assert outcome is not None
    assert (outcome[0], outcome[1][-1]) == (Ended.PROMOTED, "There is no alias batch:live")


@pytest.mark.fault
def test_who_is_faster_is_tried_again_but_not_for_ever(bench: Bench) -> None:
    bench.canary()
    end(bench)

    def always(operation: str) -> None:
        if operation == "move":
            bench.api.before = lambda operation: None
            bench.api.move("1", {"2": 0.1}, bench.api.traffic().revision)
            bench.api.before = always

    bench.api.before = always
    with pytest.raises(TrafficChanged):
        bench.reconciler.reconcile()
    bench.api.before = lambda operation: None
    bench.reconciler.reconcile()
    assert bench.live() == ("1", {}, "1")


def test_a_deploy_in_the_middle_of_what_ended_badly_is_released_next(bench: Bench) -> None:
    bench.canary()
    bench.deploy(code="sha256:newer")
    end(bench)
    bench.reconciler.reconcile()
    assert len(bench.executions.runs) == 2


def aborted() -> Bench:
    bench = Bench()
    bench.deploy()
    bench.canary()
    end(bench)
    return bench


def writes() -> int:
    bench, found = aborted(), list[str]()
    bench.before = lambda operation, key: (
        found.append(key) if operation in ("create", "replace") else None
    )
    bench.reconciler.reconcile()
    return len(found)


@pytest.mark.fault
@pytest.mark.parametrize("fault", [Killed(), StoreUnavailable("store", "down")])
@pytest.mark.parametrize("number", range(writes()))
def test_one_that_fails_at_any_write_is_completed_by_the_next(
    number: int, fault: BaseException
) -> None:
    bench, left = aborted(), [number]

    def before(operation: str, key: str) -> None:
        if operation in ("create", "replace"):
            left[0] -= 1
            if left[0] == -1:
                raise fault

    bench.before = before
    with pytest.raises(type(fault)):
        bench.reconciler.reconcile()
    bench.before = lambda operation, key: None
    bench.reconciler.reconcile()
    assert bench.live() == ("1", {}, "1")
    assert bench.lock.read().holder is None
    assert bench.stages() == {V1: "champion", V2: "candidate"}
    assert bench.registry.releases()[-1].outcome is Ended.ROLLED_BACK


@pytest.mark.fault
@pytest.mark.parametrize("operation", ["traffic", "move"])
def test_an_outage_of_lambda_is_over_one_day(operation: str) -> None:
    bench = aborted()
    bench.api.before = lambda found: unavailable(found) if found == operation else None
    with pytest.raises(CloudUnavailable):
        bench.reconciler.reconcile()
    bench.api.before = lambda found: None
    bench.reconciler.reconcile()
    assert bench.live() == ("1", {}, "1")
