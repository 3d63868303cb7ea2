"""The doctor: what is deployed and what is live, each difference made as it is in life."""

import pytest

from mlops.release.doctor.remedies import Severity
from mlops.release.ports import ExecutionStatus, GateReport
from tests.unit.inference.building import V1
from tests.unit.release.examined_stack import STORE, ExaminedStack, move, not_live
from tests.unit.release.fakes import unavailable
from tests.unit.release.fixture import ANN, ID, V2


def test_what_is_being_deployed_has_its_release_afterwards(examined: ExaminedStack) -> None:
    examined.deploy()
    examined.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    assert [(found.severity, found.command) for found in examined.findings()] == [
        (Severity.NOTE, "aws cloudformation describe-stack-events --stack-name mlops-pipeline"),
        (Severity.NOTE, "mlops release status"),
    ]


def test_no_release_of_what_was_deployed_has_begun(examined: ExaminedStack) -> None:
    examined.deploy()
    found = not_live(examined)
    assert (found.why, found.command) == ("No release of it has begun.", "mlops release start")


def test_its_release_was_refused_by_the_gate(examined: ExaminedStack) -> None:
    examined.deploy()
    examined.fixture.gate = lambda plan: GateReport(False, ("golden rows differ",), {})
    examined.fixture.run()
    found = not_live(examined)
    assert found.why == f"It was refused, by {ID}: golden rows differ."
    assert found.command == "mlops release start"


def test_its_canary_was_rolled_back(examined: ExaminedStack) -> None:
    examined.deploy()
    examined.fixture.canary()
    examined.fixture.operations.abort(ID, ANN)
    found = not_live(examined)
    last = examined.fixture.last()
    assert f"It was rolled back, by {last.id}: rolled back by ann" in found.why
    assert found.why.endswith("pinning what is live: mlops release start")
    assert found.command == f"mlops pin churn {V1} --store {STORE}"


def test_it_was_live_and_rolled_back(second: ExaminedStack) -> None:
    second.fixture.operations.roll_back(None, ANN)
    found = not_live(second)
    assert "rolled back by ann" in found.why
    assert found.command == f"mlops pin churn {V1} --store {STORE}"


def test_a_deployment_of_what_was_rolled_back_is_still_told_so(second: ExaminedStack) -> None:
    second.fixture.operations.roll_back(None, ANN)
    second.fixture.run("release-9")
    assert "was rolled back before" in not_live(second).why


def test_other_code_that_was_rolled_back_is_to_be_tried_again_or_changed(
    examined: ExaminedStack,
) -> None:
    examined.fixture.deploy(examined.pins[V1], code="sha256:second")
    examined.fixture.canary()
    examined.fixture.operations.abort(ID, ANN)
    assert not_live(examined).command == "mlops release start"


def test_what_was_deployed_after_a_rollback_has_no_release_yet(second: ExaminedStack) -> None:
    second.fixture.operations.roll_back(None, ANN)
    second.fixture.deploy(code="sha256:third")
    assert not_live(second).why == "No release of it has begun."


def test_a_release_that_runs_is_a_note_with_its_weights(examined: ExaminedStack) -> None:
    examined.deploy()
    examined.fixture.canary()
    found = examined.only()
    assert found.severity is Severity.NOTE
    assert found.what == f"A release is under way: {ID}"
    assert "api: 90% version 1, 10% version 2; batch: 100% version 1" in found.why
    assert found.command == "mlops release status"


def test_its_release_was_refused_before_it_had_a_plan(examined: ExaminedStack) -> None:
    examined.deploy()
    examined.fixture.deployments.status = "UPDATE_IN_PROGRESS"
    examined.fixture.run()
    why = f"The last release was refused before it had a plan, by {ID}: it is UPDATE_IN_PROGRESS."
    assert not_live(examined).why == why


@pytest.mark.parametrize("ended", [ExecutionStatus.ABORTED, ExecutionStatus.TIMED_OUT])
def test_a_release_that_does_not_run_and_still_has_the_aliases(
    examined: ExaminedStack, ended: ExecutionStatus
) -> None:
    examined.deploy()
    examined.fixture.canary()
    examined.fixture.executions.end(ID, ended)
    found = examined.only()
    assert found.severity is Severity.ERROR
    assert found.what == f"The release {ID} does not run, and still has the aliases"
    assert "api: 90% version 1, 10% version 2" in found.why
    assert found.command == (
        "aws lambda invoke --function-name release-function --cli-binary-format"
        """ raw-in-base64-out --payload '{"operation": "repair"}' /dev/stdout"""
    )
    examined.fixture.repair()
    assert "its execution has ended" in not_live(examined).why


def test_an_execution_that_cannot_be_described_is_said_and_the_rest_compared(
    examined: ExaminedStack,
) -> None:
    examined.deploy()
    examined.fixture.canary()
    examined.fixture.executions.before = unavailable
    unread, under_way = examined.findings()
    assert unread.what == f"{ID} cannot be read, and is not compared"
    assert under_way.what == f"A release is under way: {ID}"


