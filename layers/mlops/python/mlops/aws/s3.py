"""An object store in an S3 bucket."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, NoReturn

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mlops.aws.calls import session
from mlops.errors import (
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    StoreThrottled,
    StoreUnavailable,
)
from mlops.registry.objects import Stamped, Stat, check_key, check_prefix, is_key
from mlops.registry.pausing import jittered_pause, tries

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

# "standard" counts throttling among what it retries, and backs off with jitter: up to a second
# after the first attempt, two after the second, and so on. A Lambda's init has ten seconds: three
# attempts that wait two seconds each for an answer, and the pauses between them, take nine.
_QUICK = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 3},
)
# Where nobody waits for an answer in the next second, an outage may be longer.
_PATIENT = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
)
_NOT_FOUND = frozenset({"NoSuchKey", "404"})
_TAKEN = frozenset({"PreconditionFailed", "412"})
# Two conditional writes of one key at the same moment: neither was judged, S3 asks to try again.
_UNDECIDED = frozenset({"ConditionalRequestConflict", "409"})
_THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"})
_UNDECIDED_TRIES = 5
_PART_BYTES = 8 * 1024 * 1024
"""Of a multipart upload; S3 takes no fewer than 5 MiB, and no more than 10,000 parts."""


def s3_client(*, patient: bool = False) -> "S3Client":
    """A client set up by the AWS CLI's environment variables and files.

    patient: for those who can wait, a worker or a person; a start of the API cannot.
    Raises StoreUnavailable where variables or files are wrong.
    """
    try:
        return session().client("s3", config=_PATIENT if patient else _QUICK)
    except (BotoCoreError, ValueError) as error:  # the latter of an endpoint that is no URL
        raise StoreUnavailable("s3", str(error)) from error


class BucketObjects:
    """Implements `ObjectStore`; an object's tag is its ETag."""

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        prefix: str = "",
        pause: Callable[[int], None] = jittered_pause,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._pause = pause

    def get(self, key: str) -> Stamped:
        check_key(key)
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            return Stamped(found["Body"].read(), found["ETag"])
        except (ClientError, BotoCoreError) as error:
            if _code(error) in _NOT_FOUND:
                raise ObjectNotFound(key) from error
            _refuse(key, error)

    def stat(self, key: str) -> Stat:
        check_key(key)
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
            return Stat(found["ETag"], found["ContentLength"])
        except (ClientError, BotoCoreError) as error:
            if _code(error) in _NOT_FOUND:
                raise ObjectNotFound(key) from error
            _refuse(key, error)

    def create(self, key: str, content: bytes) -> None:
        check_key(key)
        for _ in tries(_UNDECIDED_TRIES, self._pause):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=self._prefix + key, Body=content, IfNoneMatch="*"
                )
            except (ClientError, BotoCoreError) as error:
                if _code(error) in _TAKEN:
                    raise ObjectExists(key) from error
                if _code(error) in _UNDECIDED:
                    continue
                _refuse(key, error)
            return
        raise StoreUnavailable(key, f"undecided after {_UNDECIDED_TRIES} conditional writes")

    def create_from(self, key: str, blocks: Iterable[bytes]) -> None:
        parts = _parts(blocks)
        first, second = next(parts, b""), next(parts, None)
        if second is None:
            self.create(key, first)
        else:
            self._create_in_parts(key, chain((first, second), parts))

    def _create_in_parts(self, key: str, parts: Iterable[bytes]) -> None:
        """Upload the parts of an object. What is left of a failed upload expires in a day."""
        check_key(key)
        bucket, path = self._bucket, self._prefix + key
        try:
            begun = self._client.create_multipart_upload(Bucket=bucket, Key=path)
            upload = begun["UploadId"]
            try:
                sent: list[CompletedPartTypeDef] = []
                for number, part in enumerate(parts, 1):
                    answer = self._client.upload_part(
                        Bucket=bucket, Key=path, UploadId=upload, PartNumber=number, Body=part
                    )
                    sent.append({"PartNumber": number, "ETag": answer["ETag"]})
                    # S3 wants back the checksum that boto3 adds to each part.
                    if "ChecksumCRC32" in answer:
                        sent[-1]["ChecksumCRC32"] = answer["ChecksumCRC32"]
                self._client.complete_multipart_upload(
                    Bucket=bucket,
                    Key=path,
                    UploadId=upload,
                    MultipartUpload={"Parts": sent},
                    IfNoneMatch="*",
                )
            except BaseException:
                with suppress(ClientError, BotoCoreError):
                    self._client.abort_multipart_upload(Bucket=bucket, Key=path, UploadId=upload)
                raise
        except (ClientError, BotoCoreError) as error:
            if _code(error) in _TAKEN:
                raise ObjectExists(key) from error
            _refuse(key, error)

    def replace(self, key: str, content: bytes, tag: str | None) -> None:
        check_key(key)
        try:
            if tag is None:
                self._client.put_object(
                    Bucket=self._bucket, Key=self._prefix + key, Body=content, IfNoneMatch="*"
                )
            else:
                self._client.put_object(
                    Bucket=self._bucket, Key=self._prefix + key, Body=content, IfMatch=tag
                )
        except (ClientError, BotoCoreError) as error:
            # If-Match answers 404 where the object is gone.
            if _code(error) in _TAKEN | _UNDECIDED | _NOT_FOUND:
                raise ObjectChanged(key) from error
            _refuse(key, error)

    def keys(self, prefix: str) -> Iterator[str]:
        check_prefix(prefix)
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        try:
            for page in pages:
                for entry in page.get("Contents", []):
                    key = entry["Key"].removeprefix(self._prefix)
                    if is_key(key):  # S3's console marks a folder by an object whose name ends in /
                        yield key
        except (ClientError, BotoCoreError) as error:
            _refuse(prefix, error)


def _parts(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in parts of 8 MiB; the last may be smaller."""
    part = bytearray()
    for block in blocks:
        part += block
        while len(part) >= _PART_BYTES:
            yield bytes(part[:_PART_BYTES])
            del part[:_PART_BYTES]
    if part:
        yield bytes(part)


def _code(error: ClientError | BotoCoreError) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else ""


def _refuse(key: str, error: ClientError | BotoCoreError) -> NoReturn:
    if _code(error) in _THROTTLED:
        raise StoreThrottled(key, "S3 still throttles after the last retry") from error
    raise StoreUnavailable(key, str(error)) from error
