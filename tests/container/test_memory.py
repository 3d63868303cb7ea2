"""No body takes more memory than the smallest function of the template has: 512 MB."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops.inference.version import Pin
from tests.container.engine import Function, docker, running
from tests.unit.api.costly_bodies import costly_bodies, numbered

EVENT_BYTES = 6 * 1024 * 1024  # that Lambda takes
SIGNED = {"iam": {"userArn": "arn:aws:iam::123456789012:user/alice"}}


@pytest.fixture(scope="module")
def function(image: str, emulator: Path, churn_pin: Pin) -> Iterator[Function]:
    """The function with a store and a queue on its own disk."""
    environment = {
        "MLOPS_PINS": str(churn_pin),
        "MLOPS_STORE": "/tmp/store",  # noqa: S108 -- of the container
        "MLOPS_QUEUE": "/tmp/queue",  # noqa: S108 -- of the container
    }
    with running(image, environment, emulator=emulator) as function:
        yield function


def posted(path: str, body: bytes, *, as_base64: bool = False) -> dict[str, Any]:
    return {
        "version": "2.0",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": path}, "authorizer": SIGNED},
        "body": base64.b64encode(body).decode() if as_base64 else body.decode(),
        "isBase64Encoded": as_base64,
    }


def submissions() -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield the largest event with each costly body that Lambda takes, and the answer's status.

    In text each quotation mark and backslash takes two bytes. In base64 all take a third more.
    """
    small = costly_bodies(EVENT_BYTES * 3 // 4 - 1_000)
    for name, (make, status) in costly_bodies(5_900_000).items():
        event = posted("/v1/predict/batch", make())
        if len(json.dumps(event)) > EVENT_BYTES:
            make_smaller, _ = small[name]
            event = posted("/v1/predict/batch", make_smaller(), as_base64=True)
        yield name, event, status


def test_the_function_survives_every_costly_body(function: Function) -> None:
    for name, event, status in submissions():
        answer = function.invoke(event)
        assert answer.get("statusCode") == status, (name, answer)
    unknown = numbered(b"{", b"}", 990_000)
    answer = function.invoke(posted("/v1/predict/churn", unknown))
    assert answer["statusCode"] == 422
    assert len(json.loads(answer["body"])["errors"]) == 50
    assert function.logs().count('"cold_start":true') == 1, "it was killed, and started again"
    (container,) = json.loads(docker("container", "inspect", function.container))
    assert container["State"]["OOMKilled"] is False
