"""The release function's answers, its errors and its log."""

import io
import json
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger

from functions.release.service import Handler, Unusable, create_handler
from mlops.bootstrap.logs import open_logger
from mlops.errors import CloudUnavailable, FunctionGone
from mlops.registry.releases import Ended
from mlops.release.ports import ExecutionStatus
from tests.unit.release.fakes import unavailable
from tests.unit.release.fixture import ANN, ID, Fixture
from tests.unit.release_function.test_settings import NEEDED

BEGIN = {
    "next": "begin",
    "id": ID,
    "started_at": "2026-03-01T12:00:00.000Z",
    "input": {"by": ANN},
}
ENDED = {"source": "aws.states", "detail": {"name": ID, "status": "FAILED"}, "region": "eu-west-1"}


class Context:
    aws_request_id = "8f5ad0c1"


class Service:
    def __init__(self) -> None:
        self.fixture = Fixture()
        self.fixture.deploy()
        self.fixture.executions.start(ID, ANN)
        self.log = io.BytesIO()

    def logger(self) -> FilteringBoundLogger:
        return open_logger("test", self.log)

    def __call__(self, event: object) -> dict[str, Any]:
        """What the state machine gets: JSON."""
        fixture = self.fixture
        handler = Handler(fixture.release, fixture.repair, fixture.clock, self.logger())
        answer: dict[str, Any] = json.loads(json.dumps(handler(event, Context())))
        return answer

    def canary(self) -> dict[str, Any]:
        state: dict[str, Any] = BEGIN
        while state["next"] != "watch":
            state = self(state)
        return state

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().decode().splitlines()]


@pytest.fixture
def service() -> Service:
    return Service()


def test_each_answer_is_the_next_state_and_says_how_long_to_wait(service: Service) -> None:
    state = service(BEGIN)
    assert (state["next"], state["wait"], state["id"]) == ("gate", 0, ID)
    assert state["plan"]["candidate"]["number"] == "2"
    state = service.canary()
    assert (state["next"], state["wait"]) == ("watch", 10)
    assert service(state) == state


def test_nothing_new_ends_at_once(service: Service) -> None:
    service.fixture = Fixture()
    state = service(service(BEGIN))
    assert (state["next"], state["outcome"]) == ("", "UNCHANGED")


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (
            {"Error": "FunctionGone", "Cause": json.dumps({"errorMessage": "There is no api"})},
            "FunctionGone: There is no api",
        ),
        ({"Error": "States.Timeout", "Cause": ""}, "States.Timeout"),
        ({"Error": "States.Timeout"}, "States.Timeout"),
        ({"Error": "Lambda.Unknown", "Cause": "what {"}, "Lambda.Unknown: what {"),
        ({"Error": "E", "Cause": "[1]"}, "E: [1]"),
        ({"Error": "E", "Cause": "x" * 9000}, "E: " + "x" * 500),
    ],
)
@pytest.mark.parametrize("step", ["begin", "gate", "watch"])
def test_what_the_state_machine_caught_is_a_reason(
    service: Service, step: str, failure: dict[str, str], words: str
) -> None:
    state: dict[str, Any] = BEGIN if step == "begin" else service(BEGIN)
    if step == "watch":
        state = service.canary()
    service(service({**state, "next": "undo", "failure": failure}))
    outcome = Ended.ROLLED_BACK if step == "watch" else Ended.REFUSED
    assert service.fixture.ended() == (outcome, (words,))
    assert service.fixture.live() == ("1", {}, "1")


def test_the_event_of_a_bad_end_has_the_release_undone(service: Service) -> None:
    service.canary()
    service.fixture.executions.end(ID, ExecutionStatus.FAILED)
    (text,) = service(ENDED)["repaired"]
    assert "its execution has ended: FAILED" in text
    assert service.lines()[-1]["release"] == ID


@pytest.mark.parametrize("name", ["repair", "reconcile"])
def test_the_schedule_asks_for_a_repair(service: Service, name: str) -> None:
    """By its former name, too: a rule may be updated after the function."""
    assert service({"operation": name}) == {"repaired": []}


def test_errors_are_raised_by_their_names(service: Service) -> None:
    state = service.canary()
    service.fixture.alarms.before = unavailable
    with pytest.raises(CloudUnavailable):
        service(state)
    service.fixture.api.remove_function()
    with pytest.raises(FunctionGone):
        service(state)
    line = service.lines()[-1]
    assert (line["level"], line["message"], line["error"]) == ("error", "operation", "FunctionGone")
    assert line["reason"] == "There is no function api"
    assert line["stack"]


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"operation": "destroy"},
        {"source": "aws.ec2", "detail": {"name": ID}},
        {"source": "aws.states", "detail": {}},
        {**BEGIN, "next": "destroy"},
        {**BEGIN, "input": {}},
        {**BEGIN, "input": {"by": ANN, "despite_alarms": "perhaps"}},
        {**BEGIN, "next": "watch"},
        {**BEGIN, "next": "record", "outcome": "LOST"},
    ],
)
def test_an_unknown_event_is_an_error(service: Service, event: object) -> None:
    with pytest.raises(ValidationError):
        service(event)
    assert service.lines()[-1]["error"] == "ValidationError"


def test_one_line_is_logged_for_each_call(service: Service) -> None:
    service(BEGIN)
    (line,) = service.lines()
    assert (line["level"], line["message"], line["operation"]) == ("info", "operation", "begin")
    assert (line["release"], line["request_id"]) == (ID, "8f5ad0c1")
    assert line["answer"] == {"next": "gate", "wait": 0}
    assert line["duration_ms"] > 0


def test_settings_that_cannot_be_used_are_named_at_each_call(service: Service) -> None:
    handler = create_handler({**NEEDED, "MLOPS_STORE": ""}, service.logger())
    assert isinstance(handler, Unusable)
    for _ in range(2):
        with pytest.raises(ValidationError, match="MLOPS_STORE"):
            handler(BEGIN, Context())
    assert [line["message"] for line in service.lines()] == ["unusable"] * 3


def test_the_handler_is_wired(service: Service, aws_settings: pytest.MonkeyPatch) -> None:
    assert isinstance(create_handler(NEEDED, service.logger()), Handler)
    assert service.lines() == []
