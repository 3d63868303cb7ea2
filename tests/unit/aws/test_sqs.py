"""What SQS may answer, and what becomes of it."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws

from mlops.aws.sqs import SqsQueue, group_of, sqs_client
from mlops.errors import MlopsError, StoreThrottled, StoreUnavailable
from tests.unit.fakes import no_pause

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"
MIB = 1024 * 1024


def client() -> "SQSClient":
    return boto3.client(
        "sqs",
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 # nobody's
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )


class PlayedSqs:
    """Answers `SendMessageBatch`. answers: for each request, codes of failure by entry's id.

    A code with an exclamation mark is the sender's fault.
    """

    def __init__(self, *answers: dict[str, str] | str | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[list[dict[str, str]]] = []

    def client(self) -> "SQSClient":
        made = client()
        hooks: Any = made.meta.events  # typed as if an answer were of no use
        hooks.register("before-call.sqs.SendMessageBatch", self.answer)
        return made

    def answer(self, params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]]:
        entries = json.loads(params["body"])["Entries"]
        self.requests.append(entries)
        answer = self._answers.pop(0) if self._answers else {}
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return Status(400), {"Error": {"Code": answer, "Message": "no"}}
        failed = [
            {"Id": key, "Code": code.strip("!"), "SenderFault": code.endswith("!")}
            for key, code in answer.items()
        ]
        return Status(200), {"Successful": [], **({"Failed": failed} if failed else {})}

    def bodies(self) -> list[list[str]]:
        return [[entry["MessageBody"] for entry in entries] for entries in self.requests]


class Status:
    """What botocore looks at of an HTTP response."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def receive(sqs: "SQSClient", url: str) -> Any:
    """Receive messages; they keep the group that a fair queue goes by."""
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
    )
    found = answer.get("Messages", [])
    assert all(m["Attributes"]["MessageGroupId"] == group_of("ann") for m in found)
    return found


def refused(*_: object) -> None:
    raise AssertionError("there was nothing to wait for")


@pytest.fixture
def received() -> Iterator[tuple[SqsQueue, "SQSClient", str]]:
    """A queue in simulated SQS, by its sending end and its receiving one."""
    with mock_aws():
        sqs = client()
        url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
        yield SqsQueue(sqs, url, pause=refused), sqs, url


def test_what_is_sent_can_be_received(received: tuple[SqsQueue, "SQSClient", str]) -> None:
    queue, sqs, url = received
    bodies = [json.dumps({"job_id": "a", "chunk": chunk}) for chunk in range(101)]
    queue.send(bodies, "ann")
    found: list[str] = []
    while messages := receive(sqs, url):
        found += [message["Body"] for message in messages]
    assert sorted(found) == sorted(bodies)


def test_messages_of_an_owner_are_a_group_of_their_own() -> None:
    """By the group SQS is fair: an owner with many tasks does not hold up the others."""
    sqs = PlayedSqs()
    queue = SqsQueue(sqs.client(), URL, pause=refused)
    ann, bob = "arn:aws:iam::123456789012:user/ann", "é" * 256
    queue.send([str(number) for number in range(11)], ann)
    queue.send(["a"], bob)
    groups = [{entry["MessageGroupId"] for entry in request} for request in sqs.requests]
    assert groups == [{group_of(ann)}, {group_of(ann)}, {group_of(bob)}]
    assert group_of(ann) != group_of(bob)
    for owner in (ann, bob):  # what SQS takes for a group's name
        assert re.fullmatch("[A-Za-z0-9]{1,128}", group_of(owner))


def test_nothing_to_send_is_no_request() -> None:
    sqs = PlayedSqs()
    SqsQueue(sqs.client(), URL, pause=refused).send([], "ann")
    assert sqs.requests == []


def test_ten_go_at_once() -> None:
    sqs = PlayedSqs()
    SqsQueue(sqs.client(), URL, pause=refused).send([str(number) for number in range(21)], "ann")
    assert [len(request) for request in sqs.requests] == [10, 10, 1]
    assert sum(sqs.bodies(), []) == [str(number) for number in range(21)]


