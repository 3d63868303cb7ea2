"""What S3 may answer, and what becomes of it. The answers are played; no request leaves."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from mlops.aws.links import presigning_client
from mlops.aws.s3 import BucketObjects, s3_client
from mlops.errors import (
    MlopsError,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    StoreThrottled,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

KEY = "models/churn-model-v1.0.0/model.onnx"
TAG = '"0123456789abcdef0123456789abcdef"'

OK = (200, "")
CONFLICT = (409, "ConditionalRequestConflict")
TAKEN = (412, "PreconditionFailed")
GONE = (404, "NoSuchKey")
DENIED = (403, "AccessDenied")
NO_BUCKET = (404, "NoSuchBucket")
THROTTLED = (503, "SlowDown")
BROKEN = (500, "InternalError")


class Body(io.BytesIO):
    """What an AWSResponse reads its content from."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


class PlayedS3:
    """Answers requests with what it was given, one after the other, and keeps the requests."""

    def __init__(self, *answers: tuple[int, str] | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[AWSPreparedRequest] = []

    def client(self) -> "S3Client":
        # One attempt: this is not about botocore's own retries.
        client = boto3.client(
            "s3",
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 # nobody's
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )
        hooks: Any = client.meta.events  # typed as if an answer were of no use
        hooks.register("before-send.s3", self.answer)
        return client

    def answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, code = answer
        body = code if code.startswith("<") else f"<Error><Code>{code}</Code></Error>"
        headers: Any = HeadersDict({"ETag": TAG})  # what AWSResponse makes of its own anyway
        return AWSResponse(request.url, status, headers, Body(body.encode() if code else b""))

    def headers(self, name: str) -> list[str | None]:
        values: list[Any] = [request.headers.get(name) for request in self.requests]
        return [value.decode() if isinstance(value, bytes) else value for value in values]


def refused(*_: object) -> None:
    raise AssertionError("there was nothing to wait for")


_RESULT = "InitiateMultipartUploadResult"
BEGUN = (200, f"<{_RESULT}><UploadId>u1</UploadId></{_RESULT}>")
COMPLETED = (200, "<CompleteMultipartUploadResult/>")
ABORTED = (204, "")

OPERATIONS: dict[str, Callable[[BucketObjects], object]] = {
    "get": lambda objects: objects.get(KEY),
    "create": lambda objects: objects.create(KEY, b"content"),
    "create from blocks": lambda objects: objects.create_from(KEY, [b"con", b"tent"]),
    "create by replacing": lambda objects: objects.replace(KEY, b"content", None),
    "replace": lambda objects: objects.replace(KEY, b"content", TAG),
    "keys": lambda objects: list(objects.keys("models/")),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (DENIED, StoreUnavailable),
        (NO_BUCKET, StoreUnavailable),
        (BROKEN, StoreUnavailable),
        (ReadTimeoutError(endpoint_url="https://s3"), StoreUnavailable),
        (THROTTLED, StoreThrottled),
    ],
)
def test_a_store_that_cannot_be_used(
    operation: str, answer: tuple[int, str] | Exception, error: type[MlopsError]
) -> None:
    s3 = PlayedS3(answer)
    with pytest.raises(error) as caught:
        OPERATIONS[operation](BucketObjects(s3.client(), "bucket", pause=refused))
    assert type(caught.value) is error
    assert caught.value.__cause__ is not None
    assert str(caught.value).startswith("models/")


@pytest.mark.parametrize(
    ("operation", "answer", "error"),
    [
        ("get", GONE, ObjectNotFound),
        ("create", TAKEN, ObjectExists),
        ("create by replacing", TAKEN, ObjectChanged),
        ("create by replacing", CONFLICT, ObjectChanged),
        ("replace", TAKEN, ObjectChanged),
        ("replace", CONFLICT, ObjectChanged),
        ("replace", GONE, ObjectChanged),
    ],
)
def test_a_condition_that_does_not_hold(
    operation: str, answer: tuple[int, str], error: type[MlopsError]
) -> None:
    s3 = PlayedS3(answer)
    with pytest.raises(error) as caught:
        OPERATIONS[operation](BucketObjects(s3.client(), "bucket", pause=refused))
    assert type(caught.value) is error
    assert len(s3.requests) == 1


def test_each_write_carries_its_condition() -> None:
    s3 = PlayedS3(OK, OK, OK)
    objects = BucketObjects(s3.client(), "bucket", "team/", pause=refused)
    objects.create(KEY, b"content")
    objects.replace(KEY, b"content", None)
    objects.replace(KEY, b"content", TAG)
    assert s3.headers("If-None-Match") == ["*", "*", None]
    assert s3.headers("If-Match") == [None, None, TAG]
    assert all(request.url.endswith(f"/team/{KEY}") for request in s3.requests)


@pytest.mark.parametrize("conflicts", [1, 4])
def test_a_creation_that_s3_could_not_judge_is_tried_again(conflicts: int) -> None:
    s3, pauses = PlayedS3(*[CONFLICT] * conflicts, OK), list[int]()
    BucketObjects(s3.client(), "bucket", pause=pauses.append).create(KEY, b"content")
    assert pauses == list(range(conflicts))
    assert s3.headers("If-None-Match") == ["*"] * (conflicts + 1)


