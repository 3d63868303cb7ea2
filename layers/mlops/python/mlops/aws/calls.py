"""What all calls of AWS share: the region, bounded time-outs, retries, one error for what fails."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mlops.errors import CloudUnavailable
from mlops.models.characters import find_other_than_visible_ascii

# As for S3: bounded, and "standard" counts throttling among what it retries.
CONFIG = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
)

_VARIABLES = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
"""What becomes a part of a URL or a header."""


def session() -> boto3.Session:
    """Set up by the AWS CLI's environment variables and files: in its region, too.

    There AWS_REGION wins; boto3 knows AWS_DEFAULT_REGION alone.
    Raises BotoCoreError where variables or files are wrong; ValueError where a variable holds a
    character that no URL or header has. The variable's value is not shown.
    """
    for name in _VARIABLES:
        if found := find_other_than_visible_ascii(os.environ.get(name, "")):
            raise ValueError(f"{name} contains {found}; set it again without it")
    return boto3.Session(region_name=os.environ.get("AWS_REGION") or None)


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
