"""The doctor: what is deployed and what is live, each difference made as it is in life."""

from datetime import timedelta

import pytest

from mlops.registry.releases import Ended, Kind
from mlops.release.doctor.remedies import Severity
from mlops.release.lock import CURRENT, Holder
from mlops.release.ports import ExecutionStatus, GateReport
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, V2
from tests.unit.release.fakes import FakeFunction, unavailable
from tests.unit.release.patient import STORE, Patient, move, not_live


def test_what_is_being_deployed_has_its_release_afterwards(patient: Patient) -> None:
    patient.deploy()
    patient.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    assert [(found.severity, found.command) for found in patient.findings()] == [
        (Severity.NOTE, "aws cloudformation describe-stack-events --stack-name mlops-pipeline"),
        (Severity.NOTE, "mlops release status"),
    ]


def test_no_release_of_what_was_deployed_has_begun(patient: Patient) -> None:
    patient.deploy()
    found = not_live(patient)
    assert (found.why, found.command) == ("No release of it has begun.", "mlops release start")


def test_its_release_was_refused_by_the_gate(patient: Patient) -> None:
    patient.deploy()
    patient.bench.gate = lambda plan: GateReport(False, ("golden rows differ",), {})
    patient.bench.begin()
    assert not patient.bench.rollout.gate(ID).passed
    patient.bench.rollout.record(ID, Ended.REFUSED, ("golden rows differ",))
    found = not_live(patient)
    assert found.why == f"It was refused, by {ID}: golden rows differ."
    assert found.command == "mlops release start"


def test_its_release_was_refused_before_it_had_a_plan(patient: Patient) -> None:
    patient.deploy()
    patient.bench.alarms.ringing.add("errors")
    patient.bench.begin()
    patient.bench.rollout.record(ID, Ended.REFUSED, ())
    patient.bench.alarms.ringing.clear()
    why = f"The last release was refused before it had a plan, by {ID}: alarms ring: errors."
    assert not_live(patient).why == why


def test_its_canary_was_taken_back(patient: Patient) -> None:
    patient.deploy()
    patient.bench.canary()
    patient.bench.desk.abort(ID, ANN)
    found = not_live(patient)
    assert f"It was rolled back, by {ID}: aborted by ann." in found.why
    assert found.why.endswith("pinning what is live: mlops release start")
    assert found.command == f"mlops pin churn {V1} --store {STORE}"


def test_it_was_live_and_rolled_back(second: Patient) -> None:
    second.bench.rollback.roll_back(None, ANN)
    found = not_live(second)
    assert "rolled back by ann" in found.why
    assert found.command == f"mlops pin churn {V1} --store {STORE}"


def test_a_deployment_of_what_was_rolled_back_is_still_told_so(second: Patient) -> None:
    second.bench.rollback.roll_back(None, ANN)
    second.bench.begin("release-9", "deploy")
    second.bench.rollout.record("release-9", Ended.REFUSED, ())
    assert "was taken back before" in not_live(second).why


def test_other_code_that_was_rolled_back_is_to_be_tried_again_or_changed(patient: Patient) -> None:
    patient.bench.deploy(patient.pins[V1], code="sha256:second")
    patient.bench.canary()
    patient.bench.desk.abort(ID, ANN)
    assert not_live(patient).command == "mlops release start"


def test_what_was_deployed_after_a_rollback_has_no_release_yet(second: Patient) -> None:
    second.bench.rollback.roll_back(None, ANN)
    second.bench.deploy(code="sha256:third")
    assert not_live(second).why == "No release of it has begun."


def test_a_release_that_runs_is_a_note_with_its_weights(patient: Patient) -> None:
    patient.deploy()
    patient.bench.canary()
    found = patient.only()
    assert found.severity is Severity.NOTE
    assert found.what == f"A release is under way: {ID}"
    assert "api: 90% version 1, 10% version 2; batch: 100% version 1" in found.why
    assert found.command == "mlops release status"


