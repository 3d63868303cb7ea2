"""The description is committed, and right."""

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from functions.api.settings import Settings
from mlops.models.churn.contract import CHURN, ChurnRequest
from tests.tools.openapi import COMMITTED, described
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
    }


@pytest.mark.parametrize(("route", "operation"), OPERATIONS)
def test_errors_are_problems_and_every_answer_has_its_id(
    route: str, operation: dict[str, Any]
) -> None:
    for status, response in operation["responses"].items():
        assert "X-Request-Id" in response["headers"]
        assert ("Retry-After" in response["headers"]) == (status == "503")
        if status != "200":
            assert response["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }


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
    for field in ChurnRequest.model_fields.keys() - set(request["required"]):
        assert fits("ChurnRequest", CUSTOMER | {field: None})
    assert not fits("ChurnRequest", CUSTOMER | {"unknown": None})


def test_the_examples_fit() -> None:
    body = dict(OPERATIONS)["POST /v1/predict/churn"]["requestBody"]
    examples = body["content"]["application/json"]["examples"]
    assert [example["value"] for example in examples.values()] == list(CHURN.examples.values())
    for example in examples.values():
        assert fits("ChurnRequest", example["value"])
    for schema in ("ChurnResponse", "Problem"):
        (shown,) = SCHEMAS[schema]["examples"]
        assert fits(schema, shown)


def test_real_answers_fit(api: Service) -> None:
    assert fits("ChurnResponse", api.predict().json())
    assert fits("Problem", api.predict(tenure=-1).json())
    assert fits("Problem", api.asgi("GET", "/nowhere").json())
    assert fits("ModelDetail", api.asgi("GET", "/v1/models/churn").json())


def test_docs_show_swagger(api: Service) -> None:
    answer = api.asgi("GET", "/docs")
    assert answer.status == 200
    assert b"swagger-ui" in answer.body


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/docs/oauth2-redirect"])
def test_docs_can_be_turned_off(path: str) -> None:
    api = service(settings=Settings(docs=False))
    assert api.asgi("GET", path).status == 404
    assert api.predict().status == 200
