"""Notices that SNS takes."""

import json
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from mlops.aws.notices import TopicNotices
from mlops.errors import CloudUnavailable
from tests.unit.aws.playing import NOBODYS, attempts

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

TOPIC = "arn:aws:sns:eu-west-1:123456789012:notices"


def client() -> "SNSClient":
    return boto3.client("sns", config=attempts(1), **NOBODYS)


def test_who_subscribes_gets_them() -> None:
    with mock_aws():
        sns, sqs = client(), boto3.client("sqs", **NOBODYS)
        topic = sns.create_topic(Name="notices")["TopicArn"]
        queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
        arn = f"{topic.replace(':sns:', ':sqs:').removesuffix('notices')}inbox"
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        TopicNotices(sns, topic).send("Rolled back", "Größer\nals vorher")
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    notice = json.loads(message["Body"])
    assert (notice["Subject"], notice["Message"]) == ("Rolled back", "Größer\nals vorher")


@pytest.mark.parametrize(
    ("subject", "sent"),
    [
        ("x" * 101, "x" * 100),
        ("Größer", "Gr??er"),
        (" two\nlines\t", "two lines"),
    ],
)
def test_subjects_are_short_lines_of_ascii(subject: str, sent: str) -> None:
    sns = client()
    with Stubber(sns) as stubber:
        asked = {"TopicArn": TOPIC, "Subject": sent, "Message": "text"}
        stubber.add_response("publish", {"MessageId": "1"}, asked)
        TopicNotices(sns, TOPIC).send(subject, "text")
        stubber.assert_no_pending_responses()


def test_a_topic_that_cannot_be_used() -> None:
    sns = client()
    with Stubber(sns) as stubber:
        stubber.add_client_error("publish", "KMSAccessDenied")
        with pytest.raises(CloudUnavailable, match=f"^{TOPIC}: .*KMSAccessDenied"):
            TopicNotices(sns, TOPIC).send("subject", "text")
