"""Executions by their names: started once, stopped, and told apart from none."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from mlops.aws.executions import StateMachineExecutions
from mlops.errors import CloudUnavailable
from mlops.release.ports import ExecutionStatus
from tests.unit.aws.playing import NOBODYS, attempts

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:mlops-Release-1A2B"
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:mlops-Release-1A2B:one"


def client() -> "SFNClient":
    return boto3.client("stepfunctions", config=attempts(1), **NOBODYS)


@pytest.fixture
def simulated() -> Iterator[tuple[StateMachineExecutions, "SFNClient", str]]:
    with mock_aws():
        states = client()
        machine = states.create_state_machine(
            name="release",
            definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
            roleArn="arn:aws:iam::123456789012:role/release",
        )["stateMachineArn"]
        yield StateMachineExecutions(states, machine), states, machine


def test_from_start_to_end(simulated: tuple[StateMachineExecutions, "SFNClient", str]) -> None:
    executions, states, machine = simulated
    assert executions.find("one") is None
    executions.start("one", "somebody")
    executions.start("one", "somebody")  # an answer that got lost, say
    running = executions.find("one")
    assert running is not None
    assert (running.status, running.by) == (ExecutionStatus.RUNNING, "somebody")
    (started,) = states.list_executions(stateMachineArn=machine)["executions"]
    found = states.describe_execution(executionArn=started["executionArn"])
    assert json.loads(found["input"]) == {"by": "somebody"}
    executions.start("two", "somebody", despite_alarms=True, retry=True)
    found = states.describe_execution(executionArn=started["executionArn"].replace("one", "two"))
    assert json.loads(found["input"]) == {
        "by": "somebody",
        "despite_alarms": True,
        "retry": True,
    }
    for otherwise in ({}, {"retry": True}, {"despite_alarms": True}):
        with pytest.raises(CloudUnavailable, match="^two: .*somebody else"):
            executions.start("two", "somebody", **otherwise)
    assert {*executions.running()} == {"one", "two"}
    executions.stop("one", "a test")
    assert (ended := executions.find("one")) and ended.status is ExecutionStatus.ABORTED
    assert executions.running() == ("two",)


def test_what_is_not_there_is_stopped_already(
    simulated: tuple[StateMachineExecutions, "SFNClient", str],
) -> None:
    executions, _, _ = simulated
    executions.stop("nobody", "a test")


def test_a_name_is_nobody_elses(
    simulated: tuple[StateMachineExecutions, "SFNClient", str],
) -> None:
    executions, _, _ = simulated
    executions.start("one", "somebody")
    with pytest.raises(CloudUnavailable, match="^one: .*somebody else"):
        executions.start("one", "me")


def execution(status: str, by: str = "me") -> dict[str, Any]:
    return {
        "executionArn": EXECUTION,
        "stateMachineArn": MACHINE,
        "status": status,
        "startDate": datetime(2026, 1, 1, tzinfo=UTC),
        "input": json.dumps({"by": by}, indent=2),
    }


@pytest.mark.parametrize("status", [*ExecutionStatus])
def test_every_status(status: ExecutionStatus) -> None:
    states = client()
    with Stubber(states) as stubber:
        asked = {"executionArn": EXECUTION}
        stubber.add_response("describe_execution", execution(status.value), asked)
        found = StateMachineExecutions(states, MACHINE).find("one")
        assert found is not None
        assert (found.status, found.is_running) == (status, status == "RUNNING")


@pytest.mark.parametrize("text", ["", "[]", "{}", "oops"])
def test_an_execution_without_a_name_in_its_input_was_started_by_nobody_known(text: str) -> None:
    states = client()
    with Stubber(states) as stubber:
        stubber.add_response("describe_execution", {**execution("RUNNING"), "input": text})
        found = StateMachineExecutions(states, MACHINE).find("one")
        assert found is not None
        assert found.by == "unknown"


def test_the_last_state_is_the_newest_that_a_step_was_given() -> None:
    def entered(kind: str, input: str) -> dict[str, Any]:
        details = {"name": "any", "input": input}
        at = datetime(2026, 1, 1, tzinfo=UTC)
        return {"id": 1, "timestamp": at, "type": kind, "stateEnteredEventDetails": details}

    started = {"id": 1, "timestamp": datetime(2026, 1, 1, tzinfo=UTC), "type": "TaskStarted"}
    states = client()
    with Stubber(states) as stubber:
        events = [started, entered("WaitStateEntered", '{"next": "watch"}')]
        asked = {"executionArn": EXECUTION, "reverseOrder": True}
        stubber.add_response("get_execution_history", {"events": events}, asked)
        assert StateMachineExecutions(states, MACHINE).last_state("one") == {"next": "watch"}
        events = [entered("PassStateEntered", '{"by": "ann"}')]
        stubber.add_response("get_execution_history", {"events": events}, asked)
        assert StateMachineExecutions(states, MACHINE).last_state("one") is None


def test_one_that_has_ended_counts_as_started_too() -> None:
    states = client()
    with Stubber(states) as stubber:
        asked = {"stateMachineArn": MACHINE, "name": "one", "input": '{"by": "me"}'}
        stubber.add_client_error("start_execution", "ExecutionAlreadyExists", expected_params=asked)
        stubber.add_response("describe_execution", execution("SUCCEEDED"))
        StateMachineExecutions(states, MACHINE).start("one", "me")
        stubber.assert_no_pending_responses()


def test_those_that_run_are_asked_for_page_by_page() -> None:
    def page(*names: str) -> dict[str, Any]:
        return {"executions": [execution_of(name) for name in names]}

    states = client()
    asked = {"stateMachineArn": MACHINE, "statusFilter": "RUNNING"}
    with Stubber(states) as stubber:
        stubber.add_response("list_executions", {**page("one", "two"), "nextToken": "more"}, asked)
        stubber.add_response("list_executions", page("three"), {**asked, "nextToken": "more"})
        assert StateMachineExecutions(states, MACHINE).running() == ("one", "two", "three")


def execution_of(name: str) -> dict[str, Any]:
    return {
        "executionArn": EXECUTION.replace("one", name),
        "stateMachineArn": MACHINE,
        "name": name,
        "status": "RUNNING",
        "startDate": datetime(2026, 1, 1, tzinfo=UTC),
    }


def test_why_it_is_stopped_is_kept() -> None:
    states = client()
    with Stubber(states) as stubber:
        asked = {"executionArn": EXECUTION, "cause": "because"}
        stubber.add_response("stop_execution", {"stopDate": datetime.now(UTC)}, asked)
        StateMachineExecutions(states, MACHINE).stop("one", "because")
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "ABORTED"])
def test_one_that_has_ended_needs_no_stopping(status: str) -> None:
    states = client()
    with Stubber(states) as stubber:
        stubber.add_client_error("stop_execution", "ValidationException")
        stubber.add_response("describe_execution", execution(status))
        StateMachineExecutions(states, MACHINE).stop("one", "because")
        stubber.assert_no_pending_responses()


CALLS: dict[str, Callable[[StateMachineExecutions], object]] = {
    "list_executions": lambda executions: executions.running(),
    "describe_execution": lambda executions: executions.find("one"),
    "start_execution": lambda executions: executions.start("one", "me"),
    "stop_execution": lambda executions: executions.stop("one", "because"),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("code", ["AccessDeniedException", "StateMachineDoesNotExist"])
def test_what_cannot_be_asked(operation: str, code: str) -> None:
    states = client()
    with Stubber(states) as stubber:
        stubber.add_client_error(operation, code)
        if operation == "stop_execution":
            stubber.add_response("describe_execution", execution("RUNNING"))
        with pytest.raises(CloudUnavailable, match=f"^(one|executions): .*{code}"):
            CALLS[operation](StateMachineExecutions(states, MACHINE))


def test_one_that_exists_and_cannot_be_looked_at() -> None:
    states = client()
    with Stubber(states) as stubber:
        stubber.add_client_error("start_execution", "ExecutionAlreadyExists")
        stubber.add_client_error("describe_execution", "AccessDeniedException")
        with pytest.raises(CloudUnavailable, match="AccessDeniedException"):
            StateMachineExecutions(states, MACHINE).start("one", "me")
