"""Any valid request is predicted, and nothing that is sent makes the API fail."""

import base64
import json
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import example, given, settings
from hypothesis import strategies as st

from functions.api.gateway import behind_gateway
from mlops.models.churn.contract import CHURN
from tests.property.requests import IDS, JSON_VALUES, valid_requests

PREDICT = "/v1/predict/churn"
VALID = json.dumps(CHURN.examples["all fields"]).encode()


class Api:
    """By Lambda's way in, which is the quickest one."""

    def __init__(self, app: FastAPI) -> None:
        self._handler: Any = behind_gateway(app)

    def predict(self, body: bytes) -> tuple[int, Any]:
        """Status and answer."""
        answer = self._handler(
            {
                "version": "2.0",
                "headers": {"content-type": "application/json"},
                "requestContext": {
                    "http": {"method": "POST", "path": PREDICT, "sourceIp": "192.0.2.1"}
                },
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
            },
            None,
        )
        content = answer["body"]
        if answer["isBase64Encoded"]:
            content = base64.b64decode(content)
        return answer["statusCode"], json.loads(content)


@pytest.fixture(scope="module")
def api(app: FastAPI) -> Api:
    return Api(app)


def encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


@settings(max_examples=500)
@given(request=valid_requests())
def test_valid_requests_are_predicted(api: Api, request: dict[str, Any]) -> None:
    status, answer = api.predict(encoded(request))
    assert status == 200, answer
    assert list(answer) == list(CHURN.response.model_fields)
    assert 0 <= answer["churn_probability"] <= 1
    labelled = CHURN.outcome.answer([answer["churn_probability"]])
    assert answer["risk_category"] == labelled["risk_category"]
    assert answer["customer_id"] == request["customer_id"]


@settings(max_examples=150)
@given(request=valid_requests(), data=st.data())
def test_null_and_absent_mean_the_same(
    api: Api, request: dict[str, Any], data: st.DataObject
) -> None:
    absent = sorted(CHURN.by_name.keys() - request.keys())
    nulls = dict.fromkeys(data.draw(st.lists(st.sampled_from(absent))) if absent else [])
    answers = [api.predict(encoded(sent))[1] for sent in (request, request | nulls)]
    assert answers[0]["churn_probability"] == answers[1]["churn_probability"]


@settings(max_examples=400)
@given(customer_id=IDS, escaped=st.booleans())
@example(customer_id="e\u0301 \u00e9", escaped=False)
@example(customer_id="\u202eשלום", escaped=True)
@example(customer_id="\x00\u2028\u2029", escaped=True)
@example(customer_id="🧑🏽‍🚀", escaped=True)
def test_ids_come_back_byte_exact(api: Api, customer_id: str, escaped: bool) -> None:
    request = {**CHURN.examples["the three required fields"], "customer_id": customer_id}
    status, answer = api.predict(json.dumps(request, ensure_ascii=escaped).encode())
    assert status == 200
    assert answer["customer_id"].encode() == customer_id.encode()


@settings(max_examples=400)
@given(value=JSON_VALUES)
def test_other_json_is_refused(api: Api, value: object) -> None:
    status, problem = api.predict(encoded(value))
    assert status == 422
    assert problem["errors"]


@settings(max_examples=500)
@given(
    request=valid_requests(),
    field=st.sampled_from(sorted(CHURN.by_name)) | st.text(max_size=8),
    value=JSON_VALUES,
)
def test_one_changed_field_is_predicted_or_blamed(
    api: Api, request: dict[str, Any], field: str, value: object
) -> None:
    status, answer = api.predict(encoded(request | {field: value}))
    assert status in (200, 422)
    if status == 422 and field not in ("phone_service", "internet_service"):
        blamed = {error["field"] for error in answer["errors"]}
        contradicted = {
            error["field"] for error in answer["errors"] if error["type"] == "contradiction"
        }
        assert blamed - contradicted <= {field}


@settings(max_examples=400)
@given(st.binary(max_size=200))
def test_bytes_are_refused(api: Api, body: bytes) -> None:
    status, _ = api.predict(body)
    assert status in (400, 422)


@settings(max_examples=500)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(VALID) - 1), st.integers(0, 3), st.binary(max_size=3) | st.just(b'"')
        ),
        min_size=1,
        max_size=4,
    )
)
def test_damaged_requests_never_fail(api: Api, damages: list[tuple[int, int, bytes]]) -> None:
    body = VALID
    for position, removed, inserted in damages:
        body = body[:position] + inserted + body[position + removed :]
    status, _ = api.predict(body)
    assert status in (200, 400, 422)
