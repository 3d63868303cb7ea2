"""How a release ended is written down once, and completely."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mlops.errors import CloudUnavailable, StoreError, TrafficChanged
from mlops.registry.releases import Ended
from mlops.release.closing import DEPLOY
from mlops.release.ports import ExecutionStatus
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, V2, Bench, Killed
from tests.unit.release.fakes import unavailable


def test_a_promotion_is_recorded(bench: Bench) -> None:
    closed = bench.released()
    assert (closed.outcome, closed.again) == (Ended.PROMOTED, False)
    assert closed.subject == f"PROMOTED: version 2 ({V2})"
    assert bench.stages() == {V1: "retired", V2: "champion"}
    assert bench.registry.entry(V2).deployed_sha == "d00d"
    assert bench.lock.read().holder is None
    first, release = bench.registry.releases()
    assert (first.candidate, first.champion, first.moved) == ("1", None, True)
    assert (release.champion, release.candidate, release.pins) == ("1", "2", (bench.pins[V2],))


def test_a_canary_taken_back_is_a_candidate_again(bench: Bench) -> None:
    bench.canary()
    bench.api.move("1", {}, bench.api.traffic().revision)
    closed = bench.rollout.record(ID, Ended.ROLLED_BACK, ("slow",))
    assert closed.text.splitlines()[1] == "- slow"
    assert bench.stages() == {V1: "champion", V2: "candidate"}
    assert bench.registry.releases()[-1].outcome is Ended.ROLLED_BACK


def test_a_change_of_batch_alone_that_was_taken_back() -> None:
    bench = Bench()
    bench.batch.deploy(settings="more memory")
    bench.begin()
    assert bench.rollout.record(ID, Ended.ROLLED_BACK, ()).outcome is Ended.ROLLED_BACK


@pytest.mark.parametrize("outcome", [Ended.REFUSED, Ended.UNCHANGED])
def test_what_was_deployed_before_an_end_without_a_plan_follows(
    bench: Bench, outcome: Ended
) -> None:
    if outcome is Ended.UNCHANGED:
        bench.released("release-0")
    bench.alarms.ringing = {"errors"}
    begun = bench.begin()
    assert begun.outcome is outcome
    bench.deploy(code="sha256:meanwhile")
    closed = bench.rollout.record(ID, outcome, begun.reasons)
    assert closed.again
    # And no more than once: what follows is about the latest there is.
    (follows,) = bench.executions.running()[-1:]
    bench.beginning.begin(follows, DEPLOY)
    bench.wait(timedelta(minutes=12))
    begun = bench.beginning.begin(follows, DEPLOY)
    assert begun.outcome is Ended.REFUSED
    assert not bench.rollout.record(follows, Ended.REFUSED, begun.reasons).again


def test_what_was_refused_for_one_that_died_early_follows(bench: Bench) -> None:
    bench.alarms.before = unavailable
    with pytest.raises(CloudUnavailable):
        bench.begin()
    bench.alarms.before = lambda operation: None
    bench.deploy(code="sha256:meanwhile")
    begun = bench.begin("release-2")
    assert "follows when it has ended" in begun.reasons[0]
    bench.rollout.record("release-2", Ended.REFUSED, begun.reasons)
    assert bench.rollout.record(ID, Ended.REFUSED, ("no answer",)).again
    # And if that dies early, too, it is left at that.
    (follows,) = bench.executions.running()[-1:]
    bench.alarms.before = unavailable
    with pytest.raises(CloudUnavailable):
        bench.beginning.begin(follows, DEPLOY)
    assert not bench.rollout.record(follows, Ended.REFUSED, ("no answer",)).again


def test_who_was_refused_the_lock_is_followed_by_nobody(bench: Bench) -> None:
    bench.begin()
    begun = bench.begin("release-2")
    assert begun.outcome is Ended.REFUSED
    bench.deploy(code="sha256:meanwhile")
    assert not bench.rollout.record("release-2", Ended.REFUSED, begun.reasons).again


def test_what_is_not_so_is_not_recorded(bench: Bench) -> None:
    bench.canary()
    for outcome in (Ended.ROLLED_BACK, Ended.PROMOTED):
        with pytest.raises(TrafficChanged):
            bench.rollout.record(ID, outcome, ())
    assert bench.outcome() is None


@pytest.mark.fault
def test_a_promotion_that_is_taken_back_while_it_is_recorded(bench: Bench) -> None:
    """Somebody aborts it after its traffic was looked at: it does not end as promoted."""
    bench.canary()
    bench.promote()

    def aborted(operation: str, key: str) -> None:
        if (operation, key) == ("create", f"releases/{ID}/abort.json"):
            bench.before = lambda operation, key: None
            assert bench.rollback.roll_back(None, ANN).version == "1"

    bench.before = aborted
    with pytest.raises(TrafficChanged):
        bench.rollout.record(ID, Ended.PROMOTED, ())
    assert bench.live() == ("1", {}, "1")
    assert bench.outcome() == (Ended.ROLLED_BACK, ("rolled back by ann",))
    assert bench.stages() == {V1: "champion", V2: "candidate"}


def test_an_abort_while_a_promotion_is_written_down_goes_back_from_it(bench: Bench) -> None:
    bench.canary()
    bench.desk.promote(ID, ANN)
    bench.promote()

    def rolled_back(operation: str, key: str) -> None:
        if (operation, key) == ("create", f"releases/{ID}/outcome.json"):
            bench.before = lambda operation, key: None
            assert bench.rollback.roll_back(None, ANN).version == "1"

    bench.before = rolled_back
    assert bench.rollout.record(ID, Ended.PROMOTED, ()).outcome is Ended.PROMOTED
    assert bench.live() == ("1", {}, "1")
    assert [record.outcome for record in bench.registry.releases()[-2:]] == [
        Ended.PROMOTED,
        Ended.ROLLED_BACK,
    ]
    assert bench.lock.read().holder is None


def test_what_was_recorded_stays(bench: Bench) -> None:
    bench.released()
    before = bench.registry.releases(), bench.registry.entries()
    again = bench.rollout.record(ID, Ended.ROLLED_BACK, ("too late",))
    assert again.outcome is Ended.PROMOTED
    assert (bench.registry.releases(), bench.registry.entries()) == before


def test_a_deploy_in_the_middle_is_released_next(bench: Bench) -> None:
    bench.canary()
    bench.deploy(code="sha256:newer")
    bench.promote()
    closed = bench.rollout.record(ID, Ended.PROMOTED, ())
    assert closed.again
    assert bench.rollout.record(ID, Ended.PROMOTED, ()).again
    following = [name for name in bench.executions.runs if name != ID]
    assert len(following) == 1
    bench.executions.end(ID, ExecutionStatus.SUCCEEDED)
    begun = bench.beginning.begin(following[0], "deploy")
    assert begun.plan is not None
    assert (begun.plan.champion.number, begun.plan.candidate.number) == ("2", "3")


def writes_of(run: Callable[[Bench], object]) -> list[tuple[str, str]]:
    """Each write that `run` does on a canary that has been promoted."""
    bench, found = promoted(), list[tuple[str, str]]()

    def before(operation: str, key: str) -> None:
        if operation in ("create", "replace"):
            found.append((operation, key))

    bench.before = before
    run(bench)
    return found


def promoted() -> Bench:
    bench = Bench()
    bench.deploy()
    bench.canary()
    bench.promote()
    return bench


def record(bench: Bench) -> object:
    return bench.rollout.record(ID, Ended.PROMOTED, ("good",))


@pytest.mark.parametrize(
    "fault", [Killed(), StoreError("store", "throttled")], ids=["killed", "throttled"]
)
@pytest.mark.parametrize("number", range(len(writes_of(record))))
def test_a_record_that_fails_at_any_write_is_completed_by_the_next(
    number: int, fault: BaseException
) -> None:
    bench = promoted()
    left = [number]

    def before(operation: str, key: str) -> None:
        if operation in ("create", "replace"):
            left[0] -= 1
            if left[0] == -1:
                raise fault

    bench.before = before
    with pytest.raises(type(fault)):
        record(bench)
    bench.before = lambda operation, key: None
    bench.wait(timedelta(seconds=5))
    record(bench)
    assert bench.stages() == {V1: "retired", V2: "champion"}
    assert [len(entry.history) for entry in bench.registry.entries()] == [2, 2]
    assert [record.outcome for record in bench.registry.releases()] == ["PROMOTED", "PROMOTED"]
    assert bench.lock.read().holder is None
