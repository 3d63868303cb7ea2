"""The doctor: what is committed and deployed, what cannot be read, and a healthy stack."""

from dataclasses import replace

import pytest

from mlops.errors import StoreUnavailable
from mlops.release.doctor import diagnose
from mlops.release.doctor.remedies import Severity
from tests.unit.fakes import overwrite
from tests.unit.inference.building import V1
from tests.unit.release.examined_stack import STORE, ExaminedStack, move
from tests.unit.release.fakes import FakeFunction, unavailable
from tests.unit.release.fixture import ANN, ID, V2


def test_a_healthy_stack_has_no_findings(examined: ExaminedStack) -> None:
    assert examined.findings() == ()


def test_neither_has_one_after_a_release_nor_after_a_rollback_that_was_committed(
    second: ExaminedStack,
) -> None:
    assert second.findings() == ()
    second.fixture.operations.roll_back(None, ANN)
    second.deploy(V1)
    assert second.findings() == ()


def test_the_doctor_changes_nothing(second: ExaminedStack) -> None:
    before = {key: second.fixture.objects.get(key) for key in second.fixture.objects.keys("r")}
    moves = len(second.fixture.api.moves)
    move(second.fixture.api, "1")
    second.findings()
    assert {
        key: second.fixture.objects.get(key) for key in second.fixture.objects.keys("r")
    } == before
    assert len(second.fixture.api.moves) == moves


# --- what is committed, and what is deployed ---------------------------------------------------


def test_a_pin_that_is_committed_and_not_deployed(examined: ExaminedStack) -> None:
    examined.commit(V2)
    found = examined.only()
    assert (found.severity, found.command) == (Severity.WARNING, "make deploy")
    pins = examined.pins
    assert found.what == f"{pins[V2]} is committed and not deployed: the stack has {pins[V1]}"


def test_commands_name_the_stack_the_file_and_the_store_where_they_are_not_the_usual_ones(
    examined: ExaminedStack,
) -> None:
    examined.named, examined.path = True, "other file.toml"
    examined.commit(V2)
    assert examined.only().command == "sam deploy --stack-name mlops-pipeline"
    assert "other file.toml has changed" in examined.only().why
    examined.committed = {}
    command = f"mlops pin churn {V1} --store {STORE} --samconfig 'other file.toml'"
    assert examined.only().command == command
    examined.commit(V1)
    move(examined.fixture.api, "1")
    examined.fixture.deploy()
    examined.fixture.deploy(examined.pins[V1], code="other")
    assert examined.only().command == "mlops release start --stack mlops-pipeline"


def test_a_pin_that_is_deployed_and_not_committed(examined: ExaminedStack) -> None:
    examined.committed = {"Architecture": "x86_64", "ChurnPin": ""}
    found = examined.only()
    assert found.what == f"{examined.pins[V1]} is deployed, and no version of churn is committed"
    assert found.command == f"mlops pin churn {V1} --store {STORE}"


def test_what_is_committed_and_is_no_pin(examined: ExaminedStack) -> None:
    assert examined.committed is not None
    examined.committed["ChurnPin"] = "churn-model-v1.0.0"
    assert examined.told() == [
        (
            "error",
            "samconfig.toml has ChurnPin=churn-model-v1.0.0, which is no pin",
            "git restore samconfig.toml",
        )
    ]


def test_a_samconfig_that_cannot_be_read(examined: ExaminedStack) -> None:
    examined.committed = None
    assert examined.findings() == ()  # who has tried to read it says why
    unread = {"samconfig.toml": "no such file"}
    (found,) = diagnose(replace(examined.facts(), unread=unread))
    assert found.what == "samconfig.toml cannot be read, and is not compared"
    assert found.command == "git restore samconfig.toml"


@pytest.mark.parametrize(
    ("there", "words"),
    [("x86_64", "the stack Architecture=x86_64"), (None, "the stack no such parameter")],
)
def test_another_parameter_that_the_stack_has_with_another_value(
    examined: ExaminedStack, there: str | None, words: str
) -> None:
    assert examined.committed is not None
    examined.committed["Architecture"] = "arm64"
    if there is None:
        del examined.parameters["Architecture"]
    what = f"samconfig.toml has Architecture=arm64, and {words}"
    assert examined.told() == [("warning", what, "make deploy")]


@pytest.mark.parametrize("side", ["api", "batch"])
def test_a_function_that_was_changed_past_cloudformation(
    examined: ExaminedStack, side: str
) -> None:
    function: FakeFunction = getattr(examined.fixture, side)
    function.deploy(pins=(examined.pins[V2],))
    drift, not_live = examined.findings()
    assert (drift.severity, not_live.severity) == (Severity.ERROR, Severity.WARNING)
    assert drift.what.startswith(f"The stack has {examined.pins[V1]}, and $LATEST of {side}")
    assert drift.command.startswith(
        f"aws lambda update-function-configuration --function-name {side} --environment "
    )
    assert f'.Variables.MLOPS_PINS = "{examined.pins[V1]}"' in drift.command
    assert not_live.what == f"What was deployed last is not live: $LATEST of {side}"


