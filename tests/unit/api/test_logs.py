"""One JSON line a request; customers appear as hashes only."""

import asyncio
import io
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi.routing import APIRoute
from starlette.types import Message

from functions.api.routes.health import health_router
from functions.api.settings import Settings
from functions.api.telemetry import IdHash, Telemetry
from mlops.bootstrap.logs import open_logger
from mlops.errors import StoreUnavailable
from mlops.inference.loading import ModelLoader
from mlops.inference.pinned import PinnedModels
from tests.unit.api.service import (
    AWS_REQUEST_ID,
    CUSTOMER,
    PREDICT,
    FailingLoader,
    FakeSource,
    Service,
    service,
)
from tests.unit.inference.building import version_files

WHOM = "cuStoMer-5f0e"
BODY = json.dumps(CUSTOMER | {"customer_id": WHOM}).encode()


def ticking() -> Iterator[float]:
    """A clock that moves a quarter of a second at each look."""
    now = 1_000.0
    while True:
        yield now
        now += 0.25


def failing(error: Exception, *, metrics_namespace: str = "") -> Service:
    source = FakeSource(version_files())
    settings = Settings(metrics_namespace=metrics_namespace)
    return service(source, settings=settings, loader=FailingLoader(source, error))


def hash_of(api: Service) -> str:
    api.asgi("POST", PREDICT, BODY)
    found: str = api.log_lines("request")[-1]["subject_hash"]
    return found


def test_a_refusal_says_which() -> None:
    api = service()
    api.asgi("POST", PREDICT, b"{}")
    api.asgi("POST", PREDICT, b"{")
    lines = api.log_lines("request")
    assert [line["problem"] for line in lines] == ["invalid-request", "malformed-json"]


def test_a_prediction_is_one_line() -> None:
    clock = ticking()
    api = service(settings=Settings(release="17"), clock=lambda: next(clock))
    answer = api.through_lambda("POST", PREDICT, BODY)
    (line,) = api.log_lines()
    assert line["level"] == "info"
    assert line["message"] == "request"
    assert line["request_id"] == AWS_REQUEST_ID
    assert line["method"] == "POST"
    assert line["route"] == PREDICT
    assert line["status"] == 200
    assert line["model"] == "churn"
    assert line["model_version"] == "churn-model-v1.0.0"
    assert line["duration_ms"] == 250.0
    assert line["release"] == "17"
    assert line["prediction"] == answer.json()["churn_probability"]
    assert re.fullmatch("[0-9a-f]{32}", line["subject_hash"])


def test_the_first_request_of_a_process_is_a_cold_start() -> None:
    # Nor is it the first prediction that counts: what follows a refusal is warm, too.
    api = service()
    api.asgi("GET", "/nowhere")
    api.predict()
    api.through_lambda("POST", PREDICT, BODY)
    assert [line["cold_start"] for line in api.log_lines("request")] == [True, False, False]


def test_what_was_not_predicted_has_no_prediction(api: Service) -> None:
    api.asgi("GET", "/healthz")
    api.predict(tenure=-1)
    broken = failing(LookupError())
    broken.predict()
    lines = api.log_lines("request") + broken.log_lines("request")
    assert [line["status"] for line in lines] == [200, 422, 500]
    assert not any("prediction" in line for line in lines)


def test_elsewhere_than_on_lambda_requests_get_ids_of_their_own() -> None:
    ids = iter(["one", "two"])
    api = service(new_request_id=lambda: next(ids))
    assert [api.predict().headers["x-request-id"] for _ in range(2)] == ["one", "two"]
    assert [line["request_id"] for line in api.log_lines()] == ["one", "two"]


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/v1/models/nobody"])
def test_every_answer_has_lambdas_request_id(api: Service, path: str) -> None:
    assert api.through_lambda("GET", path).headers["x-request-id"] == AWS_REQUEST_ID
    assert api.log_lines("request")[-1]["request_id"] == AWS_REQUEST_ID


def test_the_hash_depends_on_key_and_customer() -> None:
    keyed = [service(settings=Settings(log_key=key)) for key in ("a", "a", "b")]
    first, again, other_key = map(hash_of, keyed)
    assert first == again
    assert first != other_key
    keyed[0].predict(customer_id="somebody else")
    assert keyed[0].log_lines()[-1]["subject_hash"] != first


