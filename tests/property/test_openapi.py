"""The API keeps its own description: schemathesis writes the requests."""

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

from tests.property.requests import consistent

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

# Only a prediction's request can be wrong: the others take nothing, or any text.
TRIED = [
    ("POST", "/v1/predict/churn", POSITIVE, 500),
    ("POST", "/v1/predict/churn", NEGATIVE, 500),
    ("GET", "/v1/models/{model}", POSITIVE, 100),
    ("GET", "/v1/models", POSITIVE, 1),
    ("GET", "/healthz", POSITIVE, 1),
    ("GET", "/readyz", POSITIVE, 1),
]


@pytest.fixture(scope="module")
def description(app: FastAPI) -> BaseSchema:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    # A description can say which categories there are, but not which contradict each other.
    schema.hook("map_body")(_consistent)
    return schema


def _consistent(context: HookContext, body: object) -> object:
    return consistent(body) if isinstance(body, dict) else body


@pytest.mark.parametrize(("method", "path", "mode", "examples"), TRIED)
def test_the_description_holds(
    description: BaseSchema, method: str, path: str, mode: GenerationMode, examples: int
) -> None:
    requests = description[path][method].as_strategy(generation_mode=mode)

    @settings(max_examples=examples)
    @given(case=requests)
    def holds(case: Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS)

    holds()


def test_every_operation_is_tried(app: FastAPI) -> None:
    described = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    assert described == {(method, path) for method, path, _, _ in TRIED}