def test_a_deployment_that_is_under_way_explains_what_differs(examined: ExaminedStack) -> None:
    examined.status = "UPDATE_IN_PROGRESS"
    examined.commit(V2)
    examined.deployed()
    assert [found.severity for found in examined.findings()] == [Severity.NOTE] * 3
    command = "aws cloudformation describe-stack-events --stack-name mlops-pipeline"
    assert {found.command for found in examined.findings()} == {command}


def test_a_stack_that_takes_no_deployment(examined: ExaminedStack) -> None:
    examined.status = "UPDATE_ROLLBACK_FAILED"
    command = "aws cloudformation continue-update-rollback --stack-name mlops-pipeline"
    assert (examined.only().severity, examined.only().command) == (Severity.ERROR, command)


DEAD = ["CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"]
DELETE = (
    "aws cloudformation delete-stack --stack-name mlops-pipeline"
    " && aws cloudformation wait stack-delete-complete --stack-name mlops-pipeline"
)


@pytest.mark.parametrize("unmade", [False, True])
@pytest.mark.parametrize("status", DEAD)
def test_a_stack_that_never_takes_a_deployment_again(
    examined: ExaminedStack, status: str, unmade: bool
) -> None:
    examined.status, examined.unmade = status, unmade
    found, *notes = examined.told()
    what = f"The stack mlops-pipeline is {status}"
    assert found == ("error", what, f"{DELETE} && make deploy")
    assert [note[0] for note in notes] == ["note"] * unmade
    examined.named = True
    deploy = "sam deploy --stack-name mlops-pipeline"
    assert examined.findings()[0].command == f"{DELETE} && {deploy}"


def test_whatever_else_such_a_stack_wants_deployed_needs_another_stack(
    examined: ExaminedStack,
) -> None:
    examined.status = "DELETE_FAILED"
    examined.commit(V2)
    assert [found.command for found in examined.findings()] == [f"{DELETE} && make deploy"] * 2


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS", "CREATE_COMPLETE"])
def test_a_stack_without_outputs_is_not_dead_by_that(examined: ExaminedStack, status: str) -> None:
    examined.status, examined.unmade = status, True
    what = "No stack is compared: only the pins, the registry and the store"
    assert examined.told() == [("note", what, "make deploy")]


# --- what cannot be read, and no stack ---------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "name"), [("api", "api"), ("batch", "batch"), ("alarms", "The alarms")]
)
def test_what_cannot_be_asked_is_said_and_the_rest_compared(
    examined: ExaminedStack, port: str, name: str
) -> None:
    getattr(examined.fixture, port).before = unavailable
    examined.commit(V2)
    found, other = examined.findings()
    assert found.what == f"{name} cannot be read, and is not compared"
    assert (found.severity, found.command) == (Severity.ERROR, "aws sts get-caller-identity")
    assert "committed and not deployed" in other.what


def test_an_execution_that_cannot_be_asked_after_is_not_taken_for_ended(
    examined: ExaminedStack,
) -> None:
    examined.deploy()
    examined.fixture.canary()
    examined.fixture.executions.before = unavailable
    unread, under_way = examined.findings()
    assert unread.what == f"{ID} cannot be read, and is not compared"
    assert (under_way.severity, under_way.command) == (Severity.NOTE, "mlops release status")


@pytest.mark.parametrize(
    ("location", "command"),
    [(STORE, "aws sts get-caller-identity"), (".mlops", "ls -ld .mlops")],
)
def test_a_store_that_is_down_is_said_once(
    examined: ExaminedStack, location: str, command: str
) -> None:
    def down(operation: str, key: str) -> None:
        raise StoreUnavailable(key, "it is played to be down")

    examined.fixture.before = down
    examined.location = location
    what = f"{location} cannot be read, and is not compared"
    assert examined.told() == [("error", what, command)]


def test_a_journal_that_cannot_be_read_is_for_the_rebuild_to_tell(examined: ExaminedStack) -> None:
    overwrite(examined.fixture.objects, f"registry/journal/{V1}/000000.json", b"{}")
    assert examined.findings() == ()


def test_two_differences_at_once_give_both_the_worst_first(examined: ExaminedStack) -> None:
    examined.deploy()
    examined.fixture.alarms.in_alarm.add("errors")
    assert [found.what for found in examined.findings()] == [
        "Alarms are in state ALARM: errors",
        "What was deployed last is not live: $LATEST of api and batch",
    ]
