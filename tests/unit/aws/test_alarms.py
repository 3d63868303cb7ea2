"""Which alarms ring, of which stack."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from mlops.aws.alarms import StackAlarms
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


def test_without_alarms_none_rings(cloudwatch: "CloudWatchClient") -> None:
    assert StackAlarms(cloudwatch, "mlops").red() == ()


def test_alarms_that_ring(cloudwatch: "CloudWatchClient") -> None:
    add(cloudwatch, "mlops-errors")
    add(cloudwatch, "mlops-latency", "OK")
    add(cloudwatch, "others-errors")
    assert StackAlarms(cloudwatch, "mlops").red() == ("mlops-errors",)


def test_those_of_a_stack_with_a_longer_name_are_not_its_own(
    cloudwatch: "CloudWatchClient",
) -> None:
    own, other = "mlops-DeadLettersAlarm-1ABCDEF23GHIJ", "mlops-test-DeadLettersAlarm-ABCDEF23GHIJ"
    by_hand = "mlops-by-hand-and-long"
    for name in (own, other, by_hand):
        add(cloudwatch, name)
    assert StackAlarms(cloudwatch, "mlops").red() == (own, by_hand)
    assert StackAlarms(cloudwatch, "mlops-test").red() == (other,)


def test_metric_and_composite_alarms_are_asked_for_page_by_page() -> None:
    cloudwatch = client()
    asked = {
        "AlarmNamePrefix": "mlops-",
        "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
        "StateValue": "ALARM",
    }
    one, two = ({"AlarmName": f"mlops-{n}", "StateValue": "ALARM"} for n in ("one", "two"))
    with Stubber(cloudwatch) as stubber:
        stubber.add_response("describe_alarms", {"MetricAlarms": [two], "NextToken": "more"}, asked)
        stubber.add_response(
            "describe_alarms", {"CompositeAlarms": [one]}, asked | {"NextToken": "more"}
        )
        assert StackAlarms(cloudwatch, "mlops").red() == ("mlops-one", "mlops-two")


def test_alarms_that_cannot_be_asked() -> None:
    cloudwatch = client()
    with Stubber(cloudwatch) as stubber:
        stubber.add_client_error("describe_alarms", "AccessDenied")
        with pytest.raises(CloudUnavailable, match=r"^alarms mlops-\*: .*AccessDenied"):
            StackAlarms(cloudwatch, "mlops").red()
