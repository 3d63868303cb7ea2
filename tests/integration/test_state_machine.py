"""Releases as Step Functions runs them: every way out ends with the traffic where it belongs."""

from collections.abc import Callable, Iterator

import pytest

from mlops.errors import CloudUnavailable
from mlops.registry.releases import Ended
from mlops.release.ports import GateReport
from tests.integration.state_machine import Cloud, Stack, deployed, running_cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture
def stack(cloud: Cloud) -> Iterator[Stack]:
    with deployed(cloud) as stack:
        stack.deploy()
        yield stack


def outcome(stack: Stack, id: str = "r1") -> tuple[Ended, str]:
    """How it ended, and the first reason."""
    assert stack.releases.status().running is None
    record = stack.record(id)
    return record.outcome, (*record.reasons, "")[0]


def test_a_good_canary_is_promoted_and_batch_follows(stack: Stack) -> None:
    stack.start()
    stack.watched()
    assert stack.live() == ("1", {"2": 0.1}, "1")
    assert stack.ended() == "SUCCEEDED"
    assert stack.live() == ("2", {}, "2")
    assert outcome(stack)[0] is Ended.PROMOTED
    assert stack.asked[:3] == ["begin", "gate", "canary"]
    assert stack.asked[-2:] == ["promote", "record"]
    assert "ReadLive" not in stack.history()
    assert stack.notices.sent[-1][0].startswith("PROMOTED")


def test_nothing_new_ends_at_once(stack: Stack) -> None:
    stack.start()
    stack.ended()
    stack.start("r2")
    assert stack.ended("r2") == "SUCCEEDED"
    assert outcome(stack, "r2")[0] is Ended.UNCHANGED
    assert stack.live() == ("2", {}, "2")


@pytest.mark.parametrize(("part", "live"), [("api", ("2", {}, "1")), ("batch", ("1", {}, "2"))])
def test_only_one_of_them_has_changed(
    cloud: Cloud, part: str, live: tuple[str, dict[str, float], str]
) -> None:
    with deployed(cloud) as stack:
        stack.deploy(part)
        stack.start()
        assert stack.ended() == "SUCCEEDED"
        assert stack.live() == live
        assert ("canary" in stack.asked) is (part == "api")


def test_the_first_model_waits_for_nobody(cloud: Cloud) -> None:
    with deployed(cloud, has_model=False) as stack:
        stack.deploy()
        stack.start()
        assert stack.ended() == "SUCCEEDED"
        assert outcome(stack)[1].startswith("no model was live before")
        assert stack.live() == ("2", {}, "2")
        assert "watch" not in stack.asked


def test_the_gate_refuses_and_no_traffic_moves(stack: Stack) -> None:
    stack.report = GateReport(False, ("accuracy is worse",), {})
    stack.start()
    assert stack.ended() == "SUCCEEDED"
    assert outcome(stack) == (Ended.REFUSED, "accuracy is worse")
    assert stack.live() == ("1", {}, "1")


@pytest.mark.fault
@pytest.mark.parametrize("operation", ["begin", "gate"])
def test_an_error_ahead_of_the_canary_refuses_it(stack: Stack, operation: str) -> None:
    stack.overruled[operation] = ValueError("broken")
    stack.start()
    assert stack.ended() == "SUCCEEDED"
    ended, reason = outcome(stack)
    assert ended is Ended.REFUSED
    assert reason.endswith(": broken")  # after the error's name, for which MiniStack has one
    assert stack.live() == ("1", {}, "1")


def test_a_bad_canary_is_rolled_back(stack: Stack) -> None:
    stack.observations.canary = {"errors": 0.3}
    stack.start()
    assert stack.ended() == "SUCCEEDED"
    ended, reason = outcome(stack)
    assert ended is Ended.ROLLED_BACK
    assert reason.startswith("errors: ")
    assert stack.live() == ("1", {}, "1")


@pytest.mark.fault
def test_an_analysis_that_fails_rolls_the_canary_back(stack: Stack) -> None:
    stack.observations.error = CloudUnavailable("the log", "no answer")
    stack.start()
    assert stack.ended() == "SUCCEEDED"
    ended, reason = outcome(stack)
    assert ended is Ended.ROLLED_BACK
    assert reason.endswith(": the log: no answer")
    assert stack.live() == ("1", {}, "1")


def test_an_alarm_rolls_the_canary_back(stack: Stack) -> None:
    stack.start()
    stack.watched()
    stack.alarms.in_alarm.add("errors")
    assert stack.ended() == "SUCCEEDED"
    assert outcome(stack) == (Ended.ROLLED_BACK, "alarm errors")


def test_one_that_is_to_end_an_alarm_goes_out_despite_it(stack: Stack) -> None:
    stack.alarms.in_alarm.add("errors")
    stack.start()
    assert stack.ended() == "SUCCEEDED"
    assert outcome(stack) == (Ended.REFUSED, "alarms are in state ALARM: errors")
    stack.start("r2", despite_alarms=True)
    assert stack.ended("r2") == "SUCCEEDED"
    assert outcome(stack, "r2")[0] is Ended.PROMOTED
    assert stack.record("r2").reasons[-1] == "it began although alarms were in ALARM: errors"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("version", "weights", "left"),
    [("1", {}, "1"), ("2", {}, "1"), ("1", {"2": 0.9}, "1"), ("3", {}, "3")],
    ids=["no weights", "promoted by hand", "other weights", "another version"],
)
def test_an_alias_that_somebody_else_changed(
    stack: Stack, version: str, weights: dict[str, float], left: str
) -> None:
    stack.start()
    stack.watched()
    if version == "3":
        stack.deploy("api")
        stack.api.publish()
    by_hand(stack, version, weights)
    assert stack.ended() == "SUCCEEDED"
    ended, reason = outcome(stack)
    assert ended is Ended.ROLLED_BACK
    assert reason.startswith("somebody else has moved the API")
    assert stack.live() == (left, {}, "1")


