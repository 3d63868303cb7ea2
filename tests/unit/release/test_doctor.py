"""The doctor: what is committed and deployed, what cannot be read, and a healthy stack."""

from dataclasses import replace

import pytest

from mlops.errors import RecordDamaged, StoreUnavailable
from mlops.release.doctor import diagnose
from mlops.release.doctor.remedies import Severity
from mlops.release.lock import CURRENT
from mlops.release.ports import ExecutionStatus
from tests.unit.fakes import overwrite
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, V2
from tests.unit.release.fakes import FakeFunction, unavailable
from tests.unit.release.patient import STORE, Patient, move


def test_a_healthy_stack_has_no_findings(patient: Patient) -> None:
    assert patient.findings() == ()


def test_neither_has_one_after_a_release_nor_after_a_rollback_that_was_committed(
    second: Patient,
) -> None:
    assert second.findings() == ()
    second.bench.rollback.roll_back(None, ANN)
    second.deploy(V1)
    assert second.findings() == ()


def test_the_doctor_changes_nothing(second: Patient) -> None:
    before = {key: second.bench.objects.get(key) for key in second.bench.objects.keys("r")}
    moves = len(second.bench.api.moves)
    move(second.bench.api, "1")
    second.findings()
    assert {key: second.bench.objects.get(key) for key in second.bench.objects.keys("r")} == before
    assert len(second.bench.api.moves) == moves + 1


# --- what is committed, and what is deployed ---------------------------------------------------


def test_a_pin_that_is_committed_and_not_deployed(patient: Patient) -> None:
    patient.commit(V2)
    found = patient.only()
    assert (found.severity, found.command) == (Severity.WARNING, "make deploy")
    pins = patient.pins
    assert found.what == f"{pins[V2]} is committed and not deployed: the stack has {pins[V1]}"


def test_commands_name_the_stack_the_file_and_the_store_where_they_are_not_the_usual_ones(
    patient: Patient,
) -> None:
    patient.named, patient.path = True, "other file.toml"
    patient.commit(V2)
    assert patient.only().command == "sam deploy --stack-name mlops-pipeline"
    assert "other file.toml has changed" in patient.only().why
    patient.committed = {}
    command = f"mlops pin churn {V1} --store {STORE} --samconfig 'other file.toml'"
    assert patient.only().command == command
    patient.commit(V1)
    move(patient.bench.api, "1")
    patient.bench.deploy()
    patient.bench.deploy(patient.pins[V1], code="other")
    assert patient.only().command == "mlops release start --stack mlops-pipeline"


def test_a_pin_that_is_deployed_and_not_committed(patient: Patient) -> None:
    patient.committed = {"Architecture": "x86_64", "ChurnPin": ""}
    found = patient.only()
    assert found.what == f"{patient.pins[V1]} is deployed, and no version of churn is committed"
    assert found.command == f"mlops pin churn {V1} --store {STORE}"


def test_what_is_committed_and_is_no_pin(patient: Patient) -> None:
    assert patient.committed is not None
    patient.committed["ChurnPin"] = "churn-model-v1.0.0"
    assert patient.told() == [
        (
            "error",
            "samconfig.toml has ChurnPin=churn-model-v1.0.0, which is no pin",
            "git restore samconfig.toml",
        )
    ]


def test_a_samconfig_that_cannot_be_read(patient: Patient) -> None:
    patient.committed = None
    assert patient.findings() == ()  # who has tried to read it says why
    unread = {"samconfig.toml": "no such file"}
    (found,) = diagnose(replace(patient.facts(), unread=unread))
    assert found.what == "samconfig.toml cannot be read, and is not compared"
    assert found.command == "git restore samconfig.toml"


@pytest.mark.parametrize(
    ("there", "words"),
    [("x86_64", "the stack Architecture=x86_64"), (None, "the stack no such parameter")],
)
def test_another_parameter_that_the_stack_has_with_another_value(
    patient: Patient, there: str | None, words: str
) -> None:
    assert patient.committed is not None
    patient.committed["Architecture"] = "arm64"
    if there is None:
        del patient.parameters["Architecture"]
    what = f"samconfig.toml has Architecture=arm64, and {words}"
    assert patient.told() == [("warning", what, "make deploy")]


@pytest.mark.parametrize("side", ["api", "batch"])
def test_a_function_that_was_changed_past_cloudformation(patient: Patient, side: str) -> None:
    function: FakeFunction = getattr(patient.bench, side)
    function.deploy(pins=(patient.pins[V2],))
    drift, not_live = patient.findings()
    assert (drift.severity, not_live.severity) == (Severity.ERROR, Severity.WARNING)
    assert drift.what.startswith(f"The stack has {patient.pins[V1]}, and $LATEST of {side}")
    assert drift.command.startswith(
        f"aws lambda update-function-configuration --function-name {side} --environment "
    )
    assert f'.Variables.MLOPS_PINS = "{patient.pins[V1]}"' in drift.command
    assert not_live.what == f"What was deployed last is not live: $LATEST of {side}"


def test_a_deployment_that_is_under_way_explains_what_differs(patient: Patient) -> None:
    patient.status = "UPDATE_IN_PROGRESS"
    patient.commit(V2)
    patient.deployed()
    assert [found.severity for found in patient.findings()] == [Severity.NOTE] * 3
    command = "aws cloudformation describe-stack-events --stack-name mlops-pipeline"
    assert {found.command for found in patient.findings()} == {command}


