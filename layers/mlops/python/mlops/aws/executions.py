"""Executions of a state machine in Step Functions."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from mlops.aws.calls import CONFIG, calling, code_of, opening, session
from mlops.errors import CloudUnavailable
from mlops.release.ports import Execution, ExecutionStatus

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient


def stepfunctions_client() -> "SFNClient":
    """A client set up by the AWS CLI's environment variables and files.

    Raises CloudUnavailable where these are wrong.
    """
    with opening("stepfunctions"):
        client = session().client("stepfunctions", config=CONFIG)
    return client


class StateMachineExecutions:
    """Implements `Executions`. machine: the state machine's ARN."""

    def __init__(self, client: "SFNClient", machine: str) -> None:
        self._client = client
        self._machine = machine

    def find(self, name: str) -> Execution | None:
        with calling(name):
            try:
                found = self._client.describe_execution(executionArn=self._arn(name))
            except ClientError as error:
                if code_of(error) != "ExecutionDoesNotExist":
                    raise
                return None
        return Execution(
            status=ExecutionStatus(found["status"]),
            by=_by(found.get("input", "")),
            started_at=found["startDate"],
        )

    def last_state(self, name: str) -> Mapping[str, Any] | None:
        """Read it off the newest entry of the history that has one."""
        with calling(name):
            pages = self._client.get_paginator("get_execution_history")
            for page in pages.paginate(executionArn=self._arn(name), reverseOrder=True):
                for event in page["events"]:
                    entered = event.get("stateEnteredEventDetails")
                    if entered is not None and event["type"] != "PassStateEntered":
                        found: Mapping[str, Any] = json.loads(entered["input"])
                        return found
        return None

    def running(self) -> tuple[str, ...]:
        pages = self._client.get_paginator("list_executions")
        with calling("executions"):
            return tuple(
                execution["name"]
                for page in pages.paginate(stateMachineArn=self._machine, statusFilter="RUNNING")
                for execution in page["executions"]
            )

    def start(
        self, name: str, by: str, *, despite_alarms: bool = False, retry: bool = False
    ) -> None:
        """A name that was started by the same counts as started, even if that one has ended."""
        said: dict[str, object] = {"by": by}
        if despite_alarms:
            said["despite_alarms"] = True
        if retry:
            said["retry"] = True
        with calling(name):
            try:
                self._client.start_execution(
                    stateMachineArn=self._machine, name=name, input=json.dumps(said)
                )
            except ClientError as error:
                if code_of(error) != "ExecutionAlreadyExists":
                    raise
                found = self._client.describe_execution(executionArn=self._arn(name))
                if json.loads(found["input"]) != said:
                    reason = "an execution of this name was started by somebody else"
                    raise CloudUnavailable(name, reason) from error

    def stop(self, name: str, reason: str) -> None:
        with calling(name):
            try:
                self._client.stop_execution(executionArn=self._arn(name), cause=reason)
            except ClientError:
                found = self.find(name)
                if found is not None and found.is_running:
                    raise

    def _arn(self, name: str) -> str:
        return f"{self._machine.replace(':stateMachine:', ':execution:')}:{name}"


def _by(text: str) -> str:
    """Return who started an execution with this input."""
    try:
        return str(json.loads(text)["by"])
    except (ValueError, KeyError, TypeError):
        return "unknown"
