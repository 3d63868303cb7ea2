"""Races, outages and deaths in a rollback end with both functions at one version."""

from datetime import timedelta

import pytest

from mlops.errors import (
    CloudUnavailable,
    FunctionGone,
    MlopsError,
    ReleaseRefused,
    TrafficChanged,
)
from mlops.registry.releases import Ended, Kind
from mlops.release.closing import DEPLOY, following
from mlops.release.lock import CURRENT
from mlops.release.records import Ending
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, V2, Bench, Killed, refusal
from tests.unit.release.fakes import Resending, nothing_happens


@pytest.mark.fault
def test_weights_that_come_in_between(promoted: Bench) -> None:
    def before(operation: str, key: str) -> None:
        if (operation, key) == ("get", CURRENT):
            promoted.before = lambda operation, key: None
            promoted.api.move("2", {"1": 0.1}, promoted.api.traffic().revision)

    promoted.before = before
    with pytest.raises(ReleaseRefused, match="just given weights"):
        promoted.rollback.roll_back(None, ANN)
    assert promoted.live() == ("2", {"1": 0.1}, "2")


@pytest.mark.fault
def test_a_race_for_the_alias_is_tried_again(promoted: Bench) -> None:
    def before(operation: str) -> None:
        if operation == "move":
            promoted.api.before = lambda operation: None
            promoted.api.move("2", {}, promoted.api.traffic().revision)

    promoted.api.before = before
    assert promoted.rollback.roll_back(None, ANN).version == "1"


@pytest.mark.fault
def test_somebody_else_takes_over(promoted: Bench) -> None:
    def before(operation: str) -> None:
        if operation == "move":
            promoted.api.before = lambda operation: None
            promoted.api.deploy(code="sha256:third")
            promoted.api.publish()
            promoted.api.move("3", {}, promoted.api.traffic().revision)

    promoted.api.before = before
    with pytest.raises(TrafficChanged):
        promoted.rollback.roll_back(None, ANN)
    assert promoted.live()[0] == "3"
    assert promoted.registry.releases()[-1].outcome is Ended.REFUSED
    assert promoted.lock.read().holder is None


@pytest.mark.fault
@pytest.mark.parametrize(
    "fault",
    [CloudUnavailable("lambda", "no answer"), FunctionGone("function api")],
)
def test_a_function_that_fails_at_the_update(promoted: Bench, fault: MlopsError) -> None:
    left = [fault]

    def before(operation: str) -> None:
        if operation == "move" and left:
            raise left.pop()

    promoted.api.before = before
    with pytest.raises(type(fault)):
        promoted.rollback.roll_back(None, ANN)
    assert promoted.live() == ("2", {}, "2")
    assert promoted.lock.read().holder is None


@pytest.mark.fault
def test_batch_is_gone(promoted: Bench) -> None:
    def before(operation: str) -> None:
        if operation == "move":
            promoted.batch.remove_function()

    promoted.api.before = before
    done = promoted.rollback.roll_back(None, ANN)
    assert "There is no function batch" in done.text
    assert promoted.api.traffic().version == "1"


def test_a_release_that_begins_when_a_promotion_is_recorded_keeps_its_lock(canary: Bench) -> None:
    """What was deployed meanwhile follows at once, ahead of the way back."""
    canary.promote()
    canary.deploy(settings="more memory")
    canary.folder().keep_ending(Ending(Ended.PROMOTED, ("all is well",), ANN, canary.clock()))
    follower = following(ID)

    def before(operation: str) -> None:
        if operation == "start":
            canary.executions.before = nothing_happens
            assert canary.begin(follower, DEPLOY).plan is not None

    canary.executions.before = before
    assert "what was promoted stays live: a release has just begun" in refusal(canary)
    assert_runs(canary, follower)
    with pytest.raises(ReleaseRefused, match="roll back again"):
        canary.rollback.roll_back(None, ANN)  # which stops the follower
    assert canary.rollback.roll_back(None, ANN).version == "1"


def test_nor_does_it_lose_it_to_who_has_come_too_late_for_the_canary(canary: Bench) -> None:
    follower = following(ID)

    def promoted(operation: str) -> None:
        if operation == "move":
            canary.api.before = nothing_happens
            canary.promote()

    def followed(operation: str, key: str) -> None:
        if (operation, key) == ("replace", CURRENT):
            canary.before = lambda operation, key: None
            canary.deploy(settings="more memory")
            canary.rollout.record(ID, Ended.PROMOTED, ())
            assert canary.begin(follower, DEPLOY).plan is not None

    canary.api.before, canary.before = promoted, followed
    with pytest.raises(ReleaseRefused, match="what was promoted stays live"):
        canary.rollback.roll_back(None, ANN)
    assert_runs(canary, follower)