def test_a_stack_that_takes_no_deployment(patient: Patient) -> None:
    patient.status = "UPDATE_ROLLBACK_FAILED"
    command = "aws cloudformation continue-update-rollback --stack-name mlops-pipeline"
    assert (patient.only().severity, patient.only().command) == (Severity.ERROR, command)


DEAD = ["CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"]
DELETE = (
    "aws cloudformation delete-stack --stack-name mlops-pipeline"
    " && aws cloudformation wait stack-delete-complete --stack-name mlops-pipeline"
)


@pytest.mark.parametrize("unmade", [False, True])
@pytest.mark.parametrize("status", DEAD)
def test_a_stack_that_never_takes_a_deployment_again(
    patient: Patient, status: str, unmade: bool
) -> None:
    patient.status, patient.unmade = status, unmade
    found, *notes = patient.told()
    what = f"The stack mlops-pipeline is {status}"
    assert found == ("error", what, f"{DELETE} && make deploy")
    assert [note[0] for note in notes] == ["note"] * unmade
    patient.named = True
    deploy = "sam deploy --stack-name mlops-pipeline"
    assert patient.findings()[0].command == f"{DELETE} && {deploy}"


def test_whatever_else_such_a_stack_wants_deployed_needs_another_stack(patient: Patient) -> None:
    patient.status = "DELETE_FAILED"
    patient.commit(V2)
    assert [found.command for found in patient.findings()] == [f"{DELETE} && make deploy"] * 2


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS", "CREATE_COMPLETE"])
def test_a_stack_without_outputs_is_not_dead_by_that(patient: Patient, status: str) -> None:
    patient.status, patient.unmade = status, True
    what = "No stack is compared: only the pins, the registry and the store"
    assert patient.told() == [("note", what, "make deploy")]


# --- what cannot be read, and no stack ---------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "name"), [("api", "api"), ("batch", "batch"), ("alarms", "The alarms")]
)
def test_what_cannot_be_asked_is_said_and_the_rest_compared(
    patient: Patient, port: str, name: str
) -> None:
    getattr(patient.bench, port).before = unavailable
    patient.commit(V2)
    found, other = patient.findings()
    assert found.what == f"{name} cannot be read, and is not compared"
    assert (found.severity, found.command) == (Severity.ERROR, "aws sts get-caller-identity")
    assert "committed and not deployed" in other.what


def test_an_execution_that_cannot_be_asked_after_is_not_taken_for_ended(patient: Patient) -> None:
    patient.deploy()
    patient.bench.canary()
    patient.bench.executions.before = unavailable
    unread, lock = patient.findings()
    assert unread.what == f"{ID} cannot be read, and is not compared"
    assert (lock.severity, lock.command) == (Severity.NOTE, "mlops release status")


@pytest.mark.parametrize(
    ("location", "command"),
    [(STORE, "aws sts get-caller-identity"), (".mlops", "ls -ld .mlops")],
)
def test_a_store_that_is_down_is_said_once(patient: Patient, location: str, command: str) -> None:
    def down(operation: str, key: str) -> None:
        raise StoreUnavailable(key, "it is played to be down")

    patient.bench.before = down
    patient.location = location
    what = f"{location} cannot be read, and is not compared"
    assert patient.told() == [("error", what, command)]


def test_a_lock_that_nobody_can_read(patient: Patient) -> None:
    patient.deploy()
    patient.bench.canary()
    overwrite(patient.bench.objects, CURRENT, b"{}")
    found = patient.only()  # and nothing about its weights, which may be a release's
    assert found.what == f"{CURRENT} cannot be read, and is not compared"
    assert found.command == f"aws s3 rm {STORE}/{CURRENT}"


@pytest.mark.parametrize("name", ["plan", "gate", "canary"])
def test_a_record_of_a_release_under_way_that_nobody_can_read(patient: Patient, name: str) -> None:
    patient.deploy()
    patient.bench.canary()
    key = f"releases/{ID}/{name}.json"
    overwrite(patient.bench.objects, key, b"[")
    unread, under_way = patient.findings()
    assert unread.what == f"{key} cannot be read, and is not compared"
    assert (unread.severity, unread.command) == (Severity.ERROR, f"aws s3 rm {STORE}/{key}")
    assert under_way.severity is Severity.NOTE


def test_and_what_it_proposes_mends_it(patient: Patient) -> None:
    patient.deploy()
    patient.bench.canary()
    key = f"releases/{ID}/plan.json"
    overwrite(patient.bench.objects, key, b"[")
    with pytest.raises(RecordDamaged):
        patient.bench.rollout.watch(ID)
    move(patient.bench.api, "1")  # as the state machine does then
    patient.bench.executions.end(ID, ExecutionStatus.FAILED)
    patient.bench.objects.remove(key)
    patient.bench.reconciler.reconcile()
    assert patient.bench.live() == ("1", {}, "1")
    assert patient.bench.lock.read().holder is None


def test_a_journal_that_cannot_be_read_is_for_the_rebuild_to_tell(patient: Patient) -> None:
    overwrite(patient.bench.objects, f"registry/journal/{V1}/000000.json", b"{}")
    assert patient.findings() == ()


def test_two_differences_at_once_give_both_the_worst_first(patient: Patient) -> None:
    patient.deploy()
    patient.bench.alarms.ringing.add("errors")
    assert [found.what for found in patient.findings()] == [
        "Alarms ring: errors",
        "What was deployed last is not live: $LATEST of api and batch",
    ]