def test_a_creation_that_somebody_else_won_after_all() -> None:
    s3, pauses = PlayedS3(CONFLICT, TAKEN), list[int]()
    with pytest.raises(ObjectExists):
        BucketObjects(s3.client(), "bucket", pause=pauses.append).create(KEY, b"content")
    assert pauses == [0]


def test_conflicts_end_after_five_tries() -> None:
    s3, pauses = PlayedS3(*[CONFLICT] * 100), list[int]()
    with pytest.raises(StoreUnavailable):
        BucketObjects(s3.client(), "bucket", pause=pauses.append).create(KEY, b"content")
    assert len(s3.requests) == 5
    assert pauses == [0, 1, 2, 3]


def create_large(s3: PlayedS3) -> None:
    """Create an object of 20 million bytes: three parts of at most 8 MiB."""
    objects = BucketObjects(s3.client(), "bucket", "team/", pause=refused)
    objects.create_from(KEY, [b"x" * 5_000_000] * 4)


def test_a_large_object_is_sent_in_parts_and_appears_only_if_it_does_not_exist() -> None:
    s3 = PlayedS3(BEGUN, OK, OK, OK, COMPLETED)
    create_large(s3)
    assert all(f"/team/{KEY}?" in request.url for request in s3.requests)
    queries = [parse_qs(urlsplit(request.url).query) for request in s3.requests]
    assert [query.get("partNumber") for query in queries] == [None, ["1"], ["2"], ["3"], None]
    assert s3.headers("If-None-Match") == [None, None, None, None, "*"]
    completed = s3.requests[-1].body
    assert isinstance(completed, bytes)
    assert completed.count(b"<ETag>") == 3


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((THROTTLED,), StoreThrottled),
        ((BEGUN, OK, BROKEN, ABORTED), StoreUnavailable),
        ((BEGUN, OK, THROTTLED, DENIED), StoreThrottled),  # nor can it be aborted
        ((BEGUN, OK, OK, OK, TAKEN, ABORTED), ObjectExists),
        ((BEGUN, OK, OK, OK, CONFLICT, ABORTED), StoreUnavailable),
        ((BEGUN, OK, OK, OK, NO_BUCKET, ABORTED), StoreUnavailable),
    ],
)
def test_a_large_object_that_cannot_be_written_is_aborted(
    answers: tuple[tuple[int, str], ...], error: type[MlopsError]
) -> None:
    s3 = PlayedS3(*answers)
    with pytest.raises(error) as caught:
        create_large(s3)
    assert type(caught.value) is error
    methods = [request.method for request in s3.requests]
    assert len(methods) == len(answers)
    assert ("DELETE" in methods) is (len(answers) > 1)


def test_keys_come_from_every_page() -> None:
    def page(key: str, more: str) -> tuple[int, str]:
        entry = f"<Contents><Key>team/models/{key}</Key></Contents>"
        return 200, f"<ListBucketResult>{more}{entry}</ListBucketResult>"

    truncated = "<IsTruncated>true</IsTruncated><NextContinuationToken>2</NextContinuationToken>"
    s3 = PlayedS3(page("a", truncated), page("b", "<IsTruncated>false</IsTruncated>"))
    objects = BucketObjects(s3.client(), "bucket", "team/", pause=refused)
    assert list(objects.keys("models/")) == ["models/a", "models/b"]
    assert "prefix=team%2Fmodels%2F" in s3.requests[0].url
    assert "continuation-token=2" in s3.requests[1].url


def test_no_credentials_are_a_store_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with pytest.raises(StoreUnavailable, match="credentials"):
        BucketObjects(s3_client(), "bucket", pause=refused).get(KEY)


@pytest.mark.parametrize("endpoint", ["garbage", "http://", "http://[::1", "ftp://x", "http://x:y"])
def test_an_endpoint_that_is_no_url(aws_settings: pytest.MonkeyPatch, endpoint: str) -> None:
    aws_settings.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(StoreUnavailable) as caught:
        BucketObjects(s3_client(), "bucket", pause=refused).get(KEY)
    assert endpoint in str(caught.value) or "Invalid IPv6 URL" in str(caught.value)


def test_links_from_an_endpoint_that_is_no_url(aws_settings: pytest.MonkeyPatch) -> None:
    aws_settings.setenv("AWS_ENDPOINT_URL", "garbage")
    with pytest.raises(StoreUnavailable, match="garbage"):
        presigning_client()


def test_a_client_of_the_api_gives_up_within_a_lambdas_init(
    aws_settings: pytest.MonkeyPatch,
) -> None:
    seconds = {patient: longest(s3_client(patient=patient)) for patient in (False, True)}
    assert seconds[False] < 10 < seconds[True]


def longest(client: "S3Client") -> float:
    """Seconds until it gives up on a server that never answers, its longest pauses included."""
    config: Any = client.meta.config
    attempts: int = config.retries["total_max_attempts"]
    assert config.retries["mode"] == "standard"
    pauses = sum(2.0**number for number in range(attempts - 1))
    seconds: float = max(config.connect_timeout, config.read_timeout)
    return attempts * seconds + pauses


def test_a_profile_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(StoreUnavailable, match="no-such-profile"):
        s3_client()
