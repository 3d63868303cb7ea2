"""Bodies that must get a clean 4xx: as ASGI, and as Lambda events, plain and in base64."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.api.body import MAX_BODY_BYTES
from tests.unit.api.service import CUSTOMER, PREDICT, Answer, Service

Door = Callable[[Service, bytes, str], Answer]

_JSON = "application/json"


def _asgi(api: Service, body: bytes, media_type: str) -> Answer:
    return api.asgi("POST", PREDICT, body, media_type=media_type)


def _lambda(api: Service, body: bytes, media_type: str) -> Answer:
    return api.through_lambda("POST", PREDICT, body, media_type=media_type)


def _lambda_base64(api: Service, body: bytes, media_type: str) -> Answer:
    return api.through_lambda("POST", PREDICT, body, media_type=media_type, as_base64=True)


@pytest.fixture(params=[_asgi, _lambda, _lambda_base64], ids=["asgi", "lambda", "lambda base64"])
def door(request: pytest.FixtureRequest) -> Any:
    return request.param


def body(**changed: str) -> bytes:
    """A good request, in which some values are replaced by raw JSON."""
    fields = {name: json.dumps(value) for name, value in CUSTOMER.items()} | changed
    return ("{" + ", ".join(f'"{name}": {raw}' for name, raw in fields.items()) + "}").encode()


HUGE = "9" * 400
HOSTILE = {
    "NaN": (body(monthly_charges="NaN"), 400, "malformed-json"),
    "Infinity": (body(monthly_charges="Infinity"), 400, "malformed-json"),
    "-Infinity": (body(total_charges="-Infinity"), 400, "malformed-json"),
    "1e999": (body(monthly_charges="1e999"), 422, "invalid-request"),
    "-1e999": (body(tenure="-1e999"), 422, "invalid-request"),
    "1e999, unknown field": (body(x="1e999"), 422, "invalid-request"),
    "lone surrogate": (body(customer_id='"\\ud800"'), 400, "malformed-json"),
    "lone surrogate as a name": (body(**{"\\udfff": "1"}), 400, "malformed-json"),
    "400 digits, integer": (body(tenure=HUGE), 422, "invalid-request"),
    "400 digits, number": (body(monthly_charges=HUGE), 422, "invalid-request"),
    "400 digits, choice": (body(senior_citizen=HUGE), 422, "invalid-request"),
    "400 digits, text": (body(customer_id=HUGE), 422, "invalid-request"),
    "10,000 digits": (body(tenure="9" * 10_000), 400, "malformed-json"),
    "nested lists": (b"[" * 100_000, 400, "malformed-json"),
    "nested objects": (b'{"a":' * 100_000, 400, "malformed-json"),
    "nested and closed": (b"[" * 100_000 + b"]" * 100_000, 400, "malformed-json"),
    "duplicate key": (b'{"tenure": 1, "tenure": 1}', 400, "malformed-json"),
    "duplicate key, escaped": (b'{"tenure": 1, "tenur\\u0065": 2}', 400, "malformed-json"),
    "duplicate key, nested": (b'{"x": {"a": 1, "a": 2}}', 400, "malformed-json"),
    "empty": (b"", 400, "malformed-json"),
    "blank": (b" \n", 400, "malformed-json"),
    "cut off": (body()[:-1], 400, "malformed-json"),
    "two values": (body() + body(), 400, "malformed-json"),
    "single quotes": (body().replace(b'"', b"'"), 400, "malformed-json"),
    "two byte order marks": (b"\xef\xbb\xbf" * 2 + body(), 400, "malformed-json"),
    "nothing but a byte order mark": (b"\xef\xbb\xbf", 400, "malformed-json"),
    "null": (b"null", 422, "invalid-request"),
    "list": (b"[" + body() + b"]", 422, "invalid-request"),
    "text": (b'"' + b"a" * 50 + b'"', 422, "invalid-request"),
    "no fields": (b"{}", 422, "invalid-request"),
    "unknown category": (body(contract='"Weekly"'), 422, "invalid-request"),
    "60,000 unknown fields": (
        json.dumps(dict.fromkeys(map(str, range(60_000)))).encode(),
        422,
        "invalid-request",
    ),
    "too large": (b" " * (MAX_BODY_BYTES + 1), 413, "body-too-large"),
    "too large, and valid": (body() + b" " * MAX_BODY_BYTES, 413, "body-too-large"),
}


@pytest.mark.parametrize(("sent", "status", "kind"), HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_body_is_a_clean_4xx(
    api: Service, door: Door, sent: bytes, status: int, kind: str
) -> None:
    answer = door(api, sent, _JSON)
    assert_problem(answer, status, kind)
    assert len(answer.body) < 20_000


@pytest.mark.parametrize(
    "sent", [b"\xff\xfe{}", body().decode().encode("utf-16"), b'{"customer_id": "\xed\xa0\x80"}']
)
def test_a_body_that_is_not_utf8_is_malformed(api: Service, sent: bytes) -> None:
    assert_problem(_asgi(api, sent, _JSON), 400, "malformed-json")
    assert_problem(_lambda_base64(api, sent, _JSON), 400, "malformed-json")


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (body().decode().encode("utf-16"), "UTF-16"),
        (body().decode().encode("utf-16-le"), "UTF-16 (without a byte order mark)"),
        (body().decode().encode("cp037"), "EBCDIC"),
        (gzip.compress(body(), mtime=0), "compressed with gzip"),
        (b"<html><body>Bad gateway</body></html>", "an HTML or XML page"),
    ],
)
def test_a_body_of_another_kind_is_named(api: Service, sent: bytes, kind: str) -> None:
    for answer in (_asgi(api, sent, _JSON), _lambda_base64(api, sent, _JSON)):
        assert_problem(answer, 400, "malformed-json")
        assert answer.json()["detail"] == (f"The body is {kind}. Send JSON in UTF-8, uncompressed.")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "json"])
def test_a_body_of_another_type_is_refused(api: Service, door: Door, media_type: str) -> None:
    assert_problem(door(api, body(), media_type), 415, "unsupported-media-type")


def test_a_byte_order_mark_before_a_body_is_ignored(api: Service, door: Door) -> None:
    assert door(api, b"\xef\xbb\xbf" + body(), _JSON).status == 200


def test_a_body_of_just_the_limit_is_read(api: Service, door: Door) -> None:
    sent = body()
    assert door(api, sent + b" " * (MAX_BODY_BYTES - len(sent)), _JSON).status == 200


def test_the_app_lives_on(api: Service, door: Door) -> None:
    for sent, _, _ in HOSTILE.values():
        door(api, sent, _JSON)
    assert door(api, body(), _JSON).status == 200


def assert_problem(answer: Answer, status: int, kind: str) -> None:
    problem = answer.json()
    assert (answer.status, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:mlops-pipeline:problem:{kind}"
    assert problem["title"]
    assert problem["request_id"] == answer.headers["x-request-id"]
