"""CloudWatch's alarms of one stack."""

import re
from typing import TYPE_CHECKING

import boto3

from mlops.aws.calls import CONFIG, calling, opening

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient

# CloudFormation names what has no name `<stack>-<resource>-<12 or 13 capitals and digits>`.
_OF_ANOTHER_STACK = re.compile(r".+-[A-Za-z0-9]+-[A-Z0-9]{12,13}")


def cloudwatch_client() -> "CloudWatchClient":
    """A client set up by the AWS CLI's environment variables and files.

    Raises CloudUnavailable where these are wrong.
    """
    with opening("cloudwatch"):
        client = boto3.Session().client("cloudwatch", config=CONFIG)
    return client


class StackAlarms:
    """Implements `Alarms`: metric and composite ones whose names begin with the stack's and "-".

    Those of a stack whose own name begins so are left out: `mlops` is not `mlops-test`.
    """

    def __init__(self, client: "CloudWatchClient", stack: str) -> None:
        self._client = client
        self._prefix = f"{stack}-"

    def red(self) -> tuple[str, ...]:
        names: list[str] = []
        with calling(f"alarms {self._prefix}*"):
            for page in self._client.get_paginator("describe_alarms").paginate(
                AlarmNamePrefix=self._prefix,
                AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                StateValue="ALARM",
            ):
                alarms = [*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])]
                # Simulations know a prefix or a state, not both.
                names += [alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM"]
        return tuple(sorted(filter(self._is_own, names)))

    def _is_own(self, name: str) -> bool:
        return _OF_ANOTHER_STACK.fullmatch(name.removeprefix(self._prefix)) is None
