"""Ending what nobody ends any more: whatever was cut short, one version has all traffic."""

import pytest

from mlops.errors import CloudUnavailable, TrafficChanged
from mlops.registry.releases import Ended, Kind
from mlops.release.ports import ExecutionStatus
from tests.unit.inference.building import V1
from tests.unit.release.fakes import unavailable
from tests.unit.release.fixture import ANN, ID, V2, Fixture, Killed

OTHER = "release-2"


@pytest.mark.fault
@pytest.mark.parametrize(
    "status", [ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT, ExecutionStatus.ABORTED]
)
def test_the_canary_of_an_ended_execution_is_undone(
    canary: Fixture, status: ExecutionStatus
) -> None:
    (text,) = canary.ends_badly(status=status)
    assert canary.live() == ("1", {}, "1")
    assert canary.ended() == (Ended.ROLLED_BACK, (f"its execution has ended: {status}",))
    assert (canary.record().by, canary.record().candidate) == (ANN, "2")
    assert canary.stages() == {V1: "champion", V2: "candidate"}
    assert canary.notices.sent == [(f"ROLLED_BACK: version 2 ({V2})", text)]
    assert canary.repair() == ()


def test_a_release_that_runs_is_left_alone(canary: Fixture) -> None:
    assert canary.repair() == ()
    assert canary.live() == ("1", {"2": 0.1}, "1")


@pytest.mark.fault
@pytest.mark.parametrize("step", ["gate", "canary"])
def test_a_release_that_died_before_its_canary_had_no_traffic(deployed: Fixture, step: str) -> None:
    deployed.until(step)
    deployed.ends_badly()
    assert deployed.ended()[0] is Ended.REFUSED
    assert deployed.run(OTHER).outcome is not Ended.REFUSED, "it may be released again"


@pytest.mark.fault
def test_an_execution_that_never_had_an_alias_is_recorded(deployed: Fixture) -> None:
    deployed.start()
    (text,) = deployed.ends_badly()
    assert "its execution has ended: ABORTED, before it had an alias" in text
    assert deployed.ended()[0] is Ended.REFUSED
    assert deployed.repair(ID) == ()


@pytest.mark.fault
def test_an_execution_that_is_not_known_any_more_has_ended(canary: Fixture) -> None:
    del canary.executions.runs[ID]
    canary.repair()
    assert canary.ended() == (Ended.ROLLED_BACK, ("its execution has ended: UNKNOWN",))
    assert canary.live() == ("1", {}, "1")


def promote_api(fixture: Fixture) -> None:
    """Let the API be promoted, and the process die before batch is."""
    fixture.operations.promote(ID, ANN)
    fixture.step()

    def dies(operation: str) -> None:
        raise Killed

    fixture.batch.before = dies
    with pytest.raises(Killed):
        fixture.release.step(fixture.states[ID])
    fixture.batch.before = lambda operation: None
    assert fixture.live() == ("2", {}, "1")


@pytest.mark.fault
def test_what_was_promoted_stays_and_batch_follows(canary: Fixture) -> None:
    promote_api(canary)
    canary.ends_badly()
    assert canary.live() == ("2", {}, "2")
    assert canary.ended() == (Ended.PROMOTED, ("its execution has ended: ABORTED",))
    assert canary.stages() == {V1: "retired", V2: "champion"}
    assert canary.operations.roll_back(None, ANN).version == "1"


@pytest.mark.fault
def test_what_was_promoted_stays_though_its_batch_function_is_gone(canary: Fixture) -> None:
    promote_api(canary)
    canary.batch.remove_function()
    canary.ends_badly()
    outcome, reasons = canary.ended()
    assert outcome is Ended.PROMOTED
    assert reasons[1] == "batch is left as it is: There is no function batch"


@pytest.mark.fault
def test_what_was_promoted_ends_though_the_function_of_the_api_is_gone(canary: Fixture) -> None:
    promote_api(canary)
    canary.api.remove_function()
    canary.ends_badly()
    assert canary.record().reasons == ("its execution has ended: ABORTED",)
    assert canary.batch.current.version == "1"


@pytest.mark.fault
def test_what_was_promoted_by_hand_alone_is_undone(canary: Fixture) -> None:
    canary.api.move_by_hand("2")
    canary.ends_badly()
    assert canary.ended()[0] is Ended.ROLLED_BACK
    assert canary.live() == ("1", {}, "1")


@pytest.mark.fault
def test_a_third_version_that_was_set_by_hand_stays(canary: Fixture) -> None:
    canary.api.deploy(code="sha256:third")
    canary.api.publish()
    canary.api.move_by_hand("3", v2=0.1)
    canary.ends_badly()
    assert canary.live() == ("3", {}, "1")


