"""HEAD, compressed bodies, pages of other origins, and a path in front of all routes."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from functions.api.callers import identify_local
from functions.api.settings import Settings
from tests.unit.api.batch_service import BATCH, batch_service
from tests.unit.api.service import CUSTOMER, PREDICT, Answer, Service, service

Ask = Callable[..., Answer]
SHOP = "https://shop.example.com"


@pytest.fixture(params=["asgi", "through_lambda"])
def door(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/v1/models", "/v1/models/churn", "/openapi.json", "/docs"]
)
def test_head_is_answered_as_get_without_a_body(api: Service, door: str, path: str) -> None:
    ask: Ask = getattr(api, door)
    head, get = ask("HEAD", path), ask("GET", path)
    assert (head.status, head.body) == (get.status, b"") == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers["content-length"] == get.headers["content-length"] != "0"
    lines = api.log_lines("request")
    assert [line["method"] for line in lines] == ["HEAD", "GET"]
    assert lines[0].get("route") == lines[1].get("route")


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), (PREDICT, 405)])
def test_head_of_what_cannot_be_got_has_the_same_status(
    api: Service, door: str, path: str, status: int
) -> None:
    answer = getattr(api, door)("HEAD", path)
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "GZIP", "identity, gzip"])
@pytest.mark.parametrize("path", [PREDICT, BATCH, f"{BATCH}/uploads"])
def test_a_compressed_body_is_refused_with_its_coding(
    api: Service, door: str, path: str, coding: str
) -> None:
    answer = getattr(api, door)("POST", path, b"{}", headers={"Content-Encoding": coding})
    assert answer.status == 415
    problem = answer.json()
    assert problem["type"] == "urn:mlops-pipeline:problem:unsupported-content-encoding"
    assert coding.rpartition(" ")[2].lower() in problem["detail"]
    assert answer.headers["accept-encoding"] == "identity"


def test_a_coding_in_a_second_header_counts_too(api: Service) -> None:
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Encoding", "identity"),
        ("Content-Encoding", "gzip"),
    ]
    answer = TestClient(api.app).post(PREDICT, content=b"{}", headers=headers)
    assert answer.status_code == 415


def test_an_unknown_coding_is_not_repeated(api: Service, door: str) -> None:
    answer = getattr(api, door)("POST", PREDICT, b"{}", headers={"Content-Encoding": "mArKeR"})
    assert answer.status == 415
    assert b"marker" not in answer.body.lower()


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_a_body_that_is_not_compressed_may_say_so(api: Service, door: str, coding: str) -> None:
    answer = getattr(api, door)(
        "POST",
        PREDICT,
        b'{"customer_id": "C1", "tenure": 24, "monthly_charges": 79.5}',
        headers={"Content-Encoding": coding},
    )
    assert answer.status == 200


def test_another_media_type_is_told_the_right_one(api: Service, door: str) -> None:
    answer = getattr(api, door)("POST", PREDICT, b"<a/>", media_type="text/xml")
    assert answer.status == 415
    assert answer.headers["accept"] == "application/json"


def preflight(api: Service, door: str, origin: str, method: str = "POST") -> Answer:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    answer: Answer = getattr(api, door)("OPTIONS", PREDICT, headers=headers)
    return answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_a_page_of_an_allowed_origin_may_call(door: str, method: str) -> None:
    api = service(settings=Settings(cors_origins=f"https://a.example, {SHOP}"))
    answer = preflight(api, door, SHOP, method)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert method in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert [name for name in ("authorization", "content-type") if name not in allowed] == []
    assert [line["status"] for line in api.log_lines("request")] == [200]
    for path in ("/healthz", "/nowhere"):  # a page may read problems, too
        get = getattr(api, door)("GET", path, headers={"Origin": SHOP})
        assert get.headers["access-control-allow-origin"] == SHOP
        assert "X-Request-Id" in get.headers["access-control-expose-headers"]


def test_a_page_of_another_origin_may_not_call(door: str) -> None:
    api = service(settings=Settings(cors_origins=SHOP))
    answer = preflight(api, door, "https://evil.example")
    assert answer.status == 400
    assert "access-control-allow-origin" not in answer.headers


def test_no_page_may_call_unless_an_origin_is_allowed(api: Service, door: str) -> None:
    answer = preflight(api, door, SHOP)
    assert answer.status == 405
    assert "access-control-allow-origin" not in answer.headers
    get = getattr(api, door)("GET", "/healthz", headers={"Origin": SHOP})
    assert "access-control-allow-origin" not in get.headers


@pytest.mark.parametrize("base", ["/prod", "/shop/v2"])
def test_a_base_path_is_stripped(door: str, base: str) -> None:
    api = service(settings=Settings(base_path=base))
    ask: Ask = getattr(api, door)
    body = b'{"customer_id": "C1", "tenure": 24, "monthly_charges": 79.5}'
    assert ask("POST", base + PREDICT, body).json()["customer_id"] == "C1"
    assert ask("GET", f"{base}/healthz").status == 200
    assert ask("GET", "/healthz").status == 200  # of a health check that goes around the gateway
    assert ask("GET", f"{base}x/healthz").status == 404
    assert ask("GET", f"/other{base}/healthz").status == 404
    assert ask("GET", base).status == 404
    assert ask("GET", f"{base}/openapi.json").json()["servers"] == [{"url": base}]
    assert [line.get("route") for line in api.log_lines("request")][:2] == [PREDICT, "/healthz"]


def test_the_location_of_a_job_has_the_base_path() -> None:
    batch = batch_service(settings=Settings(base_path="/prod"), identify=identify_local)
    body = b'{"model": "churn", "rows": [{}]}'
    location = batch.api.asgi("POST", f"/prod{BATCH}", body).headers["location"]
    assert location.startswith(f"/prod{BATCH}/job_")
    assert batch.api.asgi("GET", location).status == 200


def test_without_a_base_path_none_is_stripped(api: Service, door: str) -> None:
    assert getattr(api, door)("GET", "/prod/healthz").status == 404
    assert "servers" not in getattr(api, door)("GET", "/openapi.json").json()
    assert api.predict(**CUSTOMER).status == 200
