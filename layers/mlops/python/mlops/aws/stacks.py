"""What a stack in CloudFormation is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from mlops.aws.calls import CONFIG, calling, code_of, opening
from mlops.errors import StackNotFound

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient


@dataclass(frozen=True)
class Stack:
    """status: the last one, such as UPDATE_COMPLETE."""

    name: str
    status: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]


def cloudformation_client() -> "CloudFormationClient":
    """A client set up by the AWS CLI's environment variables and files.

    Raises CloudUnavailable where these are wrong.
    """
    with opening("cloudformation"):
        client = boto3.Session().client("cloudformation", config=CONFIG)
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
    )