@pytest.mark.fault
@pytest.mark.parametrize("part", ["api", "batch"])
def test_weights_that_belong_to_no_release_are_cleared_and_told_of(
    promoted: Fixture, part: str
) -> None:
    getattr(promoted, part).move_by_hand("2", v1=0.3)
    (text,) = promoted.repair()
    assert text.startswith(f"{part} was at version 2 with 30% to version 1")
    assert promoted.notices.sent[-1] == ("Weights that belong to no release", text)
    assert promoted.live() == ("2", {}, "2")
    assert not promoted.batch.current.weights
    assert promoted.operations.roll_back(None, ANN).version == "1", "the note is still there"


@pytest.mark.fault
@pytest.mark.parametrize("gone", ["remove_function", "remove_alias"])
@pytest.mark.parametrize("part", ["api", "batch"])
def test_a_function_or_an_alias_that_is_gone_holds_up_nothing(
    canary: Fixture, part: str, gone: str
) -> None:
    getattr(getattr(canary, part), gone)()
    canary.ends_badly()
    assert canary.record().reasons == ("its execution has ended: ABORTED",)
    if part == "batch":
        assert canary.api.current.version == "1"
        assert not canary.api.current.weights


@pytest.mark.fault
@pytest.mark.parametrize("operation", ["traffic", "move"])
def test_an_outage_of_lambda_is_over_one_day(canary: Fixture, operation: str) -> None:
    def down(name: str) -> None:
        if name == operation:
            unavailable(name)

    canary.api.before = down
    with pytest.raises(CloudUnavailable):
        canary.ends_badly()
    canary.api.before = lambda name: None
    canary.repair(ID)
    assert canary.live() == ("1", {}, "1")
    assert canary.ended()[0] is Ended.ROLLED_BACK


@pytest.mark.fault
@pytest.mark.parametrize("rounds", [1, 20])
def test_others_who_are_faster_are_not_fought_for_ever(canary: Fixture, rounds: int) -> None:
    left = iter(range(rounds))

    def before(name: str) -> None:
        if name == "move" and next(left, None) is not None:
            canary.api.move_by_hand("1", v2=0.2)

    canary.api.before = before
    if rounds == 1:
        canary.ends_badly()
        assert canary.live() == ("1", {}, "1")
    else:
        with pytest.raises(TrafficChanged):
            canary.ends_badly()


@pytest.mark.fault
def test_an_update_that_was_on_its_way_comes_to_nothing(canary: Fixture) -> None:
    """Step Functions stops no request that is under way."""
    before = canary.api.current
    canary.ends_badly()
    with pytest.raises(TrafficChanged):
        canary.api.move("2", {}, before.note, before.revision)


@pytest.mark.fault
@pytest.mark.parametrize("number", range(14))
@pytest.mark.parametrize("what", ["repair", "record"])
def test_an_end_that_fails_at_any_write_is_completed_the_next_time(
    canary: Fixture, number: int, what: str
) -> None:
    if what == "record":
        canary.operations.promote(ID, ANN)
        canary.until("record")
    else:
        canary.executions.end(ID, ExecutionStatus.FAILED)
    writes = iter(range(100))

    def fails(operation: str, key: str) -> None:
        if operation in ("create", "replace") and next(writes) == number:
            raise CloudUnavailable("the store", "down")

    canary.before = fails
    for _ in range(2):
        if what == "record":
            canary.step()
        else:
            try:
                canary.repair(ID)
            except CloudUnavailable:
                continue
    live, stages = (
        ("2", ("retired", "champion")) if what == "record" else ("1", ("champion", "candidate"))
    )
    assert canary.live() == (live, {}, live)
    outcome = Ended.PROMOTED if what == "record" else Ended.ROLLED_BACK
    assert canary.ended()[0] is outcome
    canary.before = lambda operation, key: None
    if what == "repair":  # stages are settled by whatever comes next
        canary.run(OTHER)
    assert canary.stages() == {V1: stages[0], V2: stages[1]} or what == "repair"


def test_a_rollback_at_work_is_helped_and_not_disturbed(canary: Fixture) -> None:
    """The event of the stopped execution comes while the rollback is still recording."""

    def before(operation: str) -> None:
        if operation == "stop":
            canary.executions.before = lambda operation: None
            canary.executions.end(ID, ExecutionStatus.ABORTED)
            canary.repair(ID)

    canary.executions.before = before
    canary.operations.roll_back(None, ANN)
    assert canary.ended() == (Ended.ROLLED_BACK, ("rolled back by ann",))
    assert canary.last().kind is Kind.STOPPED