def assert_runs(bench: Bench, follower: str) -> None:
    holder = bench.lock.read().holder
    assert holder is not None
    assert (holder.kind, holder.id) == (Kind.RELEASE, follower)
    assert bench.live() == ("2", {}, "2")
    assert bench.reconciler.reconcile().idle == f"a release is running ({follower})"


@pytest.mark.fault
@pytest.mark.parametrize("is_canary", [True, False])
def test_answers_about_the_lock_that_get_lost_hold_up_nobody(is_canary: bool) -> None:
    bench = Bench(objects=Resending())
    bench.deploy()
    if is_canary:
        bench.canary()
    else:
        bench.released()
    assert bench.rollback.roll_back(None, ANN).version == "1"
    assert bench.live() == ("1", {}, "1")
    assert bench.lock.read().holder is None


def dying() -> Bench:
    bench = Bench()
    bench.deploy()
    bench.released()
    return bench


def writes() -> list[tuple[str, str]]:
    bench, found = dying(), list[tuple[str, str]]()

    def before(operation: str, key: str) -> None:
        if operation in ("create", "replace"):
            found.append((operation, key))

    bench.before = before
    bench.rollback.roll_back(None, ANN)
    return found


@pytest.mark.fault
@pytest.mark.parametrize("number", range(len(writes())))
def test_one_that_dies_at_any_write_is_ended_by_the_reconciler(number: int) -> None:
    bench, left = dying(), [number]

    def before(operation: str, key: str) -> None:
        if operation in ("create", "replace"):
            left[0] -= 1
            if left[0] == -1:
                raise Killed

    bench.before = before
    with pytest.raises(Killed):
        bench.rollback.roll_back(None, ANN)
    bench.before = lambda operation, key: None
    assert_ends(bench)


@pytest.mark.fault
@pytest.mark.parametrize("function", ["api", "batch"])
@pytest.mark.parametrize("operation", ["traffic", "move", "describe", "awake"])
def test_one_that_dies_at_lambda_is_ended_by_the_reconciler(function: str, operation: str) -> None:
    bench = dying()

    def before(found: str) -> None:
        if found == operation:
            raise Killed

    getattr(bench, function).before = before
    with pytest.raises(Killed):
        bench.rollback.roll_back(None, ANN)
    getattr(bench, function).before = lambda found: None
    assert_ends(bench)


def assert_ends(bench: Bench) -> None:
    """Both functions end at the same version, and the registry says at which."""
    bench.wait(timedelta(minutes=4))
    bench.reconciler.reconcile()
    version, weights, batch_version = bench.live()
    assert (weights, batch_version) == ({}, version)
    assert bench.lock.read().holder is None
    champion = V1 if version == "1" else V2
    assert [it for it, stage in bench.stages().items() if stage == "champion"] == [champion]
    if version == "1":
        assert bench.registry.releases()[-1].kind is Kind.ROLLBACK


def die_at_move(operation: str) -> None:
    if operation == "move":
        raise Killed


@pytest.mark.fault
def test_a_rollback_that_died_is_ended_by_the_next(promoted: Bench) -> None:
    promoted.batch.before = die_at_move
    with pytest.raises(Killed):
        promoted.rollback.roll_back(None, ANN)
    promoted.batch.before = lambda operation: None
    assert "a rollback is under way" in refusal(promoted)
    promoted.wait(timedelta(minutes=4))
    # Ended first; then the one that was asked for would be one too many.
    with pytest.raises(ReleaseRefused, match="to go back further"):
        promoted.rollback.roll_back(None, ANN)
    assert promoted.live() == ("1", {}, "1")


def test_what_slept_is_awake_before_it_has_traffic(promoted: Bench) -> None:
    def before(operation: str) -> None:
        if operation == "move":
            assert (promoted.api.woken, promoted.batch.woken) == (["1"], ["1"])

    promoted.api.before = before
    assert promoted.rollback.roll_back(None, ANN).version == "1"


def test_a_function_that_stays_where_it_is_is_not_woken(promoted: Bench) -> None:
    """Where batch alone goes back, the API has all traffic; and the other way round."""
    promoted.batch.deploy(settings="more memory")
    promoted.released_at_once("release-2")
    promoted.api.dead.add("2")
    promoted.rollback.roll_back(None, ANN)
    assert (promoted.api.woken, promoted.batch.woken) == ([], ["2"])


@pytest.mark.fault
def test_the_time_it_takes_to_wake_is_not_that_of_the_rollback(promoted: Bench) -> None:
    def before(operation: str) -> None:
        if operation == "awake":
            promoted.wait(timedelta(minutes=2))

    promoted.api.before, promoted.batch.before = before, die_at_move
    with pytest.raises(Killed):
        promoted.rollback.roll_back(None, ANN)
    promoted.wait(timedelta(minutes=2))
    assert "a rollback is under way" in refusal(promoted)
