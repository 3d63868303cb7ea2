"""The Lambda's entry point in a process of its own, as at a cold start."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops.inference.version import Pin
from tests.conftest import ROOT

# Each costs start-up time, or has no business in the serving image. Rich is not in that image, and
# not among these: structlog takes it wherever it is installed.
UNWANTED = {
    *("boto3", "botocore", "pandas", "sklearn", "skl2onnx", "onnx", "joblib", "scipy"),
    *("threadpoolctl", "pyarrow", "aws_xray_sdk", "typer", "tomlkit", "uvicorn"),
    # What is for other requests than predictions waits for the first of these.
    *("functions.api.documents", "mlops.batch", "mlops.registry.registry", "sqlite3"),
    *("pydantic.v1", "opentelemetry"),
}
INVOKE = """
import json, sys
from types import SimpleNamespace

from functions.api.handler import lambda_handler
from pydantic import BaseModel

def models(base):
    for model in base.__subclasses__():
        yield model
        yield from models(model)

context = SimpleNamespace(aws_request_id="8f5ad0c1")
built = {
    f"{model.__module__}.{model.__qualname__}": model.__pydantic_complete__
    for model in models(BaseModel)
}
prediction, refusal, other, document = json.load(sys.stdin)
answers = [lambda_handler(event, context) for event in (prediction, refusal)]
modules = sorted(sys.modules)
answers += [lambda_handler(event, context) for event in (other, document)]
json.dump({"answers": answers, "modules": modules, "built": built}, sys.stdout)
"""


def event(method: str, path: str, body: object = None) -> dict[str, object]:
    return {
        "version": "2.0",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.1"}},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


@pytest.fixture(scope="module")
def started(trained_store: Path, churn_pin: Pin) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Log lines of four invocations, and what they left behind."""
    events = [
        event(
            "POST",
            "/v1/predict/churn",
            {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50},
        ),
        event("POST", "/v1/predict/churn", {}),
        event("GET", "/readyz"),
        event("GET", "/openapi.json"),
    ]
    output = subprocess.run(
        [sys.executable, "-c", INVOKE],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "MLOPS_PINS": str(churn_pin),
            "MLOPS_MODELS_DIR": str(trained_store / "models"),
            "MLOPS_LOG_KEY": "k" * 32,
            "AWS_LAMBDA_FUNCTION_VERSION": "17",
        },
        input=json.dumps(events),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    *log, outcome = map(json.loads, output.splitlines())
    return log, outcome


def test_a_start_imports_only_what_predicting_needs(started: tuple[Any, dict[str, Any]]) -> None:
    _, outcome = started
    modules = outcome["modules"]
    unwanted = sorted(UNWANTED.intersection(modules))
    assert unwanted == [], f"{len(modules)} modules are imported"


def test_a_start_builds_no_models_but_those_it_needs(
    started: tuple[Any, dict[str, Any]],
) -> None:
    _, outcome = started
    built = sorted(model for model, complete in outcome["built"].items() if complete)
    assert built == [
        "fastapi.openapi.models.OAuthFlows",  # FastAPI has one as an argument's default
        "functions.api.settings.Settings",
        # Those that read contracts. A model's own request and answer are built at its first use.
        *(f"mlops.models.contract.{name}" for name in ("Answer", "Contract", "Label", "Labels")),
        *(f"mlops.models.contract.{name}" for name in ("RequestField", "Rule", "View")),
        "mlops.models.documents.Document",
        "mlops.models.formats.SeriesFormat",
        "mlops.models.formats.TabularFormat",
        "mlops.models.formats.TextFormat",
        "mlops.models.holidays.Holiday",
        "mlops.models.schemas.Request",
        "mlops.models.schemas.Response",
    ]
    waiting = [model for model in outcome["built"] if model.startswith("fastapi.")]
    assert len(waiting) > 30, "FastAPI has other models now"


def test_what_was_not_built_is_when_it_is_used(started: tuple[Any, dict[str, Any]]) -> None:
    _, outcome = started
    *_, document = outcome["answers"]
    assert json.loads(document["body"]) == json.loads((ROOT / "docs/openapi.json").read_text())


def test_invocations_are_answered(started: tuple[Any, dict[str, Any]], churn_pin: Pin) -> None:
    _, outcome = started
    prediction, refusal, ready, _ = outcome["answers"]
    assert (ready["statusCode"], prediction["statusCode"], refusal["statusCode"]) == (200, 200, 422)
    assert json.loads(prediction["body"])["model_version"] == str(churn_pin.version)
    assert prediction["headers"]["model-digest"] == churn_pin.digest
    assert prediction["headers"]["release"] == "17"
    # Problems come as text, as people who read them at the console expect.
    assert [answer["isBase64Encoded"] for answer in outcome["answers"]] == [False] * 4


def test_invocations_are_logged(started: tuple[list[dict[str, Any]], Any]) -> None:
    log, _ = started
    assert [line.get("route") for line in log] == [
        *["/v1/predict/churn"] * 2,
        "/readyz",
        None,  # FastAPI's own
    ]
    assert {(line["request_id"], line["service"]) for line in log} == {("8f5ad0c1", "api")}


def test_a_function_without_a_key_for_its_log_does_not_start() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import functions.api.handler"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode != 0
    last = ended.stderr.splitlines()[-1]
    assert "ConfigInvalid: MLOPS_LOG_KEY: the key that hashes ids in the log is empty." in last
    assert "template.yaml" in last