def test_processes_without_a_key_make_their_own() -> None:
    assert hash_of(service()) != hash_of(service())


def test_the_hash_of_an_id_changes_when_a_month_begins() -> None:
    times = [
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 11, 30, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2026, 12, 1, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
        datetime(2027, 11, 15, tzinfo=UTC),
    ]
    now = times[0]
    hashed = IdHash("secret", lambda: now.timestamp())
    found = []
    for now in times:
        found.append(hashed("customer"))
        # It depends on the month alone, and not on when the process started.
        assert IdHash("secret", lambda: now.timestamp())("customer") == found[-1]  # noqa: B023
    november, november_too, december, december_too, january, next_november = found
    assert (november, december) == (november_too, december_too)
    assert len({november, december, january, next_november}) == 4


def test_a_route_is_logged_and_not_the_path(api: Service) -> None:
    for path in (f"/v1/models/{WHOM}", f"/{WHOM}", f"{PREDICT}/{WHOM}?id={WHOM}"):
        api.through_lambda("GET", path)
    assert [line.get("route") for line in api.log_lines()] == ["/v1/models/{model}", None, None]
    assert WHOM not in api.log.getvalue().decode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (BODY, 200),
        (BODY.replace(b"24", b"-1"), 422),
        (BODY.replace(b"24", b"NaN"), 400),
        (BODY + b" " * 1_000_000, 413),
        (json.dumps({WHOM: WHOM} | CUSTOMER).encode(), 422),
        (f'{{"{WHOM}": 1, "{WHOM}": 2}}'.encode(), 400),
    ],
)
def test_no_line_has_the_customers_id(api: Service, body: bytes, status: int) -> None:
    assert api.asgi("POST", PREDICT, body).status == status
    assert api.through_lambda("POST", PREDICT, body).status == status
    assert [line["status"] for line in api.log_lines("request")] == [status, status]
    assert WHOM not in api.log.getvalue().decode()


