"""What all calls of AWS share: bounded time-outs, retries, and one error for what goes wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mlops.errors import CloudUnavailable

# As for S3: bounded, and "standard" counts throttling among what it retries.
CONFIG = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
)


@contextmanager
def opening(service: str) -> Iterator[None]:
    """Raises CloudUnavailable where the AWS CLI's environment variables or files are wrong."""
    try:
        yield
    except (BotoCoreError, ValueError) as error:  # the latter of an endpoint that is no URL
        raise CloudUnavailable(service, str(error)) from error


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Raises CloudUnavailable where `what` cannot be used."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise CloudUnavailable(what, str(error)) from error


def code_of(error: ClientError) -> str:
    return error.response["Error"]["Code"]
