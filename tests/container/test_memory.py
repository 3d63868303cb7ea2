"""No body takes more memory than the smallest function of the template has: 512 MB."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops.inference.version import Pin
from tests.container.engine import Function, docker, running
from tests.unit.api.costly_bodies import COSTLY, numbered

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


def posted(path: str, body: bytes) -> dict[str, Any]:
    return {
        "version": "2.0",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": path}, "authorizer": SIGNED},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def test_the_function_survives_every_costly_body(function: Function) -> None:
    for name, (body, status) in COSTLY.items():
        answer = function.invoke(posted("/v1/predict/batch", body))
        assert answer.get("statusCode") == status, (name, answer)
    unknown = numbered()[:990_000].rpartition(b",")[0] + b"}"
    answer = function.invoke(posted("/v1/predict/churn", unknown))
    assert answer["statusCode"] == 422
    assert len(json.loads(answer["body"])["errors"]) == 50
    assert function.logs().count('"cold_start":true') == 1, "it was killed, and started again"
    (container,) = json.loads(docker("container", "inspect", function.container))
    assert container["State"]["OOMKilled"] is False
