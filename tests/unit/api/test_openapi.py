"""The description is committed, and right."""

import json
import subprocess
import sys
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from functions.api.settings import Settings
from mlops.models.churn.contract import CHURN
from tests.project.files import ROOT
from tests.tools.openapi import COMMITTED, described
from tests.unit.api.batch_service import (
    BATCH,
    BatchService,
    cancelled,
    failed,
    half_done,
    started,
    succeeded,
)
from tests.unit.api.service import CUSTOMER, Service, service

DOCUMENT: dict[str, Any] = json.loads(described())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def fits(schema: str, value: object) -> bool:
    shown = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    return bool(OAS31Validator(shown).is_valid(value))


def test_the_committed_description_is_the_apis() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == described(), "make openapi writes it anew"


def test_it_says_the_same_without_docstrings() -> None:
    """The images' bytecode has none."""
    script = "from tests.tools.openapi import described; print(described())"
    told = subprocess.run(
        [sys.executable, "-OO", "-c", script],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(told.stdout) == DOCUMENT


def test_the_served_description_is_the_committed_one(api: Service) -> None:
    assert api.asgi("GET", "/openapi.json").json() == DOCUMENT


def test_it_is_openapi() -> None:
    validate(DOCUMENT)


def test_the_operations() -> None:
    assert {route: operation["operationId"] for route, operation in OPERATIONS} == {
        "GET /healthz": "healthz",
        "GET /readyz": "readyz",
        "GET /v1/models": "list_models",
        "GET /v1/models/{model}": "show_model",
        "POST /v1/predict/churn": "predict_churn",
        "POST /v1/predict/batch": "submit_batch",
        "POST /v1/predict/batch/uploads": "create_upload",
        "GET /v1/predict/batch/{job_id}": "show_batch",
        "DELETE /v1/predict/batch/{job_id}": "cancel_batch",
        "POST /v1/predict/batch/{job_id}/retry": "retry_batch",
    }


@pytest.mark.parametrize(("route", "operation"), OPERATIONS)
def test_errors_are_problems_and_every_answer_has_its_id(
    route: str, operation: dict[str, Any]
) -> None:
    for status, response in operation["responses"].items():
        assert "X-Request-Id" in response["headers"]
        assert ("Retry-After" in response["headers"]) == (status == "503")
        if not status.startswith("2"):
            (media_type,) = response["content"]
            assert media_type == "application/problem+json"
            content = response["content"][media_type]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert content["examples"]


@pytest.mark.parametrize(("route", "operation"), OPERATIONS)
def test_each_status_shows_examples_of_its_own(route: str, operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            continue
        for slug, example in response["content"]["application/problem+json"]["examples"].items():
            value = example["value"]
            assert fits("Problem", value)
            assert str(value["status"]) == status
            assert value["type"] == f"urn:mlops-pipeline:problem:{slug}"
            assert value["title"] == example["summary"]
            assert value["detail"]
            assert ("errors" in value) == (slug == "invalid-request")


def test_every_operation_needs_credentials_but_healthz() -> None:
    assert DOCUMENT["components"]["securitySchemes"].keys() == {"jwt", "sigv4"}
    bearer, sigv4 = (DOCUMENT["components"]["securitySchemes"][name] for name in ("jwt", "sigv4"))
    assert (bearer["type"], bearer["scheme"]) == ("http", "bearer")
    assert (sigv4["type"], sigv4["in"], sigv4["name"]) == ("apiKey", "header", "Authorization")
    assert sigv4["x-amazon-apigateway-authtype"] == "awsSigv4"
    for route, operation in OPERATIONS:
        schemes = [name for choice in operation["security"] for name in choice]
        assert schemes == ([] if route == "GET /healthz" else ["jwt", "sigv4"]), route


def test_only_our_own_errors_are_described() -> None:
    assert SCHEMAS.keys() >= {"Problem", "FieldProblem"}
    assert [name for name in SCHEMAS if "ValidationError" in name] == []


def test_the_answer_of_a_prediction_has_documented_headers() -> None:
    answer = dict(OPERATIONS)["POST /v1/predict/churn"]["responses"]["200"]
    assert answer["headers"].keys() == {"Model-Digest", "Release", "X-Request-Id"}


def test_the_request_is_strict_and_its_options_may_be_null() -> None:
    request = SCHEMAS["ChurnRequest"]
    assert request["additionalProperties"] is False
    assert request["required"] == ["customer_id", "tenure", "monthly_charges"]
    for field in CHURN.request.model_fields.keys() - set(request["required"]):
        assert fits("ChurnRequest", CUSTOMER | {field: None})
    assert not fits("ChurnRequest", CUSTOMER | {"unknown": None})


def test_the_examples_fit() -> None:
    body = dict(OPERATIONS)["POST /v1/predict/churn"]["requestBody"]
    examples = body["content"]["application/json"]["examples"]
    assert [example["value"] for example in examples.values()] == list(CHURN.examples.values())
    for example in examples.values():
        assert fits("ChurnRequest", example["value"])
    for schema in ("ChurnResponse", "JobDocument"):
        (shown,) = SCHEMAS[schema]["examples"]
        assert fits(schema, shown)


def test_real_answers_fit(api: Service) -> None:
    assert fits("ChurnResponse", api.predict().json())
    assert fits("Problem", api.predict(tenure=-1).json())
    assert fits("Problem", api.asgi("GET", "/nowhere").json())
    assert fits("ModelDetail", api.asgi("GET", "/v1/models/churn").json())


def test_a_job_that_is_accepted_has_a_place() -> None:
    answer = dict(OPERATIONS)["POST /v1/predict/batch"]["responses"]["202"]
    assert answer["headers"].keys() == {"Location", "X-Request-Id"}


ROW = {"customer_id": "C1"}


@pytest.mark.parametrize(
    ("sent", "fit"),
    [
        ({"rows": [ROW]}, True),
        ({"input": "s3://store/x.csv"}, True),
        ({"rows": [ROW], "input": None, "format": None, "pin": None}, True),
        ({"rows": [ROW], "format": "jsonl"}, True),
        ({"rows": [ROW], "format": "csv"}, False),
        ({"rows": None, "input": "s3://store/x", "format": "csv.gz"}, True),
        ({"rows": [ROW], "output_format": "parquet"}, True),
        ({}, False),
        ({"rows": None}, False),
        ({"rows": [ROW], "input": "s3://store/x.csv"}, False),
        ({"rows": []}, False),
        ({"rows": [7]}, False),
        ({"rows": [ROW], "pin": "churn-model-v1.0.0"}, False),
        ({"rows": [ROW], "output_format": "xlsx"}, False),
        ({"rows": [ROW], "unknown": None}, False),
    ],
    ids=str,
)
def test_a_submission_has_rows_or_an_input(sent: dict[str, Any], fit: bool) -> None:
    assert fits("BatchRequest", {"model": "churn"} | sent) is fit


def test_the_examples_of_submissions_fit_and_are_taken(batch: BatchService) -> None:
    body = dict(OPERATIONS)["POST /v1/predict/batch"]["requestBody"]
    for example in body["content"]["application/json"]["examples"].values():
        sent = example["value"]
        assert fits("BatchRequest", sent)
        if "input" in sent:  # of the reader's own upload
            sent = sent | {"input": batch.upload()}
        assert batch.ask("POST", BATCH, sent).status == 202


def test_real_jobs_fit(batch: BatchService) -> None:
    for state in (None, started, half_done, failed, cancelled, succeeded):
        job_id = batch.submitted()
        if state:
            state(batch.store, job_id)
        assert fits("JobDocument", batch.ask("GET", f"{BATCH}/{job_id}").json())
    assert fits("Problem", batch.ask("GET", f"{BATCH}/unknown").json())
    upload = batch.ask("POST", f"{BATCH}/uploads", {"format": "csv", "bytes": 9}).json()
    assert fits("UploadDocument", upload)


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui-bundle.js", "/openapi.json", "/redoc"])
def test_docs_can_be_turned_off(path: str) -> None:
    api = service(settings=Settings(docs=False))
    assert api.asgi("GET", path).status == 404
    assert api.predict().status == 200
