"""Errors are problem+json, name the fields, and never repeat what was sent."""

import json
from typing import Any

import pytest

from mlops.models.churn.contract import CHURN
from tests.churn import CATEGORIES
from tests.unit.api.service import (
    CUSTOMER,
    PREDICT,
    Answer,
    FailingLoader,
    FakeSource,
    Service,
    service,
)
from tests.unit.inference.building import version_files

MARKER = "mArKeR-41c7"


def refuse(api: Service, **changed: Any) -> dict[str, Any]:
    answer = api.predict(**changed)
    assert answer.status == 422
    problem: dict[str, Any] = answer.json()
    return problem


def errors(api: Service, **changed: Any) -> list[tuple[str, str]]:
    return [(error["field"], error["type"]) for error in refuse(api, **changed)["errors"]]


@pytest.mark.parametrize("path", ["/", "/v1/predict/churn/", "/v1/unknown", "/v2/models"])
def test_unknown_routes_are_problems(api: Service, path: str) -> None:
    for answer in (api.asgi("GET", path), api.through_lambda("GET", path)):
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:mlops-pipeline:problem:not-found"


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_model_that_is_not_served_is_named(api: Service, method: str) -> None:
    for answer in (
        api.asgi(method, "/v1/predict/fraud"),
        api.through_lambda(method, "/v1/predict/fraud"),
    ):
        assert answer.status == 404
        assert answer.json()["type"] == "urn:mlops-pipeline:problem:model-not-found"
        assert answer.json()["detail"] == "GET /v1/models lists all models."


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", PREDICT, "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/v1/models", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(
    api: Service, method: str, path: str, allowed: str
) -> None:
    first = api.asgi(method, path)
    assert api.asgi("GET", "/healthz").status == 200  # all routes are there from now on
    for answer in (first, api.asgi(method, path), api.through_lambda(method, path)):
        assert answer.status == 405
        assert answer.headers["allow"] == allowed
        assert answer.json()["type"] == "urn:mlops-pipeline:problem:method-not-allowed"


@pytest.mark.parametrize("field", ["customer_id", "tenure", "monthly_charges"])
def test_a_missing_field_is_named(api: Service, field: str) -> None:
    sent = {name: value for name, value in CUSTOMER.items() if name != field}
    answer = api.asgi("POST", PREDICT, json.dumps(sent).encode())
    assert answer.status == 422
    assert [(error["field"], error["type"]) for error in answer.json()["errors"]] == [
        (field, "missing")
    ]
    assert answer.json()["detail"] == "1 field is invalid."


def test_each_wrong_field_is_named(api: Service) -> None:
    assert errors(api, tenure=-1, monthly_charges="79.50", contract="Weekly", x=1) == [
        ("tenure", "greater_than_equal"),
        ("monthly_charges", "float_type"),
        ("contract", "literal_error"),
        ("x", "extra_forbidden"),
    ]


@pytest.mark.parametrize("field", [*CATEGORIES])
def test_an_unknown_category_is_answered_with_the_known_ones(api: Service, field: str) -> None:
    (error,) = refuse(api, **{field: "Weekly"})["errors"]
    assert error["field"] == field
    assert [name for name in CATEGORIES[field] if f"'{name}'" not in error["detail"]] == []


def test_a_contradiction_names_both_fields(api: Service) -> None:
    (error,) = refuse(api, internet_service="No", streaming_tv="Yes")["errors"]
    assert (error["field"], error["type"]) == ("streaming_tv", "contradiction")
    assert "'internet_service'" in error["detail"]


@pytest.mark.parametrize("unknown", [51, 73, 40_000])
def test_at_most_50_errors_are_listed(api: Service, unknown: int) -> None:
    problem = refuse(api, **{f"unknown{number}": 1 for number in range(unknown)}, tenure=-1)
    assert [error["field"] for error in problem["errors"]] == [
        "tenure",
        *(f"unknown{number}" for number in range(49)),
    ]
    assert problem["detail"] == "More than 50 fields are invalid; these are the first of them."