def test_weights_that_belong_to_no_release(patient: Patient) -> None:
    patient.bench.deploy()
    patient.bench.api.publish()
    patient.bench.deploy(patient.pins[V1])
    move(patient.bench.api, "1", v2=0.2)
    found = patient.only()
    assert found.severity is Severity.ERROR
    assert found.what == ("api has weights that belong to no release: 80% version 1, 20% version 2")
    assert found.command == "mlops rollback"
    patient.bench.rollback.roll_back(None, ANN)
    assert patient.findings() == ()


@pytest.mark.parametrize("side", ["api", "batch"])
def test_a_release_that_was_refused_for_weights_is_not_started_again_while_there_are_any(
    patient: Patient, side: str
) -> None:
    bench = patient.bench
    patient.deploy()
    function: FakeFunction = getattr(bench, side)
    function.publish()
    move(function, "1", v2=0.2)
    bench.begin()
    bench.rollout.record(ID, Ended.REFUSED, ())
    weights, behind = patient.findings()
    assert weights.what.startswith(f"{side} has weights that belong to no release")
    assert behind.what == "What was deployed last is not live: $LATEST of api and batch"
    assert "refused before it had a plan" in behind.why
    assert behind.why.endswith("No release begins while there are weights that belong to none.")
    assert behind.command == weights.command
    move(function, "1")
    assert not_live(patient).command == "mlops release start"


def test_a_first_release_that_was_refused_for_weights() -> None:
    patient = Patient()
    patient.deploy()
    patient.bench.api.publish()
    move(patient.bench.api, "1", v2=0.2)
    patient.bench.begin()
    patient.bench.rollout.record(ID, Ended.REFUSED, ())
    found = patient.findings()
    assert found[-1].what == "No release is recorded for version 1, which is live"
    assert found[-1].why.startswith("No release came so far yet")
    assert [one.command for one in found] == ["mlops rollback"] * 3


def test_an_api_that_was_moved_and_given_weights_gets_rid_of_these_first(second: Patient) -> None:
    move(second.bench.api, "1", v2=0.2)
    assert {found.command for found in second.findings()} == {"mlops rollback"}
    second.bench.rollback.roll_back(None, ANN)
    assert {found.command for found in second.findings()} == {"mlops rollback --to 2"}
    second.bench.rollback.roll_back("2", ANN)
    assert second.findings() == ()


@pytest.mark.parametrize("running", [False, True])
def test_weights_of_batch_are_nobodys_even_during_a_release(
    patient: Patient, running: bool
) -> None:
    patient.deploy()
    patient.bench.canary()
    move(patient.bench.batch, "1", v2=0.2)
    if not running:
        patient.bench.desk.abort(ID, ANN)
        move(patient.bench.batch, "1", v2=0.2)
    found = patient.findings()[0]
    assert found.what.startswith("batch has weights that belong to no release")
    assert found.command == (
        "aws lambda update-alias --function-name batch --name live --function-version 1"
        " --routing-config 'AdditionalVersionWeights={}'"
    )


@pytest.mark.parametrize("ended", [ExecutionStatus.ABORTED, ExecutionStatus.TIMED_OUT])
def test_a_lock_whose_release_has_ended(patient: Patient, ended: ExecutionStatus) -> None:
    patient.deploy()
    patient.bench.canary()
    patient.bench.executions.end(ID, ended)
    found = patient.only()
    assert found.severity is Severity.ERROR
    assert found.what == f"The release {ID} has ended and still holds the lock"
    assert "api: 90% version 1, 10% version 2" in found.why
    assert found.command == f"mlops release abort {ID}"
    patient.bench.desk.abort(ID, ANN)
    assert "aborted by ann" in not_live(patient).why


def test_a_release_whose_lock_was_taken_away(patient: Patient) -> None:
    patient.deploy()
    patient.bench.canary()
    patient.bench.objects.remove(CURRENT)
    found = patient.only()
    assert found.severity is Severity.ERROR
    assert found.what == f"The release {ID} runs, and somebody has taken the lock from it"
    assert "api: 90% version 1, 10% version 2" in found.why
    assert found.command == f"mlops release abort {ID}"
    patient.bench.desk.abort(ID, ANN)
    assert "aborted by ann" in not_live(patient).why


