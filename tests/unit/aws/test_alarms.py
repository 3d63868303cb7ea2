"""Which alarms ring."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from mlops.aws.alarms import NamedAlarms
from mlops.errors import CloudUnavailable
from tests.unit.aws.playing import NOBODYS, attempts

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient


def client() -> "CloudWatchClient":
    return boto3.client("cloudwatch", config=attempts(1), **NOBODYS)


@pytest.fixture
def cloudwatch() -> Iterator["CloudWatchClient"]:
    with mock_aws():
        yield client()


def add(cloudwatch: "CloudWatchClient", name: str, state: str = "ALARM") -> None:
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=0,
    )
    if state != "OK":
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")


def test_without_alarms_none_rings() -> None:
    assert NamedAlarms(client(), ()).raised() == ()


def test_alarms_that_ring(cloudwatch: "CloudWatchClient") -> None:
    add(cloudwatch, "mlops-errors")
    add(cloudwatch, "mlops-latency", "OK")
    add(cloudwatch, "mlops-dead-letters")
    alarms = NamedAlarms(cloudwatch, ("mlops-errors", "mlops-latency", "mlops-gone"))
    assert alarms.raised() == ("mlops-errors",)


def test_metric_and_composite_alarms_are_asked_for_as_many_as_may_be() -> None:
    cloudwatch = client()
    names = tuple(f"alarm-{number:03}" for number in range(101))
    found = [{"AlarmName": name, "StateValue": "ALARM"} for name in names]
    asked = {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 100}
    with Stubber(cloudwatch) as stubber:
        stubber.add_response(
            "describe_alarms",
            {"MetricAlarms": found[50:100], "CompositeAlarms": found[:50]},
            asked | {"AlarmNames": names[:100]},
        )
        stubber.add_response(
            "describe_alarms", {"MetricAlarms": found[100:]}, asked | {"AlarmNames": names[100:]}
        )
        assert NamedAlarms(cloudwatch, names).raised() == names


def test_alarms_that_cannot_be_asked() -> None:
    cloudwatch = client()
    with Stubber(cloudwatch) as stubber:
        stubber.add_client_error("describe_alarms", "AccessDenied")
        with pytest.raises(CloudUnavailable, match="^alarms: .*AccessDenied"):
            NamedAlarms(cloudwatch, ("one",)).raised()
