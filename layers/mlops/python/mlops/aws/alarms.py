"""CloudWatch's alarms."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops.aws.calls import CONFIG, calling, opening, session

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient

_AT_ONCE = 100
"""So many names CloudWatch takes in one request."""


def cloudwatch_client() -> "CloudWatchClient":
    """A client set up by the AWS CLI's environment variables and files.

    Raises CloudUnavailable where these are wrong.
    """
    with opening("cloudwatch"):
        client = session().client("cloudwatch", config=CONFIG)
    return client


class NamedAlarms:
    """Implements `Alarms`: metric and composite ones of these names; others do not exist."""

    def __init__(self, client: "CloudWatchClient", names: Sequence[str]) -> None:
        self._client = client
        self._names = names

    def raised(self) -> tuple[str, ...]:
        names: list[str] = []
        with calling("alarms"):
            for begin in range(0, len(self._names), _AT_ONCE):
                found = self._client.describe_alarms(
                    AlarmNames=self._names[begin : begin + _AT_ONCE],
                    AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                    MaxRecords=_AT_ONCE,
                )
                alarms = [*found.get("MetricAlarms", []), *found.get("CompositeAlarms", [])]
                names += [alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM"]
        return tuple(sorted(names))
