"""How releases stand, and how what was deployed last was released."""

from mlops.registry.releases import Ended
from tests.unit.inference.building import V1
from tests.unit.release.fixture import ANN, DELAY, ID, INTERVAL, Fixture

Said = tuple[str, Ended, bool]


def said(fixture: Fixture) -> Said | None:
    """By which record, how, and whether it is live."""
    found = fixture.releases.result(fixture.deployed_at)
    return None if found is None else (found.record.id, found.record.outcome, found.is_live)


def test_the_result_of_what_is_deployed_comes_with_its_release() -> None:
    fixture = Fixture()
    fixture.deploy()
    assert said(fixture) is None
    fixture.promoted()
    assert said(fixture) == (ID, Ended.PROMOTED, True)


def test_what_was_rolled_back_has_its_rollback_for_a_result(canary: Fixture) -> None:
    canary.operations.abort(ID, ANN)
    assert said(canary) == (canary.last().id, Ended.ROLLED_BACK, False)
    canary.deploy(settings="more memory")
    assert said(canary) is None


def test_a_pin_that_is_set_back_too_is_live_whatever_the_last_release_was(canary: Fixture) -> None:
    canary.run()
    assert canary.ended()[0] is Ended.ROLLED_BACK
    canary.deploy(canary.pins[V1])
    assert said(canary) == ("first-1", Ended.PROMOTED, True)


def refuse(fixture: Fixture) -> None:
    fixture.alarms.in_alarm.add("errors")
    assert fixture.run().outcome is Ended.REFUSED
    fixture.alarms.in_alarm.clear()


def test_a_refusal_is_a_result_too() -> None:
    fixture = Fixture()
    fixture.deploy()
    refuse(fixture)
    assert said(fixture) == (ID, Ended.REFUSED, False)


def test_a_change_of_batch_alone_waits_for_its_result() -> None:
    fixture = Fixture()
    fixture.deploy()
    fixture.promoted()
    fixture.batch.deploy(pins=(fixture.pins[V1],))
    assert said(fixture) is None


def test_a_release_that_ended_before_the_deployment_says_nothing_of_it() -> None:
    fixture = Fixture()
    fixture.deploy()
    refuse(fixture)
    fixture.deploy()  # the same again, which a release is about as well
    assert said(fixture) is None


def test_a_version_with_weights_beside_it_is_not_live(promoted: Fixture) -> None:
    assert said(promoted) == (ID, Ended.PROMOTED, True)
    promoted.api.move_by_hand("2", v1=0.4)
    assert said(promoted) == (ID, Ended.PROMOTED, False)


def test_what_an_operator_went_back_to_is_live(promoted: Fixture) -> None:
    promoted.operations.roll_back(None, ANN)
    (rollback, *_) = promoted.releases.history()
    promoted.deploy(promoted.pins[V1])
    assert said(promoted) == (rollback.id, Ended.ROLLED_BACK, True)


def test_a_refusal_during_a_deployment_is_not_about_it() -> None:
    fixture = Fixture()
    fixture.deploy()
    fixture.deployments.status = "UPDATE_IN_PROGRESS"
    fixture.run()
    assert said(fixture) is None


def test_the_status_of_a_canary_comes_from_the_state_that_the_state_machine_keeps(
    deployed: Fixture,
) -> None:
    assert deployed.releases.status().running is None
    began = deployed.canary().began
    deployed.serve_all(deployed.canary())
    deployed.next_analysis()
    running = deployed.releases.status().running
    assert running is not None
    assert running.state is not None
    assert (running.note.by, running.execution, running.state.next) == (ID, "RUNNING", "watch")
    assert (running.note.api_was, running.note.api) == ("1", "2")
    assert [analysis.requests for analysis in running.analyses] == [200]
    assert running.ends_at == began + 3 * INTERVAL + DELAY
    deployed.operations.promote(ID, "ben")
    assert (found := deployed.releases.status().running) and found.note.who == "ben"
    deployed.run()
    status = deployed.releases.status()
    assert (status.running, status.last) == (None, deployed.record())


def test_the_status_of_a_release_whose_execution_is_not_known(canary: Fixture) -> None:
    canary.executions.runs.clear()
    canary.executions.states.clear()
    running = canary.releases.status().running
    assert running is not None
    assert (running.note.by, running.execution, running.state, running.plan) == (ID, *[None] * 3)


def test_the_status_of_functions_that_are_gone(promoted: Fixture) -> None:
    promoted.api.remove_function()
    promoted.batch.remove_alias()
    status = promoted.releases.status()
    assert (status.api, status.batch, status.running) == (None, None, None)
