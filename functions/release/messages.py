"""The events that ask the release function for a repair; anything else is a release's state."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class RepairRequest(_Message):
    """What the schedule sends, and operators. Until an update, it was called `reconcile`."""

    operation: Literal["repair", "reconcile"]


class _Execution(_Message):
    name: str


class ExecutionEnded(_Message):
    """What EventBridge sends about an execution that has failed, was stopped or timed out."""

    source: Literal["aws.states"]
    detail: _Execution
