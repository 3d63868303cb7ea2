"""What a stack in CloudFormation is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mlops.aws.calls import CONFIG, calling, code_of, opening, session
from mlops.errors import StackNotFound

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient


_UNDER_WAY = frozenset({"UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"})
_STUCK = frozenset({"UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED"})
"""A clean-up changes no function any more, and what is created was never live."""


@dataclass(frozen=True)
class Stack:
    """status: the last one, such as UPDATE_COMPLETE.

    changed_at: when the last deployment that changed something began; aware.
    """

    name: str
    status: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    changed_at: datetime

    @property
    def half_done(self) -> str | None:
        """Why some of its functions may be changed, and others not, in words."""
        if self.status in _UNDER_WAY:
            return (
                f"a deployment is under way ({self.status}), whose release begins when it has ended"
            )
        if self.status in _STUCK:
            return f"a deployment failed half way ({self.status}); mlops doctor says how to fix it"
        return None


class StackDeployments:
    """Implements `Deployments`, of a stack by its name."""

    def __init__(self, client: "CloudFormationClient", stack: str) -> None:
        self._client = client
        self._stack = stack

    def half_done(self) -> str | None:
        return describe_stack(self._client, self._stack).half_done


def cloudformation_client() -> "CloudFormationClient":
    """A client set up by the AWS CLI's environment variables and files.

    Raises CloudUnavailable where these are wrong.
    """
    with opening("cloudformation"):
        client = session().client("cloudformation", config=CONFIG)
    return client


def describe_stack(client: "CloudFormationClient", name: str) -> Stack:
    """Raises CloudUnavailable; StackNotFound, one of these, where there is no such stack."""
    with calling(f"stack {name}"):
        try:
            (found,) = client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if code_of(error) != "ValidationError" or "does not exist" not in str(error):
                raise
            region = client.meta.region_name
            reason = f"there is no such stack in {region} with these credentials"
            raise StackNotFound(f"stack {name}", reason) from error
    return Stack(
        name=found["StackName"],
        status=found["StackStatus"],
        outputs={output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])},
        parameters={
            parameter["ParameterKey"]: parameter["ParameterValue"]
            for parameter in found.get("Parameters", [])
        },
        changed_at=found.get("LastUpdatedTime", found["CreationTime"]),
    )
