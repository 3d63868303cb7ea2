"""POST /v1/predict/churn: the promised request and answer."""

import json
import re

import pytest

from functions.api.settings import Settings
from mlops.models.churn.contract import CHURN
from tests.unit.api.service import CUSTOMER, PREDICT, Service, service
from tests.unit.inference.building import predicted

PREDICTION_ID = re.compile(r"pred_[0-9a-f]{32}")


def test_the_promised_request_is_answered_to_the_letter() -> None:
    api = service(new_prediction_id=lambda: "pred_8f9a2b1c")
    sent = b'{"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}'
    for answer in (api.asgi("POST", PREDICT, sent), api.through_lambda("POST", PREDICT, sent)):
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert list(answer.json().items()) == [
            ("customer_id", "C12345"),
            ("churn_probability", predicted(24)),
            ("risk_category", "High"),
            ("model_version", "churn-model-v1.0.0"),
            ("prediction_id", "pred_8f9a2b1c"),
        ]


def test_the_model_sees_the_request(api: Service) -> None:
    answers = [api.predict(tenure=tenure).json() for tenure in (0, 1, 72)]
    assert [answer["churn_probability"] for answer in answers] == [
        predicted(0),
        predicted(1),
        predicted(72),
    ]


def test_prediction_ids_do_not_repeat(api: Service) -> None:
    ids = {api.predict().json()["prediction_id"] for _ in range(20)}
    assert len(ids) == 20
    assert all(map(PREDICTION_ID.fullmatch, ids))


@pytest.mark.parametrize("example", CHURN.examples.values(), ids=list(CHURN.examples))
def test_the_documented_examples_are_answered(api: Service, example: dict[str, object]) -> None:
    assert api.asgi("POST", PREDICT, json.dumps(example).encode()).status == 200


def test_headers_carry_the_models_digest_and_the_release() -> None:
    api = service(settings=Settings(release="17"))
    answer = api.predict()
    assert answer.headers["Model-Digest"] == api.pin.digest
    assert answer.headers["Release"] == "17"


@pytest.mark.parametrize(
    "customer_id",
    [
        "Zoë",
        "Zoe\u0308",  # the same to the eye, other bytes
        "שלום \u202eabc",
        "顧客🧑🏽‍🚀",
        "a\x00b",
        "line\u2028separator",
        ' "quoted\\" ',
    ],
    ids=ascii,
)
@pytest.mark.parametrize("escaped", [False, True], ids=["as UTF-8", "as \\u escapes"])
def test_ids_come_back_byte_exact(api: Service, customer_id: str, escaped: bool) -> None:
    body = json.dumps(CUSTOMER | {"customer_id": customer_id}, ensure_ascii=escaped).encode()
    for answer in (api.asgi("POST", PREDICT, body), api.through_lambda("POST", PREDICT, body)):
        assert answer.status == 200
        assert answer.json()["customer_id"].encode() == customer_id.encode()


def test_media_types_may_have_parameters(api: Service) -> None:
    body = json.dumps(CUSTOMER).encode()
    answer = api.asgi("POST", PREDICT, body, media_type="Application/JSON; charset=utf-8")
    assert answer.status == 200
