"""Alarms, the events that failed, and the key of the log, as they are deployed."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from functions.api.telemetry import IdHash
from tests.rehearsal.cloud import Cloud, Keys
from tests.rehearsal.deployment import Deployment

CUSTOMER: dict[str, Any] = {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.5}
SECONDS = 60

Physical = Callable[[str], str]


@pytest.fixture(scope="module")
def physical(deployment: Deployment) -> Physical:
    """Return the name that AWS gave to a resource of the template."""

    def name(logical: str) -> str:
        (found,) = deployment.cloud.client("cloudformation").describe_stack_resources(
            StackName=deployment.stack, LogicalResourceId=logical
        )["StackResources"]
        return str(found["PhysicalResourceId"])

    return name


def messages(cloud: Cloud, queue: str) -> list[str]:
    """Wait for messages in a queue, and return and delete them."""
    found: list[str] = []

    def received() -> bool:
        sqs = cloud.client("sqs")
        for message in sqs.receive_message(QueueUrl=queue).get("Messages", []):
            found.append(message["Body"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return bool(found)

    cloud.wait_until(received, f"{queue} has a message", SECONDS)
    return found


def test_every_alarm_tells_the_topic(deployment: Deployment) -> None:
    outputs = deployment.outputs()
    names = outputs["AlarmNames"].split(",")
    alarms = deployment.cloud.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    assert {alarm["AlarmName"] for alarm in alarms} == set(names)
    for alarm in alarms:
        assert alarm["AlarmActions"] == [outputs["AlarmsTopicArn"]], alarm["AlarmName"]


def test_an_alarm_reaches_a_subscriber(
    cloud: Cloud, deployment: Deployment, physical: Physical
) -> None:
    sqs, outputs = cloud.client("sqs"), deployment.outputs()
    topic = outputs["AlarmsTopicArn"]
    arn = topic.rpartition(":")[0].replace(":sns:", ":sqs:") + ":subscriber"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    queue = sqs.create_queue(QueueName="subscriber", Attributes={"Policy": policy})["QueueUrl"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    crash = {
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": outputs["BatchFunctionName"]}],
        "Value": 1.0,
    }
    cloud.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[crash])
    # The topic has notices of releases too.
    told = [json.loads(message)["Message"] for message in messages(cloud, queue)]
    while not any("NewStateValue" in text for text in told):
        told = [json.loads(message)["Message"] for message in messages(cloud, queue)]
    (notice,) = (json.loads(text) for text in told if "NewStateValue" in text)
    assert notice["AlarmName"] == physical("BatchErrorsAlarm")
    assert notice["NewStateValue"] == "ALARM"


def test_a_call_that_fails_at_every_try_is_kept(
    cloud: Cloud, deployment: Deployment, physical: Physical
) -> None:
    event = {"operation": "nothing that it knows"}
    cloud.client("lambda").invoke(
        FunctionName=deployment.outputs()["ReleaseFunctionName"],
        InvocationType="Event",
        Payload=json.dumps(event).encode(),
    )
    (kept,) = messages(cloud, physical("EventDeadLetters"))
    assert "nothing that it knows" in kept


def test_ids_are_hashed_with_the_generated_secret(
    deployment: Deployment, client: Keys, physical: Physical
) -> None:
    secrets = deployment.cloud.client("secretsmanager")
    secret = json.loads(secrets.get_secret_value(SecretId=physical("LogKey"))["SecretString"])
    key = secret["generation1"]
    assert len(key) == 64
    request = deployment.api(client).request("POST", "/v1/predict/churn", CUSTOMER)
    lines = [
        json.loads(line.message)
        for line in deployment.log("ApiFunctionName")
        if line.message.startswith("{") and request.headers["X-Request-Id"] in line.message
    ]
    hashed = IdHash(key, time.time)(CUSTOMER["customer_id"])
    assert [line["subject_hash"] for line in lines] == [hashed]


def test_another_generation_replaces_the_key(deployment: Deployment, tmp_path: Path) -> None:
    other = Deployment.prepared(deployment.cloud, deployment.folder, tmp_path / "keys", "keys")
    other.deploy()
    other.hold_releases()

    def key() -> str:
        name = other.outputs()["ApiFunctionName"]
        found = other.cloud.client("lambda").get_function_configuration(FunctionName=name)
        return str(found["Environment"]["Variables"]["MLOPS_LOG_KEY"])

    first = key()
    other.configure(LogKeyGeneration="2")
    other.deploy()
    assert len(key()) == 64
    assert key() != first
    other.delete()
