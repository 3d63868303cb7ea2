"""A release, step by step: what begins, what gets traffic, what is promoted, how it is recorded."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mlops.errors import CloudUnavailable, RecordDamaged
from mlops.registry.releases import Ended, Kind
from mlops.release.analysis import Verdict
from mlops.release.note import Note, Reached
from mlops.release.ports import ExecutionStatus, GateReport
from mlops.release.steps import Begin, State, Watch
from tests.unit.fakes import overwrite
from tests.unit.inference.building import V1
from tests.unit.release.fakes import FakeFunction, unavailable
from tests.unit.release.fixture import (
    ANN,
    ID,
    INTERVAL,
    SETTINGS,
    V2,
    Fixture,
    Killed,
    failing_on,
    reasons,
)

OTHER = "release-2"


def test_a_good_canary_is_promoted_at_the_last_analysis_and_batch_follows(
    deployed: Fixture,
) -> None:
    answers = deployed.analyze_all()
    assert [answer.next for answer in answers] == ["watch", "watch", "promote"]
    assert deployed.live() == ("1", {"2": 0.1}, "1")
    done = deployed.run()
    assert (done.outcome, deployed.live()) == (Ended.PROMOTED, ("2", {}, "2"))
    record = deployed.record()
    assert (record.champion, record.candidate, record.by) == ("1", "2", ANN)
    assert record.deployed_sha == "d00d"
    assert any("requests failed" in reason for reason in record.reasons)
    assert deployed.stages() == {V1: "retired", V2: "champion"}
    subject, text = deployed.notices.sent[-1]
    assert subject == f"PROMOTED: version 2 ({V2})"
    assert "From version 1 of the API and 1 of batch to 2 and 2" in text


def test_each_alias_carries_the_note_of_its_release(canary: Fixture) -> None:
    note = Note(ID, Reached.CANARY, api_was="1", api="2", batch_was="1", batch="2")
    assert canary.api.current.note == note
    assert canary.batch.current.note == Note(**{**vars(note), "reached": Reached.BEGIN})


@pytest.mark.parametrize("crashed", range(1, 6))
def test_every_step_can_be_made_twice(deployed: Fixture, crashed: int) -> None:
    """As after a crash: the step was made, and its answer got lost."""
    deployed.start()
    steps = 0
    while deployed.states[ID].next:
        state, steps = deployed.states[ID], steps + 1
        if state.next == "watch":
            deployed.operations.promote(ID, ANN)
        deployed.step()
        if steps == crashed:
            deployed.states[ID] = state
            deployed.step()
    assert deployed.live() == ("2", {}, "2")
    assert deployed.ended()[0] is Ended.PROMOTED
    assert len([it for it in deployed.registry.releases() if it.id == ID]) == 1


# --- begin --------------------------------------------------------------------------------------


def test_nothing_new_is_no_release() -> None:
    fixture = Fixture()
    assert fixture.run().outcome is Ended.UNCHANGED
    assert fixture.api.moves == []
    assert fixture.ended()[1] == ("what is deployed is live already",)


def test_what_was_live_before_the_first_release_is_entered() -> None:
    fixture = Fixture()
    fixture.run()
    (first, _) = fixture.registry.releases()
    assert (first.kind, first.outcome, first.candidate) == (Kind.FIRST, Ended.PROMOTED, "1")
    assert fixture.stages()[V1] == "champion"


def test_the_same_content_under_another_number_is_nothing_new(promoted: Fixture) -> None:
    promoted.deploy(code="sha256:other")
    promoted.api.publish()
    promoted.batch.publish()
    promoted.deploy(code="sha256:first")
    assert promoted.run(OTHER).outcome is Ended.UNCHANGED


@pytest.mark.parametrize(("part", "live"), [("api", ("2", {}, "1")), ("batch", ("1", {}, "2"))])
def test_one_of_the_two_functions_is_released_alone(
    part: str, live: tuple[str, dict[str, float], str]
) -> None:
    fixture = Fixture()
    getattr(fixture, part).deploy(settings="more memory")
    if part == "api":
        fixture.promoted()
    else:
        assert fixture.run().reasons == ("only batch has changed",)
    assert fixture.live() == live


def test_the_first_model_of_all_waits_for_nobody() -> None:
    fixture = Fixture()
    fixture.api, fixture.batch = FakeFunction("api"), FakeFunction("batch")
    fixture.deploy()
    done = fixture.run()
    assert done.outcome is Ended.PROMOTED
    assert "no model was live before" in done.reasons[0]
    assert all(not moved.weights for moved in fixture.api.moves)


def test_a_deployment_during_a_canary_is_released_after_it(canary: Fixture) -> None:
    canary.deploy(code="sha256:third")
    state = canary.start(OTHER)
    for _ in range(3):
        state = canary.step(OTHER)
    assert isinstance(state, Begin)
    assert (state.behind, state.wait) == (ID, 10)
    assert len([it for it in canary.registry.releases() if it.id == OTHER]) == 0
    canary.promoted()
    canary.promoted(OTHER)
    assert canary.live() == ("3", {}, "3")


def test_of_two_that_begin_at_once_one_waits(deployed: Fixture) -> None:
    deployed.start(OTHER)

    def other_begins(operation: str) -> None:
        if operation == "move":
            deployed.api.before = lambda operation: None
            deployed.step(OTHER)

    deployed.start()
    deployed.api.before = other_begins
    deployed.step()
    assert {deployed.states[id].next for id in (ID, OTHER)} == {"begin", "gate"}


@pytest.mark.fault
@pytest.mark.parametrize("number", [1, 2])
def test_half_a_deployment_is_not_released(deployed: Fixture, number: int) -> None:
    """number: of the look at the stack that finds it: before, or after versions are published."""
    asked = []

    def before(operation: str) -> None:
        asked.append(operation)
        deployed.deployments.status = "UPDATE_IN_PROGRESS" if len(asked) == number else None

    deployed.deployments.before = before
    assert deployed.run().reasons == ("it is UPDATE_IN_PROGRESS",)
    assert deployed.ended()[0] is Ended.REFUSED
    assert deployed.live() == ("1", {}, "1")


def test_a_release_that_could_come_to_no_end_is_refused(deployed: Fixture) -> None:
    deployed.refusals = ("too little time",)
    assert deployed.run().reasons == ("too little time",)


def test_alarms_let_no_release_begin_unless_it_is_asked_for(deployed: Fixture) -> None:
    deployed.alarms.in_alarm.add("errors")
    assert deployed.run().reasons == ("alarms are in state ALARM: errors",)
    state = deployed.canary(OTHER, despite_alarms=True)
    assert state.plan.despite == ("errors",)
    assert deployed.step(OTHER).next == "watch", "that alarm may go on"
    deployed.alarms.in_alarm.add("latency")
    assert reasons(deployed.step(OTHER)) == ("alarm latency",)
    deployed.run(OTHER)
    said = "it began although alarms were in ALARM: errors"
    assert deployed.ended(OTHER) == (Ended.ROLLED_BACK, ("alarm latency", said))
    assert f"- {said}" in deployed.notices.sent[-1][1].splitlines()


@pytest.mark.parametrize("ends", [True, False])
def test_what_waited_for_another_release_waits_for_alarms_too(canary: Fixture, ends: bool) -> None:
    canary.deploy(code="sha256:third")
    canary.start(OTHER)
    canary.step(OTHER)
    canary.alarms.in_alarm.add("errors")
    canary.run()
    state = canary.step(OTHER)
    assert isinstance(state, Begin)
    assert state.alarms_since is not None
    canary.wait(timedelta(minutes=11))
    assert canary.step(OTHER).next == "begin"
    if ends:
        canary.alarms.in_alarm.clear()
        assert canary.step(OTHER).next == "gate"
    else:
        canary.wait(timedelta(minutes=2))
        assert canary.run(OTHER).outcome is Ended.REFUSED


@pytest.mark.fault
def test_weights_that_were_set_by_hand_are_cleared_before_a_release_begins(
    deployed: Fixture,
) -> None:
    deployed.api.publish()
    deployed.api.move_by_hand("1", v2=0.5)
    deployed.until("gate")
    assert deployed.live() == ("1", {}, "1")
    assert deployed.notices.sent[0][0] == "Weights that belong to no release"


# --- gate ---------------------------------------------------------------------------------------


def test_a_release_that_the_gate_refuses_gets_no_traffic(deployed: Fixture) -> None:
    deployed.gate = lambda plan: GateReport(False, ("accuracy is worse",), {})
    done = deployed.run()
    assert (done.outcome, done.reasons) == (Ended.REFUSED, ("accuracy is worse",))
    assert all(not moved.weights for moved in deployed.api.moves)
    assert deployed.live() == ("1", {}, "1")
    assert deployed.stages()[V2] == "candidate"
    note = deployed.api.current.note
    assert note is not None
    assert (note.by, note.undone) == (ID, True), "nobody has the alias any more"


def test_a_version_that_passes_the_gate_is_a_canary(canary: Fixture) -> None:
    assert canary.stages() == {V1: "champion", V2: "canary"}
    canary.operations.abort(ID, ANN)
    assert canary.stages() == {V1: "champion", V2: "candidate"}


# --- watch --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "word"),
    [
        ({"errors": 0.2}, "errors of churn"),
        ({"slower": 2.0}, "latency of churn"),
        ({"shifted": 0.4}, "predictions of churn"),
    ],
)
def test_a_bad_canary_is_rolled_back_at_the_first_analysis(
    deployed: Fixture, figures: dict[str, float], word: str
) -> None:
    (answer,) = deployed.analyze_all(**figures)
    assert reasons(answer)[0].startswith(f"{word}: ")
    assert deployed.run().outcome is Ended.ROLLED_BACK
    assert deployed.live() == ("1", {}, "1")
    assert deployed.notices.sent[-1][0] == f"ROLLED_BACK: version 2 ({V2})"


def test_no_requests_are_inconclusive_and_that_is_rolled_back(canary: Fixture) -> None:
    answers = [canary.next_analysis() for _ in range(3)]
    assert reasons(answers[-1])[:2] == (
        "inconclusive at the last analysis, and then to rollback",
        "requests for churn: 0 answered predictions, and 300 are needed",
    )


def analyzed(fixture: Fixture) -> Watch:
    state = fixture.states[ID]
    assert isinstance(state, Watch)
    return state


def test_each_analysis_sees_its_own_interval_and_judges_all_of_them(deployed: Fixture) -> None:
    deployed.serve_all(deployed.canary())
    deployed.next_analysis()
    deployed.next_analysis()
    asked = [(version, until - since) for version, since, until in deployed.observations.asked]
    assert asked == [("1", INTERVAL), ("2", INTERVAL)] * 2
    first, second = analyzed(deployed).analyses
    assert (first.requests, second.requests, first.until) == (200, 400, second.since)
    kept = deployed.objects.get(f"releases/{ID}/analysis-2.json").content
    assert b'"verdict": "inconclusive"' in kept


def test_missed_analyses_are_made_up_for_by_one(deployed: Fixture) -> None:
    deployed.serve_all(deployed.canary())
    deployed.next_analysis()
    deployed.wait(INTERVAL)
    assert deployed.next_analysis().next == "promote"
    assert deployed.observations.asked[-1][2] - deployed.observations.asked[-1][1] == 2 * INTERVAL


def test_an_analysis_waits_for_the_last_lines_of_its_interval(canary: Fixture) -> None:
    canary.wait(INTERVAL + timedelta(seconds=2))
    canary.step()
    assert not canary.observations.asked
    canary.wait(timedelta(seconds=3))
    canary.step()
    assert len(analyzed(canary).analyses) == 1


@pytest.mark.parametrize("rush", [{"slower": 3.0}, {"shifted": 0.4}])
def test_a_rush_hour_of_both_versions_is_no_difference(
    canary: Fixture, rush: dict[str, float]
) -> None:
    """Other clients ask in the first interval; each version has its share of them."""
    began = analyzed(canary).began
    for number in range(3):
        at = began + number * INTERVAL + INTERVAL / 2
        stable, some = (16_000, 1_800) if number == 0 else (1_500, 170)
        figures = rush if number == 0 else {}
        canary.serve("2", at, some, **figures)
        canary.serve("1", at, stable, **figures)
    answers = [canary.next_analysis() for _ in range(3)]
    assert [it.next for it in answers] == ["watch", "watch", "promote"]


def test_an_inconclusive_canary_is_promoted_where_the_settings_say_so(deployed: Fixture) -> None:
    deployed.settings = replace(SETTINGS, when_inconclusive="promote")
    deployed.canary()
    answers = [deployed.next_analysis() for _ in range(3)]
    assert answers[-1].next == "promote"
    done = deployed.run()
    assert done.outcome is Ended.PROMOTED
    assert done.reasons[0] == "inconclusive at the last analysis, and then to promote"


def test_a_canary_that_failed_is_rolled_back_whatever_the_settings_say(deployed: Fixture) -> None:
    deployed.settings = replace(SETTINGS, when_inconclusive="promote")
    deployed.analyze_all(errors=0.2)
    assert deployed.run().outcome is Ended.ROLLED_BACK


def test_an_analysis_that_is_repeated_after_a_crash_gives_the_same_verdict(
    deployed: Fixture,
) -> None:
    deployed.serve_all(deployed.canary(), errors=0.2)
    before = deployed.states[ID]
    first = deployed.next_analysis()
    deployed.states[ID] = before
    deployed.observations.before = unavailable
    assert deployed.step() == first


@pytest.mark.fault
def test_a_crash_while_an_analysis_is_kept_is_repeated(deployed: Fixture) -> None:
    deployed.serve_all(deployed.canary(), errors=0.2)
    deployed.wait(INTERVAL * 2)
    deployed.before = failing_on("create", f"releases/{ID}/analysis-1.json", Killed())
    with pytest.raises(Killed):
        deployed.release.step(deployed.states[ID])
    deployed.before = lambda operation, key: None
    assert deployed.step().next == "undo"


@pytest.mark.fault
@pytest.mark.parametrize("damage", [b"oops", b"[]", b"{}", b'{"verdict": "odd"}', b"\xff"])
def test_an_analysis_that_cannot_be_read_rolls_back(canary: Fixture, damage: bytes) -> None:
    canary.wait(INTERVAL * 2)
    canary.objects.create(f"releases/{ID}/analysis-1.json", b"")
    overwrite(canary.objects, f"releases/{ID}/analysis-1.json", damage)
    with pytest.raises(RecordDamaged, match="analysis-1"):
        canary.release.step(canary.states[ID])
    assert canary.run().outcome is Ended.ROLLED_BACK


@pytest.mark.fault
@pytest.mark.parametrize("outage", [1, 10])
def test_an_outage_of_the_log_is_retried_and_then_rolls_back(
    deployed: Fixture, outage: int
) -> None:
    left = [CloudUnavailable("the log", "no answer")] * outage

    def before(operation: str) -> None:
        if left:
            raise left.pop()

    deployed.serve_all(deployed.canary())
    deployed.observations.before = before
    state = deployed.next_analysis()
    assert state.next == ("watch" if outage == 1 else "undo")
    if outage > 1:
        assert deployed.run().reasons == ("CloudUnavailable: the log: no answer",)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("version", "weights", "left"),
    [
        ("1", {}, "1"),
        ("1", {"v2": 0.2}, "1"),
        ("2", {}, "1"),
        ("2", {"v1": 0.1}, "1"),
        ("3", {}, "3"),
        ("3", {"v2": 0.1}, "3"),
    ],
)
def test_an_alias_that_was_moved_by_hand_ends_the_release(
    canary: Fixture, version: str, weights: dict[str, float], left: str
) -> None:
    """A third version, as in an emergency, stays; but nothing shares its traffic."""
    canary.api.deploy(code="sha256:third")
    canary.api.publish()
    canary.api.move_by_hand(version, **weights)
    done = canary.run()
    assert done.outcome is Ended.ROLLED_BACK
    assert done.reasons[0].startswith("somebody else has moved the API: it is at version")
    assert canary.live() == (left, {}, "1")


@pytest.mark.fault
def test_batch_that_was_moved_by_hand_ends_the_release(canary: Fixture) -> None:
    canary.batch.publish()
    canary.batch.move_by_hand("1", v2=0.5)
    assert canary.run().reasons[0].startswith("somebody else has moved batch")
    assert canary.live() == ("1", {}, "1")
    assert not canary.batch.current.weights


def test_a_canary_that_somebody_promotes_is_promoted_at_the_next_poll(canary: Fixture) -> None:
    canary.operations.promote(ID, "ben")
    assert canary.step().next == "promote"
    assert canary.run().reasons == ("promoted by ben",)


def test_an_alarm_is_stronger_than_a_promotion_by_hand(canary: Fixture) -> None:
    canary.operations.promote(ID, "ben")
    canary.alarms.in_alarm.add("errors")
    assert reasons(canary.step()) == ("alarm errors",)
    canary.run()
    assert canary.live() == ("1", {}, "1")


# --- what fails ---------------------------------------------------------------------------------


@pytest.mark.fault
@pytest.mark.parametrize("step", ["gate", "canary", "watch", "promote"])
@pytest.mark.parametrize("error", [CloudUnavailable("all", "down"), ValueError("odd")], ids=str)
def test_a_step_that_fails_for_good_ends_with_the_stable_version(
    deployed: Fixture, step: str, error: Exception
) -> None:
    deployed.until("gate")
    if step == "promote":
        deployed.operations.promote(ID, ANN)
    deployed.until(step)

    def fails(state: State) -> State:
        raise error

    machine = deployed.machine
    machine.step = fails
    after = machine.attempt(deployed.states[ID])
    assert after is not None
    deployed.states[ID] = after
    assert after.next == "undo"
    done = deployed.run()
    assert done.reasons[-1].endswith(str(error))
    assert done.outcome is (Ended.REFUSED if step in ("gate", "canary") else Ended.ROLLED_BACK)
    assert deployed.live() == ("1", {}, "1")


@pytest.mark.fault
@pytest.mark.parametrize("part", ["api", "batch"])
def test_a_function_that_is_deleted_during_the_canary_ends_the_release(
    canary: Fixture, part: str
) -> None:
    getattr(canary, part).remove_function()
    done = canary.run()
    assert done.outcome is Ended.ROLLED_BACK
    assert done.reasons == (f"FunctionGone: There is no function {part}",)
    assert part == "api" or canary.api.current.version == "1"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("part", "step"),
    [
        ("api", "canary"),
        ("api", "promote"),
        ("batch", "promote"),
        ("api", "undo"),
        ("batch", "undo"),
    ],
)
def test_weights_other_than_what_was_set_are_cleared(
    deployed: Fixture, part: str, step: str
) -> None:
    """Lambda sets other weights than those it was told, at that very move.

    Once the API's alias says that the release is promoted, it is.
    """
    deployed.until("gate")
    if step == "promote":
        deployed.operations.promote(ID, ANN)
    if step == "undo":
        deployed.canary()
        deployed.alarms.in_alarm.add("errors")
    deployed.until(step)
    function: FakeFunction = getattr(deployed, part)
    other = "2" if step == "undo" else "1"
    function.misheard = {} if step == "canary" else {other: 0.5}
    live, outcome = ("2", Ended.PROMOTED) if step == "promote" else ("1", Ended.ROLLED_BACK)
    assert deployed.run().outcome is outcome
    assert deployed.live() == (live, {}, live)
    assert not deployed.batch.current.weights


@pytest.mark.fault
def test_where_no_step_can_be_made_the_state_machine_takes_the_weights(canary: Fixture) -> None:
    canary.executions.end(ID, ExecutionStatus.FAILED)
    canary.machine._take_weights()
    assert canary.live() == ("1", {}, "1")
    (text,) = canary.repair(ID)
    assert "its execution has ended: FAILED" in text
    assert canary.ended()[0] is Ended.ROLLED_BACK


@pytest.mark.fault
def test_a_notice_that_cannot_be_sent_keeps_nobody_from_the_end(canary: Fixture) -> None:
    canary.notices.before = unavailable
    canary.promoted()
    assert canary.live() == ("2", {}, "2")


def test_the_verdicts_have_plain_names() -> None:
    assert [*Verdict] == ["passed", "failed", "inconclusive"]