def test_weights_that_belong_to_no_release(examined: ExaminedStack) -> None:
    examined.fixture.deploy()
    examined.fixture.api.publish()
    examined.fixture.deploy(examined.pins[V1])
    move(examined.fixture.api, "1", v2=0.2)
    found = examined.only()
    assert found.severity is Severity.ERROR
    assert found.what == ("api has weights that belong to no release: 80% version 1, 20% version 2")
    assert found.command == "mlops rollback"
    examined.fixture.operations.roll_back(None, ANN)
    assert examined.findings() == ()


def test_an_api_that_was_moved_and_given_weights_gets_rid_of_these_first(
    second: ExaminedStack,
) -> None:
    move(second.fixture.api, "1", v2=0.2)
    assert {found.command for found in second.findings()} == {"mlops rollback"}
    second.fixture.operations.roll_back(None, ANN)
    assert {found.command for found in second.findings()} == {"mlops rollback --to 2"}
    second.fixture.operations.roll_back("2", ANN)
    assert second.findings() == ()


@pytest.mark.parametrize("running", [False, True])
def test_weights_of_batch_are_nobodys_even_during_a_release(
    examined: ExaminedStack, running: bool
) -> None:
    examined.deploy()
    examined.fixture.canary()
    move(examined.fixture.batch, "1", v2=0.2)
    if not running:
        examined.fixture.operations.abort(ID, ANN)
        move(examined.fixture.batch, "1", v2=0.2)
    found = examined.findings()[0]
    assert found.what.startswith("batch has weights that belong to no release")
    assert found.command == (
        "aws lambda update-alias --function-name batch --name live --function-version 1"
        " --routing-config 'AdditionalVersionWeights={}'"
    )


def test_an_api_that_was_moved_past_the_releases(second: ExaminedStack) -> None:
    move(second.fixture.api, "1")
    found = {found.what: found.command for found in second.findings()}
    assert found.keys() == {
        "Version 1 is live, and no release made it so",
        f"Batch is live with {V2}, the API with {V1}",
        "What was deployed last is not live: $LATEST of api",
        f"{V1} is live, and retired in the registry",
        f"{V2} is champion in the registry, and not live",
    }
    assert {*found.values()} == {"mlops rollback --to 2"}
    second.fixture.operations.roll_back("2", ANN)
    assert second.findings() == ()


def test_batch_at_another_model_than_the_api(second: ExaminedStack) -> None:
    move(second.fixture.batch, "1")
    found, not_live = second.findings()
    assert found.severity is Severity.ERROR
    assert found.what == f"Batch is live with {V1}, the API with {V2}"
    assert found.command == (
        "aws lambda update-alias --function-name batch --name live --function-version 2"
        " --routing-config 'AdditionalVersionWeights={}'"
    )
    assert not_live.what == "What was deployed last is not live: $LATEST of batch"


def test_batch_at_another_version_with_the_same_model(examined: ExaminedStack) -> None:
    examined.fixture.batch.deploy(code="sha256:second")
    examined.fixture.batch.publish()
    move(examined.fixture.batch, "2")
    found = examined.only()
    assert found.what == "Version 2 of batch is live, and no release made it so"
    assert (found.severity, "--function-version 1" in found.command) == (Severity.WARNING, True)


def test_a_stack_that_had_no_release_yet() -> None:
    examined = ExaminedStack()
    what = "No release is recorded for version 1, which is live"
    assert examined.told() == [("warning", what, "mlops release start")]
    examined.enter()
    assert examined.findings() == ()


def test_a_function_that_is_not_there(examined: ExaminedStack) -> None:
    examined.fixture.batch.remove_function()
    assert examined.told() == [("error", "The function batch is not there", "make deploy")]


def test_an_alias_that_is_not_there(second: ExaminedStack) -> None:
    second.fixture.api.remove_alias()
    assert second.told() == [
        (
            "error",
            "The alias live of api is not there",
            "aws lambda create-alias --function-name api --name live --function-version 2",
        )
    ]


def test_alarms_in_state_alarm(examined: ExaminedStack) -> None:
    examined.fixture.alarms.in_alarm |= {"errors", "dead letters"}
    errors, others = examined.findings()
    assert (errors.severity, errors.what) == (Severity.ERROR, "Alarms are in state ALARM: errors")
    assert "a canary is rolled back" in errors.why
    assert "mlops release start --despite-alarms" in errors.why
    assert (others.severity, others.what) == (
        Severity.ERROR,
        "Alarms are in state ALARM: dead letters",
    )
    assert others.why == "They hold up no release."
    command = "aws cloudwatch describe-alarms --alarm-names 'dead letters' --query "
    assert others.command.startswith(command)
