"""Lambda's handler answers whatever an event holds, and the application logs it once."""

import asyncio
import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from functions.api.gateway import behind_gateway
from tests.conftest import ROOT
from tests.unit.api.service import AWS_REQUEST_ID, LambdaContext, Service, service

START = "from fastapi import FastAPI; from functions.api.gateway import behind_gateway as it"
EVENT = {
    "version": "2.0",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": "192.0.2.1"}},
    "isBase64Encoded": False,
}
EXAMPLES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "events").glob("*.json"))
}
REQUESTS = [event for event in EXAMPLES.values() if "requestContext" in event]
PREDICTION = EXAMPLES["predict"]
MARKER = "mArKeR-41c7"

REST_API: dict[str, Any] = {
    "resource": "/{proxy+}",
    "path": "/v1/predict/batch",
    "httpMethod": "POST",
    "headers": {"Content-Type": "application/json"},
    "multiValueHeaders": {"Content-Type": ["application/json"]},
    "queryStringParameters": None,
    "requestContext": {"stage": "prod", "identity": {"userArn": "arn:aws:iam::1:user/a"}},
    "body": '{"model": "churn", "rows": [{}]}',
    "isBase64Encoded": False,
}
LOAD_BALANCER: dict[str, Any] = {
    "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
    "httpMethod": "GET",
    "path": "/healthz",
    "headers": {"host": "lb.example.com"},
    "body": "",
    "isBase64Encoded": False,
}


def answer_of(api: Service, event: object, context: object = LambdaContext()) -> dict[str, Any]:
    """Return the answer to an event, after checking that Lambda can send it and it was logged."""
    lines = len(api.log_lines())
    answer = behind_gateway(api.app)(event, context)
    json.dumps(answer, ensure_ascii=False).encode()
    assert type(answer["statusCode"]) is int
    assert answer["statusCode"] < 500, answer
    (line,) = api.log_lines()[lines:]
    assert (line["message"], line["status"]) == ("request", answer["statusCode"])
    assert line["request_id"] == answer["headers"]["x-request-id"]
    return answer


