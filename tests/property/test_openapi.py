"""The API keeps its own description: schemathesis writes the requests."""

import re
from http import HTTPStatus
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import given, settings
from schemathesis import BaseSchema, Case, GenerationMode, HookContext
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mlops.batch.job import Format
from tests.property.requests import UPLOADED, consistent

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    positive_data_acceptance,
]


POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE

BATCH = "/v1/predict/batch"
PIN = re.compile("^[a-z0-9-]+-model-v[0-9]+[.][0-9]+[.][0-9]+@sha256:[0-9a-f]{64}$")

# Only what has a body can be wrong: the others take nothing, or any text.
TRIED = [
    ("POST", "/v1/predict/churn", POSITIVE, 500),
    ("POST", "/v1/predict/churn", NEGATIVE, 500),
    ("POST", BATCH, POSITIVE, 200),
    ("POST", BATCH, NEGATIVE, 200),
    ("POST", f"{BATCH}/uploads", POSITIVE, 10),
    ("POST", f"{BATCH}/uploads", NEGATIVE, 100),
    ("GET", f"{BATCH}/{{job_id}}", POSITIVE, 100),
    ("DELETE", f"{BATCH}/{{job_id}}", POSITIVE, 100),
    ("POST", f"{BATCH}/{{job_id}}/retry", POSITIVE, 100),
    ("GET", "/v1/models/{model}", POSITIVE, 100),
    ("GET", "/v1/models", POSITIVE, 1),
    ("GET", "/healthz", POSITIVE, 1),
    ("GET", "/readyz", POSITIVE, 1),
]


@pytest.fixture(scope="module")
def description(app: FastAPI) -> BaseSchema:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    schema.hook("map_body")(_consistent)
    return schema


def _consistent(context: HookContext, body: object) -> object:
    """The body without what a description cannot say is wrong; what it can say is left."""
    if not isinstance(body, dict):
        return body
    operation = context.operation
    submitted = operation is not None and operation.path == BATCH
    return _submittable(body) if submitted else consistent(body)


def _submittable(body: dict[str, Any]) -> dict[str, Any]:
    """About a model and an input that there are, in a format that the rows have."""
    usable = dict(body)
    renames = body.get("rename")
    if isinstance(renames, dict) and all(
        field is None or (isinstance(field, str) and 1 <= len(field) <= 64)
        for field in renames.values()
    ):
        # Whether the model has a field, the description cannot say.
        usable["rename"] = {name: field and "tenure" for name, field in renames.items()}
    if isinstance(body.get("model"), str) and 1 <= len(body["model"]) <= 64:
        usable["model"] = "churn"
    if isinstance(body.get("pin"), str) and PIN.search(body["pin"]):
        usable["pin"] = f"churn-model-v0.9.0@sha256:{'a' * 64}"
    if isinstance(body.get("input"), str) and len(body["input"]) <= 2048:
        usable["input"] = UPLOADED
    elif body.get("format") in list(Format):
        usable["format"] = "jsonl"
    return usable


@pytest.mark.parametrize(("method", "path", "mode", "examples"), TRIED)
def test_the_description_holds(
    description: BaseSchema, method: str, path: str, mode: GenerationMode, examples: int
) -> None:
    requests = description[path][method].as_strategy(generation_mode=mode)

    @settings(max_examples=examples)
    @given(case=requests)
    def holds(case: Case[Any]) -> None:
        response = case.call()
        # Too many rows can be too many bytes first; 413 is a refusal that the check does not know.
        too_large = response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        checks = [check for check in CHECKS if check is not negative_data_rejection]
        case.validate_response(response, checks=checks if too_large else CHECKS)

    holds()


def test_every_operation_is_tried(app: FastAPI) -> None:
    described = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    assert described == {(method, path) for method, path, _, _ in TRIED}
