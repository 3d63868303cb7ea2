"""Each HTTP request of events/*.json through the real runtime emulator, without a network."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from mlops.inference.version import Pin
from tests.container.engine import Function
from tests.project.files import ROOT

EVENTS = ROOT / "events"
OTHERS = ("sqs-", "batch-submission-", "local-batch")  # from the queue, and for `sam local invoke`
JSON, PROBLEM = "application/json", "application/problem+json"
EXPECTED = {
    "healthz": (200, JSON),
    "readyz": (200, JSON),
    "models": (200, JSON),
    "model": (200, JSON),
    "model-unknown": (404, PROBLEM),
    "openapi": (200, JSON),
    "predict": (200, JSON),
    "predict-full": (200, JSON),
    "predict-base64": (200, JSON),
    "predict-multi-value-headers": (200, JSON),
    "predict-invalid": (422, PROBLEM),
    "predict-malformed": (400, PROBLEM),
    "predict-not-utf8": (400, PROBLEM),
    "predict-empty": (400, PROBLEM),
    "predict-without-content-type": (415, PROBLEM),
    "predict-get": (405, PROBLEM),
    "path-root": (404, PROBLEM),
    "path-unknown": (404, PROBLEM),
    "path-trailing-slash": (404, PROBLEM),
    "path-double-slash": (404, PROBLEM),
    "path-not-ascii": (404, PROBLEM),
    "path-dots": (404, PROBLEM),
}


def event(name: str) -> dict[str, Any]:
    loaded = json.loads((EVENTS / f"{name}.json").read_text())
    assert isinstance(loaded, dict)
    return loaded


def body(answer: Mapping[str, Any]) -> dict[str, Any]:
    parsed = json.loads(answer["body"])
    assert isinstance(parsed, dict)
    return parsed


def test_every_event_has_its_expectation() -> None:
    names = {path.stem for path in EVENTS.glob("*.json") if not path.stem.startswith(OTHERS)}
    assert names == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_event(function: Function, name: str) -> None:
    status, media_type = EXPECTED[name]
    answer = function.invoke(event(name))
    assert answer["statusCode"] == status, answer
    assert answer["headers"]["content-type"] == media_type
    assert answer["isBase64Encoded"] is False
    assert body(answer)


def test_the_prediction(function: Function, churn_pin: Pin) -> None:
    answer = function.invoke(event("predict"))
    assert body(answer)["customer_id"] == "C12345"
    assert body(answer)["model_version"] == "churn-model-v1.0.0"
    assert 0 <= body(answer)["churn_probability"] <= 1
    assert answer["headers"]["model-digest"] == churn_pin.digest
    assert answer["headers"]["release"] == "$LATEST"


def test_a_base64_body_is_decoded(function: Function) -> None:
    assert body(function.invoke(event("predict-base64")))["customer_id"] == "Zoë"


def test_no_customer_id_reaches_the_logs(function: Function) -> None:
    function.invoke(event("predict"))
    assert "subject_hash" in function.logs()
    assert "C12345" not in function.logs()