def changed(event: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return the event with another value at a path such as `headers.host`."""
    event = copy.deepcopy(event)
    *folders, name = path.split(".")
    place = event
    for folder in folders:
        place = place[folder]
    place[name] = value
    return event


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("headers.host", "[2001:db8::1]"),
        ("headers.host", "[2001:db8::1]:443"),
        ("headers.host", "api.example.com:"),
        ("headers.host", "api.example.com:port"),
        ("headers.host", ""),
        ("headers.x-forwarded-port", "443,80"),
        ("headers.x-forwarded-port", ""),
        ("headers.x-forwarded-proto", "https, http"),
        ("headers.x-forwarded-for", "unknown"),
        ("cookies", ["a=1", "b=2"]),
        ("cookies", "a=1"),
        ("cookies", [None]),
        ("requestContext.http.sourceIp", None),
        ("rawQueryString", "%ff&&=&a=%"),
        ("rawQueryString", None),
        ("stageVariables", 7),
    ],
)
def test_parts_of_an_event_that_are_not_needed_may_be_anything(
    api: Service, path: str, value: object
) -> None:
    assert answer_of(api, changed(PREDICTION, path, value))["statusCode"] == 200


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("headers", ["content-type", "application/json"]),
        ("headers", "content-type: application/json"),
        ("headers.accept", None),
        ("headers.accept", ["*/*"]),
        ("headers.accept", "\ud800"),
        ("headers.\udfff", "1"),
        ("rawQueryString", ["a=1"]),
        ("rawQueryString", "a=\ud800"),
        ("requestContext.http", None),
        ("requestContext.http.path", None),
        ("requestContext.http.path", "/\ud800"),
        ("requestContext.http.method", None),
        ("requestContext.http.method", ""),
        ("requestContext.http.method", "GÉT"),
        ("requestContext.http.method", f"{MARKER}"),
        ("requestContext.http.method", "M" * 17),
        ("requestContext", []),
        ("body", {"tenure": 24}),
        ("body", "\ud800"),
        ("isBase64Encoded", "true"),
        ("isBase64Encoded", True),
    ],
)
def test_an_event_with_an_unreadable_part_is_a_400(api: Service, path: str, value: object) -> None:
    answer = answer_of(api, changed(PREDICTION, path, value))
    assert answer["statusCode"] == 400
    problem = json.loads(answer["body"])
    assert problem["type"] == "urn:mlops-pipeline:problem:unreadable-request"
    assert problem["request_id"] == AWS_REQUEST_ID
    (line,) = api.log_lines()
    assert line["problem"] == "unreadable-request"
    assert not {"route", "method"} & line.keys()
    assert MARKER not in api.log.getvalue().decode()


@pytest.mark.parametrize("body", ["e30", "e30=e30=", "e3 0=", "e30=\n", "é", "====", "_-8="])
def test_a_body_in_wrong_base64_is_a_400(api: Service, body: str) -> None:
    event = changed(changed(PREDICTION, "body", body), "isBase64Encoded", True)
    answer = answer_of(api, event)
    assert answer["statusCode"] == 400
    assert "base64" in json.loads(answer["body"])["detail"]


@pytest.mark.parametrize("headers", [None, {}])
def test_an_event_without_headers_is_a_request_without_headers(
    api: Service, headers: object
) -> None:
    assert answer_of(api, changed(PREDICTION, "headers", headers))["statusCode"] == 415
    health = changed(EXAMPLES["healthz"], "headers", headers)
    assert answer_of(api, health)["statusCode"] == 200


@pytest.mark.parametrize(
    "event",
    [None, [], "event", 7, {}, {"version": "2.0"}, EXAMPLES["sqs-task"], {"Records": []}],
    ids=lambda event: str(event)[:30],
)
def test_an_event_that_is_no_request_is_a_400(api: Service, event: object) -> None:
    assert answer_of(api, event)["statusCode"] == 400


@pytest.mark.parametrize(
    "event",
    [
        REST_API,
        REST_API | {"version": "1.0"},
        changed(REST_API, "requestContext.authorizer", {"claims": {"sub": "a"}}),
        LOAD_BALANCER,
        PREDICTION | {"version": "1.0"},
        PREDICTION | {"version": 2.0},
        {name: value for name, value in PREDICTION.items() if name != "version"},
    ],
    ids=range(7),
)
def test_an_event_of_another_gateway_is_a_403(api: Service, event: dict[str, Any]) -> None:
    answer = answer_of(api, event)
    assert answer["statusCode"] == 403
    assert json.loads(answer["body"])["type"].endswith(":caller-unknown")


def test_an_unreadable_event_without_a_context_gets_an_id_of_its_own(api: Service) -> None:
    assert answer_of(api, None, context=None)["headers"]["x-request-id"]


# --- any event ------------------------------------------------------------------------------------
# Surrogates, which cannot be encoded, are among these characters.
TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["", "443,80", "[::1]", "[2001:db8::1]", "api.example.com:", "\ud800", "e30", "e30=", "2.0"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Return the path of everything in an event."""
    yield path
    inner = value.items() if isinstance(value, dict) else ()
    for name, member in inner:
        yield from places(member, (*path, name))


@st.composite
def mutated(draw: st.DrawFn) -> object:
    """Return a real event of which up to four parts are replaced, removed or added."""
    event: Any = copy.deepcopy(draw(st.sampled_from([*REQUESTS, REST_API, LOAD_BALANCER])))
    for _ in range(draw(st.integers(1, 4))):
        *folders, last = draw(st.sampled_from([path for path in places(event) if path] or [("x",)]))
        place = event
        for folder in folders:
            place = place[folder]
        match draw(st.sampled_from(["replace", "replace", "remove", "add"])):
            case "replace":
                place[last] = draw(VALUES)
            case "remove":
                place.pop(last, None)
            case "add":
                place[draw(TEXTS)] = draw(VALUES)
    return event


FUZZED = service()


@settings(
    max_examples=600,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(event=mutated() | VALUES)
def test_whatever_is_in_an_event_it_is_answered_and_logged_once(event: object) -> None:
    FUZZED.log.seek(0)
    FUZZED.log.truncate()
    answer_of(FUZZED, event)


# --- an application that fails --------------------------------------------------------------------


async def _raises_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError(MARKER)


async def _raises_amid_its_answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise LookupError(MARKER)


async def _answers_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def _answers_what_no_header_can_hold(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"\xff")]})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.mark.parametrize(
    ("app", "logged"),
    [
        (_raises_at_once, 0),
        (_raises_amid_its_answer, 0),
        (_answers_nothing, 1),
        (_answers_what_no_header_can_hold, 1),
    ],
)
def test_an_application_that_gives_no_answer_is_a_500(
    app: Any, logged: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """logged: lines of the gateway. An error that is raised has been logged by the application."""
    answer = behind_gateway(app)(EVENT, LambdaContext())
    assert answer["statusCode"] == 500
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert json.loads(answer["body"])["request_id"] == AWS_REQUEST_ID
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["message"], line["request_id"]) for line in lines] == [
        ("failure", AWS_REQUEST_ID)
    ] * logged
    # Mangum would write the error with all that it says, and the path of each request.
    assert MARKER not in caplog.text + out + err


def test_an_answer_that_breaks_off_is_logged_as_a_500(api: Service) -> None:
    api.app.router.routes.insert(0, _Broken("/broken"))
    answer = behind_gateway(api.app)(
        changed(EVENT, "requestContext.http.path", "/broken"), LambdaContext()
    )
    assert answer["statusCode"] == 500
    failure, request = api.log_lines()
    assert (failure["message"], failure["error"]) == ("failure", "LookupError")
    assert (request["message"], request["status"]) == ("request", 500)
    assert MARKER not in api.log.getvalue().decode()


def _Broken(path: str) -> Any:
    from starlette.routing import Route

    route = Route(path, lambda request: None)
    route.app = _raises_amid_its_answer
    return route


# --- what the adapter costs -----------------------------------------------------------------------


def test_a_start_warns_of_nothing() -> None:
    """Python 3.12 and later warn of asking for a loop that is not there."""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{START}; it(FastAPI())"],
        cwd=ROOT,
        check=True,
        timeout=60,
    )


def test_headers_reach_the_application() -> None:
    async def heard(request: Request) -> str:
        return request.headers["x-said"]

    app = FastAPI()
    app.get("/")(heard)
    answer = behind_gateway(app)(EVENT | {"headers": {"X-Said": "this"}}, SimpleNamespace())
    assert answer["body"] == '"this"'


def test_one_loop_serves_the_whole_process() -> None:
    async def loop() -> str:
        return hex(id(asyncio.get_running_loop()))

    app = FastAPI()
    app.get("/")(loop)
    handlers: list[Any] = []
    answers = []
    for _ in range(2):
        asyncio.set_event_loop(None)  # as every asyncio.run() leaves it behind
        handlers.append(behind_gateway(app))
        answers += [each(EVENT, SimpleNamespace())["body"] for each in handlers]
    assert len(set(answers)) == 1