def test_a_failure_is_logged_where_but_not_in_its_own_words(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    api = failing(LookupError(f"no row for {WHOM}"))
    assert api.through_lambda("POST", PREDICT, BODY).status == 500
    failure, request = api.log_lines()
    assert (failure["level"], failure["error"]) == ("error", "LookupError")
    assert "reason" not in failure
    assert "raise self._error" in "".join(failure["stack"])
    assert failure["request_id"] == request["request_id"] == AWS_REQUEST_ID
    assert (request["status"], request["model_version"]) == (500, "churn-model-v1.0.0")
    # Nor does anybody else log it: Mangum would, if the error got that far.
    everything = "".join([api.log.getvalue().decode(), caplog.text, *capsys.readouterr()])
    assert WHOM not in everything


def test_an_error_of_ours_is_logged_with_its_reason() -> None:
    api = failing(StoreUnavailable("models/x", "refused"))
    assert api.asgi("POST", PREDICT, BODY).status == 503
    assert api.log_lines("failure")[0]["reason"] == "models/x: refused"
    assert api.log_lines("request")[0]["status"] == 503
    assert WHOM not in api.log.getvalue().decode()


def test_refusals_are_not_failures(api: Service) -> None:
    api.predict(tenure=-1)
    api.asgi("GET", "/nowhere")
    assert api.log_lines("failure") == []


def test_the_line_of_a_request_is_its_metrics_too() -> None:
    api = service(settings=Settings(metrics_namespace="mlops-test"), now=lambda: 1_767_322_800.25)
    api.predict()
    api.predict(tenure=-1)
    for line, status in zip(api.log_lines(), (200, 422), strict=True):
        assert (line["status"], line["errors"]) == (status, 0)
        assert line["_aws"]["Timestamp"] == 1_767_322_800_250
        (metrics,) = line["_aws"]["CloudWatchMetrics"]
        assert metrics["Namespace"] == "mlops-test"
        assert metrics["Dimensions"] == [["service", "kind"], ["service", "kind", "model"]]
        # CloudWatch drops the whole line's metrics where one of these is not in it, or no number.
        assert all(isinstance(line[name], str) for name in metrics["Dimensions"][1])
        assert all(isinstance(line[metric["Name"]], int | float) for metric in metrics["Metrics"])


def counted(api: Service) -> list[tuple[str, int]]:
    """The kind of each request, and whether it counts as an error."""
    return [(line["kind"], line["errors"]) for line in api.log_lines("request") if "_aws" in line]


def test_a_prediction_without_a_model_counts_as_an_error() -> None:
    source = FakeSource(version_files())
    source.down = True
    api = service(source, settings=Settings(metrics_namespace="mlops-test"))
    assert api.predict().status == 503
    assert api.through_lambda("POST", PREDICT, BODY).status == 503
    assert counted(api) == [("prediction", 1)] * 2


def test_each_request_for_a_prediction_names_its_model() -> None:
    source = FakeSource(version_files())
    source.down = True
    down = service(source)
    down.predict()
    api = service()
    api.predict()
    api.predict(tenure=-1)
    api.asgi("POST", PREDICT, b"{")
    lines = [*down.log_lines("request"), *api.log_lines("request")]
    assert [(line["status"], line["model"]) for line in lines] == [
        (503, "churn"),
        (200, "churn"),
        (422, "churn"),
        (400, "churn"),
    ]


def test_other_requests_name_no_model_in_their_metrics() -> None:
    api = service(settings=Settings(metrics_namespace="mlops-test"))
    for method, path in (("GET", "/v1/models/churn"), ("GET", PREDICT), ("POST", "/v1/predict/b")):
        api.asgi(method, path)
    for line in api.log_lines("request"):
        (metrics,) = line["_aws"]["CloudWatchMetrics"]
        assert (metrics["Dimensions"], "model" in line) == ([["service", "kind"]], False)


def test_a_refused_prediction_is_counted_and_is_no_error() -> None:
    api = service(settings=Settings(metrics_namespace="mlops-test"))
    api.predict()
    api.predict(tenure=-1)
    api.asgi("POST", PREDICT, b"{")
    assert counted(api) == [("prediction", 0)] * 3


def test_other_requests_do_not_dilute_the_errors_of_predictions() -> None:
    api = failing(LookupError(), metrics_namespace="mlops-test")
    api.predict()
    for path in ("/nowhere", "/v1/models", "/healthz", "/readyz", "/openapi.json"):
        api.asgi("GET", path)
    api.asgi("POST", f"{PREDICT}/batch", b"{}")
    assert counted(api) == [("prediction", 1), *[("other", 0)] * 4]


def test_a_request_that_fails_before_its_route_is_known_counts_as_a_prediction() -> None:
    log = io.BytesIO()
    telemetry = Telemetry(
        open_logger("api", log),
        key="",
        namespace="mlops-test",
        now=time.time,
    )
    telemetry.request({"route": None}, 500)
    telemetry.request({}, None)
    telemetry.request({"route": None}, 404)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    found = [(line["kind"], line["errors"]) for line in lines]
    assert found == [("prediction", 1), ("prediction", 1), ("other", 0)]


def test_health_checks_are_logged_and_not_counted() -> None:
    api = service(settings=Settings(metrics_namespace="mlops-test"))
    router = health_router(PinnedModels([], ModelLoader([])))
    paths = [route.path for route in router.routes if isinstance(route, APIRoute)]
    assert len(paths) == 2
    for path in paths:
        api.asgi("GET", path)
    assert [line["route"] for line in api.log_lines("request")] == paths
    assert counted(api) == []


def test_there_are_no_metrics_without_a_name_for_them(api: Service) -> None:
    api.predict()
    assert not {"_aws", "errors"} & api.log_lines()[0].keys()


def test_a_client_that_hangs_up_amid_its_request_is_no_failure_of_ours() -> None:
    api = service()
    came: Iterator[Message] = iter(
        [
            {"type": "http.request", "body": BODY[:9], "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Message:
        return next(came)

    async def send(message: Message) -> None:
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": PREDICT,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    asyncio.run(api.app(scope, receive, send))
    (line,) = api.log_lines()
    assert (line["status"], line["problem"]) == (499, "client-closed-request")
