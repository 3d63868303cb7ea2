"""The function's answers, its errors and its log."""

import io
import json
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger

from functions.release.handling import Begins, Handler, Refusing, Unusable, create_handler
from mlops.bootstrap.logs import open_logger
from mlops.errors import CloudUnavailable, FunctionGone
from mlops.registry.releases import Ended
from mlops.release.closing import following
from mlops.release.ports import ExecutionStatus
from tests.unit.release.bench import ANN, ID, Bench
from tests.unit.release.fakes import unavailable
from tests.unit.release_function.test_settings import NEEDED

BEGIN = {"operation": "begin", "id": ID, "input": {"by": ANN}}


class Context:
    aws_request_id = "8f5ad0c1"


class Service:
    def __init__(self) -> None:
        self.bench = Bench()
        self.bench.deploy()
        self.bench.executions.start(ID, ANN)
        self.log = io.BytesIO()
        self.refusing: Begins | None = None

    def logger(self) -> FilteringBoundLogger:
        return open_logger("test", self.log)

    def __call__(self, event: object) -> dict[str, Any]:
        """What the state machine gets: JSON."""
        bench = self.bench
        beginning = self.refusing or bench.beginning
        handler = Handler(beginning, bench.rollout, bench.reconciler, bench.clock, self.logger())
        answer: dict[str, Any] = json.loads(json.dumps(handler(event, Context())))
        return answer

    def canary(self) -> None:
        self(BEGIN)
        assert self({"operation": "gate", "id": ID}) == {"passed": True, "reasons": []}
        plan = self.bench.plan()
        self.bench.api.move("1", plan.weights, plan.revision)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().decode().splitlines()]


@pytest.fixture
def service() -> Service:
    return Service()


def test_a_release_begins(service: Service) -> None:
    answer = service(BEGIN)
    assert (answer["outcome"], answer["reasons"]) == ("STARTED", [])
    assert answer["plan"] == service.bench.plan().to_document()
    assert service(BEGIN) == answer


def test_nothing_new() -> None:
    service = Service()
    service.bench = Bench()
    answer = service(BEGIN)
    assert (answer["outcome"], answer["plan"]) == ("UNCHANGED", None)
    recorded = service({"operation": "record", "id": ID, "ending": answer})
    assert recorded["outcome"] == "UNCHANGED"


def test_what_follows_waits_for_alarms(service: Service) -> None:
    service.bench.alarms.ringing.add("errors")
    answer = service({**BEGIN, "id": following(ID)})
    assert answer == {"outcome": "WAITING", "reasons": ["alarms ring: errors"], "plan": None}


def test_a_canary_is_watched_and_recorded(service: Service) -> None:
    service.canary()
    watched = service({"operation": "watch", "id": ID})
    assert watched == {"action": "CONTINUE", "reasons": [], "look": None}
    service.bench.promote()
    ending = {"outcome": "PROMOTED", "reasons": ["good"]}
    recorded = service({"operation": "record", "id": ID, "ending": ending})
    assert (recorded["outcome"], recorded["again"]) == ("PROMOTED", False)
    assert recorded["subject"].startswith("PROMOTED: version 2")
    assert "- good" in recorded["text"]


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
def test_what_the_state_machine_caught_is_a_reason(
    service: Service, failure: dict[str, str], words: str
) -> None:
    service.canary()
    service.bench.api.move("1", {}, service.bench.api.traffic().revision)
    ending = {"outcome": "ROLLED_BACK", "failure": failure}
    service({"operation": "record", "id": ID, "ending": ending})
    assert service.bench.outcome() == (Ended.ROLLED_BACK, (words,))


@pytest.mark.parametrize(("said", "despite"), [({"despite_alarms": True}, ["errors"]), ({}, None)])
def test_a_release_begins_despite_alarms_where_its_input_says_so(
    service: Service, said: dict[str, bool], despite: list[str] | None
) -> None:
    service.bench.alarms.ringing.add("errors")
    answer = service({**BEGIN, "input": {"by": ANN, **said}})
    assert (answer["plan"] or {}).get("despite") == despite
    assert (answer["outcome"] == "REFUSED") == (despite is None)


