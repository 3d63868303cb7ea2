"""What the template promises of batch jobs: none lost, none in another's way, no needless right."""

from typing import Any

import pytest

from mlops.batch.job import JOBS, ROWS_PER_CHUNK, UPLOADS
from mlops.batch.progress import MESSAGE_RETENTION
from tests.template.resources import Resources, granted, of_type, paths

Properties = dict[str, Any]
DAY = 24 * 60 * 60


@pytest.fixture
def queue(resources: Resources) -> Properties:
    return of_type(resources, "AWS::SQS::Queue")["JobsQueue"]


@pytest.fixture
def dead_letters(resources: Resources) -> Properties:
    return of_type(resources, "AWS::SQS::Queue")["JobsDeadLetters"]


@pytest.fixture
def function(resources: Resources) -> Properties:
    return of_type(resources, "AWS::Serverless::Function")["BatchFunction"]


@pytest.fixture
def source(resources: Resources) -> Properties:
    (source,) = of_type(resources, "AWS::Lambda::EventSourceMapping").values()
    return source


def test_a_message_stays_unseen_for_six_times_the_time_out(
    queue: Properties, function: Properties, source: Properties
) -> None:
    window = source.get("MaximumBatchingWindowInSeconds", 0)
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"] + window


def test_what_has_used_up_its_tries_is_kept_for_longer_than_the_queue_keeps_anything(
    queue: Properties, dead_letters: Properties
) -> None:
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {
        "Fn::GetAtt": ["JobsDeadLetters", "Arn"]
    }
    longer = dead_letters["MessageRetentionPeriod"] - queue["MessageRetentionPeriod"]
    assert longer >= 7 * DAY


def test_the_function_knows_how_many_tries_a_message_has(
    template: Properties, queue: Properties, function: Properties
) -> None:
    tries = {"Ref": "BatchMaxReceives"}
    assert queue["RedrivePolicy"]["maxReceiveCount"] == tries
    assert function["Environment"]["Variables"]["MLOPS_MAX_RECEIVES"] == tries
    assert template["Parameters"]["BatchMaxReceives"]["Default"] == 3


def test_a_message_reaches_the_dead_letters_before_it_expires(
    template: Properties, queue: Properties
) -> None:
    """Also if each try has to wait for other jobs for six hours first."""
    tries = template["Parameters"]["BatchMaxReceives"]["MaxValue"]
    assert queue["MessageRetentionPeriod"] > tries * (queue["VisibilityTimeout"] + 6 * 3600)


def test_a_job_is_shown_as_failed_once_its_messages_have_expired(queue: Properties) -> None:
    assert queue["MessageRetentionPeriod"] == MESSAGE_RETENTION.total_seconds()


def test_the_chunks_of_a_job_are_limited(template: Properties) -> None:
    """Each step of a job lists its objects, four of a chunk: a page of S3 has 1,000."""
    chunks = template["Parameters"]["BatchMaxRows"]["MaxValue"] / ROWS_PER_CHUNK
    assert 4 * chunks < 1_000


def test_a_job_outlives_its_dead_letters(template: Properties, dead_letters: Properties) -> None:
    kept = template["Parameters"]["BatchRetentionDays"]["MinValue"]
    assert kept * DAY > dead_letters["MessageRetentionPeriod"]


def test_a_message_that_fails_does_not_take_the_others_of_its_poll_along(
    source: Properties,
) -> None:
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] == 1, "a function that is killed takes no other message with it"


def test_the_queue_feeds_the_alias_within_a_limit(template: Properties, source: Properties) -> None:
    assert source["EventSourceArn"] == {"Fn::GetAtt": ["JobsQueue", "Arn"]}
    assert source["FunctionName"] == {"Ref": "BatchLiveAlias"}
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "BatchMaxConcurrency"}}
    allowed = template["Parameters"]["BatchMaxConcurrency"]
    assert (allowed["MinValue"], allowed["MaxValue"]) == (2, 1000)  # what Lambda takes


def test_a_dead_letter_raises_an_alarm(resources: Resources) -> None:
    alarm = of_type(resources, "AWS::CloudWatch::Alarm")["DeadLettersAlarm"]
    assert alarm["Namespace"] == "AWS/SQS"
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert alarm["Dimensions"] == [
        {"Name": "QueueName", "Value": {"Fn::GetAtt": ["JobsDeadLetters", "QueueName"]}}
    ]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]


def test_alarms_are_encrypted_with_a_key_that_cloudwatch_may_use(resources: Resources) -> None:
    (topic,) = of_type(resources, "AWS::SNS::Topic").values()
    assert topic["KmsMasterKeyId"] == {"Ref": "AlarmsKey"}
    key = of_type(resources, "AWS::KMS::Key")["AlarmsKey"]
    services = {
        statement["Principal"].get("Service"): set(statement["Action"])
        for statement in key["KeyPolicy"]["Statement"]
    }
    assert services["cloudwatch.amazonaws.com"] == {"kms:Decrypt", "kms:GenerateDataKey*"}


def test_the_queues_are_encrypted_and_refuse_plain_http(resources: Resources) -> None:
    queues = of_type(resources, "AWS::SQS::Queue")
    assert all(queue["SqsManagedSseEnabled"] for queue in queues.values())
    policies = of_type(resources, "AWS::SQS::QueuePolicy").values()
    assert {queue["Ref"] for policy in policies for queue in policy["Queues"]} == set(queues)
    for policy in policies:
        (statement,) = (
            it for it in policy["PolicyDocument"]["Statement"] if it["Effect"] == "Deny"
        )
        assert statement["Action"] == "sqs:*"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_batch_function_writes_jobs_and_nothing_else(resources: Resources) -> None:
    may = granted(resources, "BatchRole")
    assert set(may) == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListBucket",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
    }
    for write in ("s3:PutObject", "s3:AbortMultipartUpload"):
        assert paths(may[write]) == {f"{JOBS}*"}  # neither models, registry nor uploads
    assert paths(may["s3:GetObject"]) == {"models/*", "batch/*"}
    assert may["s3:ListBucket"]["Condition"] == {
        "StringLike": {"s3:prefix": ["models/*", "batch/*"]}
    }
    assert may["sqs:ReceiveMessage"]["Resource"] == {"Fn::GetAtt": ["JobsQueue", "Arn"]}
    assert may["logs:PutLogEvents"]["Resource"] == {"Fn::GetAtt": ["BatchLogs", "Arn"]}


def test_all_that_is_written_of_jobs_is_below_one_prefix_which_expires(
    resources: Resources,
) -> None:
    rules = resources["Store"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (rule,) = (rule for rule in rules if rule["Id"] == "batch-jobs")
    assert JOBS.startswith(rule["Prefix"])
    assert UPLOADS.startswith(rule["Prefix"])
    assert rule["ExpirationInDays"] == {"Ref": "BatchRetentionDays"}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