def test_50_errors_are_counted(api: Service) -> None:
    problem = refuse(api, **{f"unknown{number}": 1 for number in range(50)})
    assert len(problem["errors"]) == 50
    assert problem["detail"] == "50 fields are invalid."


def test_names_are_cut(api: Service) -> None:
    ((name, _),) = errors(api, **{"n" * 5_000: 1})
    assert name == "n" * 64


def test_a_long_duplicate_name_is_cut(api: Service) -> None:
    pair = f'"{"n" * 5_000}": 1'.encode()
    answer = api.asgi("POST", PREDICT, b"{" + pair + b"," + pair + b"}")
    assert answer.status == 400
    assert f'"{"n" * 64}"' in answer.json()["detail"]
    assert "n" * 65 not in answer.json()["detail"]


def test_a_list_is_told_in_words_of_json(api: Service) -> None:
    answer = api.asgi("POST", PREDICT, b"[]")
    (error,) = answer.json()["errors"]
    assert (error["field"], error["detail"]) == ("body", "Input should be an object")


@pytest.mark.parametrize("field", CHURN.request.model_fields)
@pytest.mark.parametrize(
    "wrong",
    [MARKER * 20, [MARKER], {"a": MARKER}, {"a": [{"b": MARKER}]}],
    ids=["text", "list", "object", "nested"],
)
def test_values_are_never_repeated(api: Service, field: str, wrong: object) -> None:
    assert_unrepeated(api.predict(**{field: wrong}), 422)


@pytest.mark.parametrize("field", [*CHURN.request.model_fields, "unknown"])
def test_numbers_are_never_repeated(api: Service, field: str) -> None:
    answer = api.predict(**{field: -98765432123})
    assert answer.status == 422
    assert b"98765432123" not in answer.body


@pytest.mark.parametrize(
    "body",
    [
        f'{{"customer_id": "{MARKER}", "tenure": {MARKER}}}',
        f'{{"customer_id": "{MARKER}", "tenure": NaN}}',
        f'{{"customer_id": "{MARKER}", "x": 1, "x": 2}}',
        f'{{"customer_id": "{MARKER}',
        f'"{MARKER}"',
        f'{{"customer_id": "{MARKER}", "unknown": "{MARKER}"}}',
        f"{MARKER}",
    ],
)
def test_bodies_are_never_repeated(api: Service, body: str) -> None:
    for answer in (
        api.asgi("POST", PREDICT, body.encode()),
        api.through_lambda("POST", PREDICT, body.encode()),
    ):
        assert_unrepeated(answer, answer.status)
        assert 400 <= answer.status < 500


@pytest.mark.parametrize("path", [f"/{MARKER}", f"/v1/models/{MARKER}", f"/v1/models/{MARKER}/"])
def test_paths_and_queries_are_never_repeated(api: Service, path: str) -> None:
    assert_unrepeated(api.asgi("GET", path), 404)
    assert_unrepeated(api.asgi("POST", f"{PREDICT}/{MARKER}?q={MARKER}"), 404)


def test_media_types_are_never_repeated(api: Service) -> None:
    assert_unrepeated(api.asgi("POST", PREDICT, b"{}", media_type=f"text/{MARKER}"), 415)


def test_what_nobody_expected_is_a_500_without_details() -> None:
    source = FakeSource(version_files())
    api = service(source, loader=FailingLoader(source, ZeroDivisionError(MARKER)))
    body = json.dumps(CUSTOMER).encode()
    for answer in (api.asgi("POST", PREDICT, body), api.through_lambda("POST", PREDICT, body)):
        assert_unrepeated(answer, 500)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() == {
            "type": "urn:mlops-pipeline:problem:internal-error",
            "title": "The service failed unexpectedly",
            "status": 500,
            "detail": "Report the request_id to the operator, who finds the cause in the service's"
            " log.",
            "request_id": answer.headers["x-request-id"],
        }
        assert api.asgi("GET", "/healthz").status == 200


def assert_unrepeated(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert MARKER.encode() not in answer.body
    assert MARKER not in str(answer.headers)
