"""One AWS a session, with the bucket, the queues and the batch function of the template."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlops.inference.version import Pin
from tests.container.engine import require_engine
from tests.container.images import mark_container_tests
from tests.rehearsal.ministack import REGION, Cloud, ministack, wait_until

BUCKET = "store"
TRIES = 3
# The template's is 720; what fails here is to be tried again soon. Long enough, though, that what
# succeeds is not received a second time on a machine that is busy.
VISIBILITY_SECONDS = 10
ROLE = "arn:aws:iam::000000000000:role/batch"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_container_tests(items, Path(__file__).parent)


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    require_engine("no rehearsal was run, so a job on a real queue is unproved")


@dataclass(frozen=True)
class Stack:
    """queue, dead_letters: their URLs."""

    cloud: Cloud
    queue: str
    dead_letters: str

    def put(self, key: str, content: bytes) -> str:
        """Its URL."""
        self.cloud.s3().put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"s3://{BUCKET}/{key}"

    def get(self, key: str) -> bytes:
        return self.cloud.s3().get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def has(self, key: str) -> bool:
        found = self.cloud.s3().list_objects_v2(Bucket=BUCKET, Prefix=key)
        return any(entry["Key"] == key for entry in found.get("Contents", []))

    def send(self, *messages: str) -> None:
        entries: list[Any] = [
            {"Id": str(number), "MessageBody": message} for number, message in enumerate(messages)
        ]
        answer = self.cloud.sqs().send_message_batch(QueueUrl=self.queue, Entries=entries)
        assert len(answer["Successful"]) == len(messages)

    def submit(self, job_id: str, **what: object) -> None:
        message = {"job_id": job_id, "model": "churn", "submitted_by": "rehearsal", **what}
        self.send(json.dumps(message))

    def summary(self, job_id: str, seconds: float = 60) -> dict[str, Any]:
        """Waits for it."""
        key = f"batch/jobs/{job_id}/summary.json"
        wait_until(lambda: self.has(key), f"{job_id} is done", self.cloud, seconds)
        found = json.loads(self.get(key))
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, batch_image: str, emulator: Path, churn_pin: Pin
) -> Iterator[Stack]:
    with ministack(tmp_path_factory.mktemp("ministack"), emulator) as cloud:
        yield made(cloud, batch_image, churn_pin)


def made(cloud: Cloud, image: str, pin: Pin) -> Stack:
    cloud.s3().create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    sqs = cloud.sqs()
    dead_letters = sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
    redrive = {"deadLetterTargetArn": arn(cloud, dead_letters), "maxReceiveCount": TRIES}
    queue = sqs.create_queue(
        QueueName="jobs",
        Attributes={
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "RedrivePolicy": json.dumps(redrive),
        },
    )["QueueUrl"]
    functions: Any = cloud.session.client("lambda", endpoint_url=cloud.url)
    functions.create_function(
        FunctionName="batch",
        PackageType="Image",
        Code={"ImageUri": image},
        Role=ROLE,
        Timeout=120,
        Environment={
            "Variables": {
                "MLOPS_STORE": f"s3://{BUCKET}",
                "MLOPS_QUEUE": queue,
                "MLOPS_PINS": str(pin),
                "MLOPS_MAX_RECEIVES": str(TRIES),
                "POWERTOOLS_SERVICE_NAME": "batch",
            }
        },
    )
    version = functions.publish_version(FunctionName="batch")["Version"]
    alias = functions.create_alias(FunctionName="batch", Name="live", FunctionVersion=version)
    functions.create_event_source_mapping(
        FunctionName=alias["AliasArn"],
        EventSourceArn=arn(cloud, queue),
        BatchSize=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 2},
    )
    return Stack(cloud, queue, dead_letters)


def arn(cloud: Cloud, queue: str) -> str:
    found = cloud.sqs().get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return found["Attributes"]["QueueArn"]
