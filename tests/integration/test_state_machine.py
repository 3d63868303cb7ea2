"""Releases as Step Functions runs them: every way out ends with the traffic where it belongs."""

from collections.abc import Iterator

import pytest

from mlops.errors import CloudUnavailable
from mlops.registry.releases import Ended
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


@pytest.mark.fault
def test_an_analysis_that_fails_rolls_the_canary_back(stack: Stack) -> None:
    stack.observations.error = CloudUnavailable("the log", "no answer")
    stack.start()
    assert stack.ended() == "SUCCEEDED"
    ended, reason = outcome(stack)
    assert ended is Ended.ROLLED_BACK
    assert reason.endswith(": the log: no answer")
    assert stack.live() == ("1", {}, "1")


@pytest.mark.fault
def test_an_alias_that_somebody_else_moved_ends_the_release(stack: Stack) -> None:
    stack.start()
    stack.watched()
    by_hand(stack, "1", {"2": 0.9})
    assert stack.ended() == "SUCCEEDED"
    ended, reason = outcome(stack)
    assert ended is Ended.ROLLED_BACK
    assert reason.startswith("somebody else has moved the API")
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


def by_hand(stack: Stack, version: str, weights: dict[str, float]) -> None:
    """As `aws lambda update-alias` does, which leaves the description alone."""
    stack.cloud.client("lambda").update_alias(
        FunctionName=stack.named("api"),
        Name="live",
        FunctionVersion=version,
        RoutingConfig={"AdditionalVersionWeights": weights},
    )


@pytest.mark.fault
def test_a_function_that_is_deleted_ends_the_release(stack: Stack) -> None:
    stack.start()
    stack.watched()
    stack.cloud.client("lambda").delete_function(FunctionName=stack.named("api"))
    assert stack.ended() == "SUCCEEDED"
    ended, reason = outcome(stack)
    assert ended is Ended.ROLLED_BACK
    assert "There is no function" in reason


@pytest.mark.fault
def test_a_record_that_fails_is_written_by_the_repair(stack: Stack) -> None:
    stack.overruled["record"] = ValueError("broken")
    stack.start()
    assert stack.ended() == "FAILED"
    del stack.overruled["record"]
    stack.repair("r1")
    assert outcome(stack)[0] is Ended.PROMOTED
    assert stack.live() == ("2", {}, "2")


@pytest.mark.fault
def test_an_execution_that_is_stopped_leaves_no_weights(stack: Stack) -> None:
    stack.start()
    stack.watched()
    stack.deps.executions.stop("r1", "by hand")
    stack.repair("r1")
    assert stack.ended() == "ABORTED"
    assert outcome(stack) == (Ended.ROLLED_BACK, "its execution has ended: ABORTED")
    assert stack.live() == ("1", {}, "1")


def test_a_rollback_ends_the_execution(stack: Stack) -> None:
    stack.start()
    stack.watched()
    assert stack.operations.roll_back(None, "ann").version == "1"
    assert stack.ended() == "ABORTED"
    assert outcome(stack) == (Ended.ROLLED_BACK, "rolled back by ann")
    assert stack.live() == ("1", {}, "1")


def test_a_second_one_waits_and_follows(stack: Stack) -> None:
    stack.start()
    stack.watched()
    stack.deploy()
    stack.start("r2")
    assert stack.ended() == "SUCCEEDED"
    assert stack.ended("r2") == "SUCCEEDED"
    assert stack.live() == ("3", {}, "3")