@pytest.mark.parametrize("letter", ["a", "é"])  # it is bytes that count
def test_no_request_is_above_a_mebibyte(letter: str) -> None:
    third = letter * (MIB // 3 // len(letter.encode()))
    sqs = PlayedSqs()
    SqsQueue(sqs.client(), URL, pause=refused).send([third] * 7, "ann")
    assert [len(request) for request in sqs.requests] == [3, 3, 1]
    assert all(sum(len(body.encode()) for body in bodies) <= MIB for bodies in sqs.bodies())


def test_what_alone_fills_a_request_goes_alone() -> None:
    sqs = PlayedSqs()
    SqsQueue(sqs.client(), URL, pause=refused).send(["a", "b" * MIB, "c"], "ann")
    assert [len(request) for request in sqs.requests] == [1, 1, 1]


def test_only_what_failed_is_sent_again() -> None:
    sqs, pauses = PlayedSqs({"1": "InternalError", "2": "ThrottlingException"}), list[int]()
    SqsQueue(sqs.client(), URL, pause=pauses.append).send(["a", "b", "c"], "ann")
    assert sqs.bodies() == [["a", "b", "c"], ["b", "c"]]
    assert pauses == [0]


@pytest.mark.parametrize(
    ("code", "error"),
    [("InternalError", StoreUnavailable), ("ThrottlingException", StoreThrottled)],
)
def test_it_is_not_tried_for_ever(code: str, error: type[MlopsError]) -> None:
    sqs, pauses = PlayedSqs(*[{"1": code}] * 100), list[int]()
    with pytest.raises(error, match=f"1 messages not sent after 5 tries: {code}"):
        SqsQueue(sqs.client(), URL, pause=pauses.append).send(["a", "b"], "ann")
    # The second entry keeps its id, so it fails each time.
    assert sqs.bodies() == [["a", "b"], ["b"], ["b"], ["b"], ["b"]]
    assert pauses == [0, 1, 2, 3]


def test_throttled_and_broken_is_broken() -> None:
    answer = {"0": "InternalError", "1": "ThrottlingException"}
    sqs = PlayedSqs(*[answer] * 100)
    with pytest.raises(StoreUnavailable, match="InternalError, ThrottlingException"):
        SqsQueue(sqs.client(), URL, pause=no_pause).send(["a", "b"], "ann")


def test_what_can_never_be_sent_is_not_tried_again() -> None:
    sqs = PlayedSqs({"0": "InvalidMessageContents!"})
    with pytest.raises(StoreUnavailable, match="InvalidMessageContents"):
        SqsQueue(sqs.client(), URL, pause=refused).send(["\0"], "ann")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("AccessDenied", StoreUnavailable),
        ("AWS.SimpleQueueService.NonExistentQueue", StoreUnavailable),
        ("ThrottlingException", StoreThrottled),
        ("RequestThrottled", StoreThrottled),
        (ReadTimeoutError(endpoint_url="https://sqs"), StoreUnavailable),
    ],
)
def test_a_queue_that_cannot_be_used(answer: str | Exception, error: type[MlopsError]) -> None:
    sqs = PlayedSqs(answer)
    with pytest.raises(error) as caught:
        SqsQueue(sqs.client(), URL, pause=refused).send(["a"], "ann")
    assert type(caught.value) is error
    assert caught.value.__cause__ is not None
    assert str(caught.value).startswith(URL)


def test_a_profile_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(StoreUnavailable, match="no-such-profile"):
        sqs_client()


def test_the_client_is_patient_within_bounds(aws_settings: pytest.MonkeyPatch) -> None:
    config: Any = sqs_client().meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 4}
    assert (config.connect_timeout, config.read_timeout) == (2, 5)


def test_an_endpoint_that_is_no_url(aws_settings: pytest.MonkeyPatch) -> None:
    aws_settings.setenv("AWS_ENDPOINT_URL", "garbage")
    with pytest.raises(StoreUnavailable, match="garbage"):
        sqs_client()