def test_executions_that_cannot_be_listed_are_said_and_the_rest_compared(patient: Patient) -> None:
    def before(operation: str) -> None:
        if operation == "running":
            unavailable(operation)

    patient.bench.executions.before = before
    patient.deploy()
    unread, other = patient.findings()
    assert unread.what == "The list of executions cannot be read, and is not compared"
    assert other.what.startswith("What was deployed last is not live")


def test_a_lock_whose_rollback_has_died(second: Patient) -> None:
    bench = second.bench
    bench.lock.write(bench.lock.read(), Holder(Kind.ROLLBACK, "rollback-1", bench.clock()))
    assert second.told() == [
        ("note", "A rollback is under way: rollback-1", "mlops release status")
    ]
    bench.wait(timedelta(minutes=5))
    found = second.only()
    assert found.what == "The rollback rollback-1 has ended and still holds the lock"
    assert found.command == (
        "aws lambda invoke --function-name release-function --cli-binary-format"
        """ raw-in-base64-out --payload '{"operation": "reconcile"}' /dev/stdout"""
    )
    bench.reconciler.reconcile()
    assert second.findings() == ()


def test_an_api_that_was_moved_past_the_releases(second: Patient) -> None:
    move(second.bench.api, "1")
    found = {found.what: found.command for found in second.findings()}
    assert found.keys() == {
        "Version 1 is live, and no release made it so",
        f"Batch is live with {V2}, the API with {V1}",
        "What was deployed last is not live: $LATEST of api",
        f"{V1} is live, and retired in the registry",
        f"{V2} is champion in the registry, and not live",
    }
    assert {*found.values()} == {"mlops rollback --to 2"}
    second.bench.rollback.roll_back("2", ANN)
    assert second.findings() == ()


def test_batch_at_another_model_than_the_api(second: Patient) -> None:
    move(second.bench.batch, "1")
    found, not_live = second.findings()
    assert found.severity is Severity.ERROR
    assert found.what == f"Batch is live with {V1}, the API with {V2}"
    assert found.command == (
        "aws lambda update-alias --function-name batch --name live --function-version 2"
        " --routing-config 'AdditionalVersionWeights={}'"
    )
    assert not_live.what == "What was deployed last is not live: $LATEST of batch"


def test_batch_at_another_version_with_the_same_model(patient: Patient) -> None:
    patient.bench.batch.deploy(code="sha256:second")
    patient.bench.batch.publish()
    move(patient.bench.batch, "2")
    found = patient.only()
    assert found.what == "Version 2 of batch is live, and no release made it so"
    assert (found.severity, "--function-version 1" in found.command) == (Severity.WARNING, True)


def test_a_stack_that_had_no_release_yet() -> None:
    patient = Patient()
    what = "No release is recorded for version 1, which is live"
    assert patient.told() == [("warning", what, "mlops release start")]
    patient.enter()
    assert patient.findings() == ()


def test_a_function_that_is_not_there(patient: Patient) -> None:
    patient.bench.batch.remove_function()
    assert patient.told() == [("error", "The function batch is not there", "make deploy")]


def test_an_alias_that_is_not_there(second: Patient) -> None:
    second.bench.api.remove_alias()
    assert second.told() == [
        (
            "error",
            "The alias live of api is not there",
            "aws lambda create-alias --function-name api --name live --function-version 2",
        )
    ]


def test_alarms_that_ring(patient: Patient) -> None:
    patient.bench.alarms.ringing |= {"errors", "dead letters"}
    errors, others = patient.findings()
    assert (errors.severity, errors.what) == (Severity.ERROR, "Alarms ring: errors")
    assert "a canary is taken back" in errors.why
    assert "mlops release start --despite-alarms" in errors.why
    assert (others.severity, others.what) == (Severity.ERROR, "Alarms ring: dead letters")
    assert others.why == "They hold up no release."
    command = "aws cloudwatch describe-alarms --alarm-names 'dead letters' --query "
    assert others.command.startswith(command)
