"""Links to objects of a bucket: URLs that carry a signature and end with it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mlops.aws.calls import session
from mlops.batch.ports import Link
from mlops.errors import StoreUnavailable
from mlops.registry.objects import check_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Of themselves, botocore's links would have the old signature, which newer regions refuse.
_SIGNATURE = "s3v4"


def presigning_client() -> "S3Client":
    """A client whose links name the bucket's own region, or the endpoint that is set up instead.

    Raises StoreUnavailable where the AWS CLI's environment variables and files are wrong.
    """
    try:
        aws = session()
        client = aws.client("s3", config=Config(signature_version=_SIGNATURE))
        if not client.meta.endpoint_url.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return client
        # Else links name the global endpoint. That redirects to where a new bucket lies, which the
        # signature does not survive.
        regional = Config(signature_version=_SIGNATURE, s3={"addressing_style": "virtual"})
        return aws.client("s3", config=regional)
    except (BotoCoreError, ValueError) as error:  # the latter of an endpoint that is no URL
        raise StoreUnavailable("s3", str(error)) from error


class PresignedLinks:
    """Implements `Links`.

    seconds: that links live, at most; one ends with the credentials that signed it.
    now: aware, UTC.
    """

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        prefix: str,
        *,
        seconds: int,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._seconds = seconds
        self._now = now

    def upload(self, key: str, size: int) -> Link:
        # Both headers are signed, so S3 refuses a request with others: one of another size, and
        # one that would overwrite an object.
        conditions = {"ContentLength": size, "IfNoneMatch": "*"}
        headers = {"Content-Length": str(size), "If-None-Match": "*"}
        return self._link("put_object", key, conditions, headers)

    def download(self, key: str) -> Link:
        return self._link("get_object", key, {}, {})

    def _link(
        self,
        operation: Literal["get_object", "put_object"],
        key: str,
        conditions: Mapping[str, object],
        headers: Mapping[str, str],
    ) -> Link:
        check_key(key)
        # A signature knows whole seconds; the link lives no shorter than it says.
        signed_at = self._now().replace(microsecond=0)
        try:
            url = self._client.generate_presigned_url(
                operation,
                Params={"Bucket": self._bucket, "Key": self._prefix + key, **conditions},
                ExpiresIn=self._seconds,
            )
        except (BotoCoreError, ClientError) as error:
            raise StoreUnavailable(key, str(error)) from error
        return Link(url, signed_at + timedelta(seconds=self._seconds), headers)