@pytest.mark.fault
def test_batch_that_somebody_else_changed_takes_all_back(stack: Stack) -> None:
    stack.start()
    stack.watched()
    stack.batch.publish()
    by_hand(stack, "2", {}, "batch")
    assert stack.ended() == "SUCCEEDED"
    ended, reason = outcome(stack)
    assert ended is Ended.ROLLED_BACK
    assert reason.startswith("somebody else has moved batch")
    assert stack.live() == ("1", {}, "1")


@pytest.mark.fault
def test_where_no_step_can_be_made_the_weights_are_taken_without_our_code(stack: Stack) -> None:
    stack.overruled |= {"watch": ValueError("broken"), "undo": ValueError("broken")}
    stack.start()
    assert stack.ended() == "FAILED"
    assert stack.live() == ("1", {}, "1")
    assert "TakeWeights" in stack.history()
    stack.overruled.clear()
    stack.repair("r1")
    assert outcome(stack) == (Ended.ROLLED_BACK, "its execution has ended: FAILED")


def by_hand(stack: Stack, version: str, weights: dict[str, float], part: str = "api") -> None:
    """As `aws lambda update-alias` does, which leaves the description alone."""
    stack.cloud.client("lambda").update_alias(
        FunctionName=stack.named(part),
        Name="live",
        FunctionVersion=version,
        RoutingConfig={"AdditionalVersionWeights": weights},
    )


def deleted(stack: Stack, part: str) -> None:
    stack.cloud.client("lambda").delete_function(FunctionName=stack.named(part))


@pytest.mark.fault
def test_a_function_that_is_deleted_ends_it(stack: Stack) -> None:
    stack.start()
    stack.watched()
    deleted(stack, "api")
    assert stack.ended() == "SUCCEEDED"
    ended, reason = outcome(stack)
    assert ended is Ended.ROLLED_BACK
    assert "There is no function" in reason


@pytest.mark.fault
def test_a_batch_function_that_is_deleted_ends_it(stack: Stack) -> None:
    stack.start()
    stack.watched()
    deleted(stack, "batch")
    assert stack.ended() == "SUCCEEDED"
    assert outcome(stack)[0] is Ended.ROLLED_BACK
    assert stack.api.traffic().version == "1"


@pytest.mark.fault
def test_a_record_that_fails_is_written_by_the_repair(stack: Stack) -> None:
    stack.overruled["record"] = ValueError("broken")
    stack.start()
    assert stack.ended() == "FAILED"
    del stack.overruled["record"]
    stack.repair("r1")
    assert outcome(stack)[0] is Ended.PROMOTED
    assert stack.live() == ("2", {}, "2")


def stopped(stack: Stack) -> None:
    stack.deps.executions.stop("r1", "by hand")
    stack.repair("r1")


def aborted(stack: Stack) -> None:
    stack.operations.abort("r1", "ann")


def rolled_back(stack: Stack) -> None:
    assert stack.operations.roll_back(None, "ann").version == "1"


@pytest.mark.fault
@pytest.mark.parametrize("end", [stopped, aborted, rolled_back])
def test_one_that_is_ended_in_the_middle(stack: Stack, end: Callable[[Stack], None]) -> None:
    stack.start()
    stack.watched()
    end(stack)
    assert stack.ended() == "ABORTED"
    assert outcome(stack)[0] is Ended.ROLLED_BACK
    assert stack.live() == ("1", {}, "1")


def test_one_that_is_promoted_by_hand(stack: Stack) -> None:
    stack.start()
    stack.watched()
    stack.operations.promote("r1", "ben")
    assert stack.ended() == "SUCCEEDED"
    assert outcome(stack) == (Ended.PROMOTED, "promoted by ben")


def test_a_second_one_waits_and_follows(stack: Stack) -> None:
    stack.start()
    stack.watched()
    stack.deploy()
    stack.start("r2")
    assert stack.ended() == "SUCCEEDED"
    assert stack.ended("r2") == "SUCCEEDED"
    assert stack.live() == ("3", {}, "3")


def test_rolled_back_after_its_promotion(stack: Stack) -> None:
    stack.start()
    stack.ended()
    assert stack.operations.roll_back(None, "ann").version == "1"
    assert stack.live() == ("1", {}, "1")


@pytest.mark.fault
def test_weights_that_were_set_by_hand_are_cleared_first(stack: Stack) -> None:
    stack.api.publish()
    by_hand(stack, "1", {"2": 0.5})
    stack.start()
    assert stack.ended() == "SUCCEEDED"
    assert outcome(stack)[0] is Ended.PROMOTED
    assert stack.notices.sent[0][0] == "Weights that belong to no release"
