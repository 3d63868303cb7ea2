"""Clients of AWS that nobody answers but a test."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.config import Config

REGION = "eu-west-1"
NOBODYS: dict[str, Any] = {
    "region_name": REGION,
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}


def attempts(number: int) -> Config:
    return Config(retries={"mode": "standard", "total_max_attempts": number})


class Body(io.BytesIO):
    """What an AWSResponse reads its content from."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def answer(status: int, content: object, error: str = "") -> AWSResponse:
    """A response in JSON. error: its code, where it is one."""
    found: dict[str, str] = {"x-amzn-ErrorType": error} if error else {}
    headers: Any = HeadersDict(found)  # what AWSResponse makes of its own anyway
    raw: Any = Body(json.dumps(content).encode())
    return AWSResponse("", status, headers, raw)


def play(client: Any, handler: Callable[[AWSPreparedRequest], AWSResponse]) -> None:
    """Let `handler` answer each attempt of a request; it may raise what a connection would."""
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-send.{service}", lambda request, **_: handler(request))