def test_what_an_ended_execution_left_is_mended(service: Service) -> None:
    service.canary()
    service.bench.executions.end(ID, ExecutionStatus.ABORTED)
    answer = service({"operation": "reconcile"})
    assert answer["done"][-1] == "its execution has ended: ABORTED"
    idle = {"done": [], "idle": "nothing to do"}
    # As a schedule or EventBridge calls it, with whatever else they send.
    assert service({"operation": "reconcile", "source": "aws.states"}) == idle


def test_errors_are_raised_by_their_names(service: Service) -> None:
    service.canary()
    service.bench.alarms.before = unavailable
    with pytest.raises(CloudUnavailable):
        service({"operation": "watch", "id": ID})
    service.bench.api.remove_function()
    with pytest.raises(FunctionGone):
        service({"operation": "watch", "id": ID})
    line = service.lines()[-1]
    assert (line["level"], line["message"], line["error"]) == ("error", "operation", "FunctionGone")
    assert line["reason"] == "There is no function api"
    assert line["stack"]


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"operation": "destroy", "id": ID},
        {"operation": "begin", "id": ID},
        {"operation": "begin", "id": ID, "input": {"by": ANN, "despite_alarms": "perhaps"}},
        {"operation": "watch", "id": "a/b"},
        {"operation": "watch", "id": "a\n"},
        {"operation": "record", "id": ID, "ending": {"outcome": "LOST"}},
    ],
)
def test_what_is_no_message(service: Service, event: object) -> None:
    with pytest.raises(ValidationError):
        service(event)
    assert service.lines()[-1]["error"] == "ValidationError"


def test_one_line_is_logged_for_each_operation(service: Service) -> None:
    service(BEGIN)
    (line,) = service.lines()
    assert (line["level"], line["message"], line["operation"]) == ("info", "operation", "begin")
    assert (line["release"], line["request_id"]) == (ID, "8f5ad0c1")
    assert line["answer"] == {"outcome": "STARTED", "reasons": []}
    assert line["duration_ms"] > 0


def test_settings_that_cannot_be_used_are_named_at_each_call(service: Service) -> None:
    handler = create_handler({**NEEDED, "MLOPS_STORE": ""}, service.logger())
    assert isinstance(handler, Unusable)
    for _ in range(2):
        with pytest.raises(ValidationError, match="MLOPS_STORE"):
            handler(BEGIN, Context())
    assert [line["message"] for line in service.lines()] == ["unusable"] * 3


def test_a_release_that_could_come_to_no_end_is_recorded_as_refused(service: Service) -> None:
    service.refusing = Refusing(("too little time",))
    answer = service(BEGIN)
    assert answer == {"outcome": "REFUSED", "reasons": ["too little time"], "plan": None}
    service({"operation": "record", "id": ID, "ending": answer})
    assert service.bench.outcome() == (Ended.REFUSED, ("too little time",))


def test_what_is_under_way_goes_on_where_the_next_is_refused(service: Service) -> None:
    service.canary()
    service.refusing = Refusing(("too little time",))
    assert service({"operation": "watch", "id": ID})["action"] == "CONTINUE"


def test_settings_that_no_release_can_end_with_refuse_each(
    service: Service, aws_settings: pytest.MonkeyPatch
) -> None:
    handler = create_handler({**NEEDED, "MLOPS_CANARY_TIMEOUT_SECONDS": "60"}, service.logger())
    answer = handler(BEGIN, Context())
    assert answer["outcome"] == "REFUSED"
    assert "MLOPS_CANARY_TIMEOUT_SECONDS" in answer["reasons"][0]


def test_the_handler_is_wired(service: Service, aws_settings: pytest.MonkeyPatch) -> None:
    assert isinstance(create_handler(NEEDED, service.logger()), Handler)
    assert service.lines() == []
