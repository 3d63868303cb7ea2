"""Executions of a state machine in Step Functions."""

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mlops.aws.calls import CONFIG, calling, code_of, opening, session
from mlops.errors import CloudUnavailable
from mlops.release.ports import ExecutionStatus

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

    def status(self, name: str) -> ExecutionStatus:
        with calling(name):
            try:
                found = self._client.describe_execution(executionArn=self._arn(name))
            except ClientError as error:
                if code_of(error) != "ExecutionDoesNotExist":
                    raise
                return ExecutionStatus.UNKNOWN
        return ExecutionStatus(found["status"])

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
                if self.status(name) is ExecutionStatus.RUNNING:
                    raise

    def _arn(self, name: str) -> str:
        return f"{self._machine.replace(':stateMachine:', ':execution:')}:{name}"
