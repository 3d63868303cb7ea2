"""What operators do: roll back, abort, promote; and what a rollback never does."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from mlops.errors import CloudUnavailable, ReleaseRefused, TrafficChanged
from mlops.registry.releases import Ended, Kind
from mlops.release.ports import ExecutionStatus
from tests.unit.fakes import overwrite
from tests.unit.inference.building import V1
from tests.unit.release.fakes import unavailable
from tests.unit.release.fixture import ANN, ID, V2, Fixture, Killed, refusal

V3, OTHER = V2.next_minor(), "release-2"
LATER = timedelta(minutes=3)
Damage = Callable[[Fixture], object]


def roll_back(fixture: Fixture, to: str | None = None) -> str:
    fixture.wait(timedelta(seconds=1))
    return fixture.operations.roll_back(to, ANN).version


# --- during a release ---------------------------------------------------------------------------


def test_a_rollback_takes_a_canarys_traffic_and_stops_its_release(canary: Fixture) -> None:
    assert roll_back(canary) == "1"
    assert canary.live() == ("1", {}, "1")
    assert canary.executions.runs[ID].status is ExecutionStatus.ABORTED
    assert canary.ended() == (Ended.ROLLED_BACK, ("rolled back by ann",))
    assert (canary.last().kind, canary.last().id) == (Kind.STOPPED, ID), "one record says all"
    assert canary.stages() == {V1: "champion", V2: "candidate"}
    assert [subject.split(":")[0] for subject, _ in canary.notices.sent] == ["ROLLED_BACK"]


@pytest.mark.fault
def test_a_canarys_traffic_is_taken_before_the_store_is_asked(canary: Fixture) -> None:
    def before(operation: str, key: str) -> None:
        raise CloudUnavailable("the store", "down")

    canary.before = before
    canary.executions.before = unavailable
    with pytest.raises(CloudUnavailable):
        canary.operations.roll_back(None, ANN)
    assert canary.live() == ("1", {}, "1")
    canary.before, canary.executions.before = (lambda operation, key: None), lambda operation: None
    canary.executions.end(ID, ExecutionStatus.ABORTED)
    canary.repair(ID)
    assert canary.ended() == (Ended.ROLLED_BACK, ("rolled back by ann",))


@pytest.mark.parametrize("step", ["gate", "canary"])
def test_a_release_without_traffic_is_stopped_and_what_is_live_goes_back(
    promoted: Fixture, step: str
) -> None:
    """What clients get is version 2; the answer to a bad one may just be on its way."""
    promoted.deploy(code="sha256:third")
    promoted.until(step, OTHER)
    assert roll_back(promoted) == "1"
    assert promoted.ended(OTHER) == (Ended.REFUSED, ("rolled back by ann",))
    assert promoted.executions.runs[OTHER].status is ExecutionStatus.ABORTED
    assert (promoted.last().kind, promoted.last().champion) == (Kind.ROLLBACK, "2")


def test_a_release_that_has_not_begun_goes_on_from_what_is_live_then(promoted: Fixture) -> None:
    promoted.deploy(promoted.register(V3))
    promoted.start(OTHER)
    assert roll_back(promoted) == "1"
    promoted.canary(OTHER)
    assert promoted.live() == ("1", {"3": 0.1}, "1")


def test_whatever_a_rolled_back_release_still_does_fails(canary: Fixture) -> None:
    """The execution may be stopped too late: its function still runs."""
    canary.operations.promote(ID, "ben")
    promote = canary.step()
    assert promote.next == "promote"
    roll_back(canary)
    with pytest.raises(TrafficChanged):
        canary.release.step(promote)
    assert canary.live() == ("1", {}, "1")


@pytest.mark.parametrize("steps", range(4))
def test_a_rollback_wins_at_any_step_of_a_promotion(canary: Fixture, steps: int) -> None:
    canary.operations.promote(ID, "ben")
    for _ in range(steps):
        canary.step()
    assert roll_back(canary) == "1"
    assert canary.live() == ("1", {}, "1")
    was_promoted = steps > 1
    assert canary.ended()[0] is (Ended.PROMOTED if was_promoted else Ended.ROLLED_BACK)
    assert canary.last().kind is (Kind.ROLLBACK if was_promoted else Kind.STOPPED)
    assert canary.stages()[V1] == "champion"


def test_no_other_target_during_a_release(canary: Fixture) -> None:
    with pytest.raises(ReleaseRefused, match="roll it back first, without a target"):
        canary.operations.roll_back("1", ANN)


def test_an_abort_is_a_rollback(canary: Fixture) -> None:
    closed = canary.operations.abort(ID, "bob")
    assert closed.record.reasons[0] == "rolled back by bob"
    assert canary.live() == ("1", {}, "1")
    for id in (ID, "nobody"):
        with pytest.raises(ReleaseRefused, match=f"no release {id} is running"):
            canary.operations.abort(id, ANN)


def test_an_abort_of_a_release_that_is_promoted_is_refused(canary: Fixture) -> None:
    canary.operations.promote(ID, ANN)
    canary.until("record")
    with pytest.raises(ReleaseRefused, match="to go back: mlops rollback"):
        canary.operations.abort(ID, ANN)


def test_an_abort_of_a_release_that_waits_leaves_the_other_alone(canary: Fixture) -> None:
    canary.start(OTHER)
    canary.step(OTHER)
    canary.operations.abort(OTHER, ANN)
    assert canary.live() == ("1", {"2": 0.1}, "1")
    canary.promoted()
    assert canary.ended(OTHER) == (Ended.REFUSED, ("rolled back by ann",))


def test_only_a_release_that_runs_is_promoted(canary: Fixture) -> None:
    with pytest.raises(ReleaseRefused, match="no release nobody is running"):
        canary.operations.promote("nobody", ANN)
    canary.operations.promote(ID, ANN)
    canary.step()
    canary.step()
    with pytest.raises(ReleaseRefused, match="is being promoted already"):
        canary.operations.promote(ID, ANN)
    canary.run()
    with pytest.raises(ReleaseRefused, match="no release release-1 is running"):
        canary.operations.promote(ID, ANN)


@pytest.mark.fault
def test_weights_that_belong_to_no_release_are_taken(promoted: Fixture) -> None:
    promoted.api.move_by_hand("2", v1=0.3)
    assert roll_back(promoted) == "2"
    assert promoted.live() == ("2", {}, "2")
    assert promoted.notices.sent[-1][0] == "Weights that belong to no release"


# --- two at once --------------------------------------------------------------------------------


def at(operation: str, function: object, act: Callable[[], object]) -> None:
    """Let something happen ahead of the next such operation."""

    def before(name: str) -> None:
        if name == operation:
            function.before = lambda name: None  # type: ignore[attr-defined]
            act()

    function.before = before  # type: ignore[attr-defined]


@pytest.mark.parametrize("part", ["api", "batch"])
@pytest.mark.parametrize("state", ["canary", "promoted"])
def test_of_two_rollbacks_at_once_both_get_what_they_asked_for(
    request: pytest.FixtureRequest, state: str, part: str
) -> None:
    fixture: Fixture = request.getfixturevalue(state)
    others = []
    at("move", getattr(fixture, part), lambda: others.append(roll_back(fixture)))
    assert roll_back(fixture) == "1"
    assert others == ["1"]
    assert fixture.live() == ("1", {}, "1")
    ends = [it for it in fixture.registry.releases() if it.outcome is Ended.ROLLED_BACK]
    assert len(ends) == 1
    notes = [function.current.note for function in (fixture.api, fixture.batch)]
    assert {note and note.by for note in notes} == {ends[0].id}, "one signs for both"


def test_a_second_rollback_goes_back_no_further_unless_it_says_where(promoted: Fixture) -> None:
    promoted.deploy(settings="more memory")
    promoted.promoted(OTHER)
    assert roll_back(promoted) == "2"
    promoted.wait(timedelta(seconds=1))
    assert "was rolled back 1 s ago (rolled back by ann" in refusal(promoted)
    assert roll_back(promoted, "1") == "1"


def test_nor_after_a_canary_was_rolled_back(promoted: Fixture) -> None:
    promoted.deploy(settings="more memory")
    promoted.canary(OTHER)
    assert roll_back(promoted) == "2"
    promoted.wait(timedelta(seconds=1))
    assert "was rolled back 1 s ago" in refusal(promoted)


def test_a_release_that_begins_during_a_rollback_does_not_keep_it_from_winning(
    promoted: Fixture,
) -> None:
    promoted.deploy(promoted.register(V3), code="sha256:third")
    at("move", promoted.api, lambda: promoted.until("gate", OTHER))
    assert roll_back(promoted) == "1"
    promoted.run(OTHER)
    assert promoted.live() == ("1", {}, "1")


# --- after a promotion --------------------------------------------------------------------------


def test_what_was_promoted_last_goes_back_with_one_update(promoted: Fixture) -> None:
    moves = len(promoted.api.moves)
    assert roll_back(promoted) == "1"
    assert promoted.live() == ("1", {}, "1")
    assert len(promoted.api.moves) == moves + 1
    assert promoted.stages() == {V1: "champion", V2: "retired"}
    last = promoted.last()
    assert (last.kind, last.outcome, last.by) == (Kind.ROLLBACK, Ended.ROLLED_BACK, ANN)
    assert (last.champion, last.candidate) == ("2", "1")
    assert promoted.notices.sent[-1][0] == f"ROLLED_BACK: version 1 ({V1})"


@pytest.mark.parametrize("to", ["2", str(V2)])
def test_it_goes_where_it_is_told(promoted: Fixture, to: str) -> None:
    promoted.deploy(promoted.register(V3), code="sha256:third")
    promoted.promoted(OTHER)
    promoted.deploy(code="sha256:fourth")
    promoted.promoted("release-3")
    assert roll_back(promoted, "2") == "2"
    assert promoted.live() == ("2", {}, "2")


@pytest.mark.fault
def test_an_alias_without_a_note_is_read_from_the_registry(promoted: Fixture) -> None:
    """As it is on a stack whose last release came before there were notes."""
    for _, function in promoted.deps.parts:
        found = function.traffic()
        function.move(found.version, found.weights, None, found.revision)
    assert promoted.repair() == ()
    assert roll_back(promoted) == "1"
    assert promoted.live() == ("1", {}, "1")
    promoted.deploy(promoted.register(V3), code="sha256:third")
    promoted.promoted(OTHER)
    assert promoted.live() == ("3", {}, "3")


@pytest.mark.fault
def test_a_version_that_was_set_by_hand_in_an_emergency_is_gone_back_from(
    promoted: Fixture,
) -> None:
    promoted.deploy(code="sha256:third")
    promoted.api.publish()
    promoted.api.move_by_hand("3")
    assert promoted.repair() == (), "it is left as it is"
    assert roll_back(promoted) == "2"


SKEW = timedelta(minutes=4)


@pytest.mark.parametrize("skew", [-SKEW, SKEW])
def test_the_order_of_releases_does_not_depend_on_an_operators_clock(
    promoted: Fixture, skew: timedelta
) -> None:
    promoted.clock.time += skew
    roll_back(promoted)
    promoted.clock.time -= skew
    assert promoted.last().kind is Kind.ROLLBACK
    promoted.deploy(promoted.register(V3), code="sha256:third")
    promoted.promoted(OTHER)
    promoted.clock.time += skew
    assert roll_back(promoted) == "1"


def test_by_a_clock_that_is_behind_nobody_goes_back_too_far(promoted: Fixture) -> None:
    promoted.deploy(settings="more memory")
    promoted.promoted(OTHER)
    assert roll_back(promoted) == "2"
    promoted.clock.time -= SKEW
    assert "was rolled back lately (rolled back by ann" in refusal(promoted)


def test_a_version_that_was_idle_is_activated_before_it_gets_traffic(promoted: Fixture) -> None:
    roll_back(promoted)
    assert (promoted.api.woken, promoted.batch.woken) == (["1"], ["1"])


@pytest.mark.fault
def test_the_time_that_activation_takes_is_not_that_of_the_rollback(promoted: Fixture) -> None:
    """Another one that is asked for meanwhile goes back no further."""
    others = []

    def takes_long() -> None:
        others.append(promoted.operations.roll_back(None, "ben").version)
        promoted.wait(LATER)

    at("wait_until_active", promoted.batch, takes_long)
    assert (roll_back(promoted), others) == ("1", ["1"])
    assert promoted.live() == ("1", {}, "1")


def test_a_rollback_of_which_nobody_can_be_told_is_one_all_the_same(promoted: Fixture) -> None:
    promoted.notices.before = unavailable
    promoted.wait(timedelta(seconds=1))
    assert "Nobody was told" in promoted.operations.roll_back(None, ANN).text
    assert promoted.live() == ("1", {}, "1")


def test_there_is_nothing_to_go_back_to() -> None:
    assert "no release was ever promoted" in refusal(Fixture())


@pytest.mark.parametrize("to", ["9", "3", "churn-model-v9.0.0", "$LATEST"])
def test_a_version_that_was_never_live_is_refused(promoted: Fixture, to: str) -> None:
    reason = refusal(promoted, to)
    assert f"{to} was never live by a release; these were: version 1 with {V1}" in reason


def damaged(file: str, content: bytes | None = None) -> Damage:
    """The model's file is gone, or another one is there."""

    def damage(fixture: Fixture) -> None:
        key = f"models/{V1}/{file}"
        fixture.objects.remove(key) if content is None else overwrite(fixture.objects, key, content)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        damaged("manifest.json"),
        damaged("manifest.json", b"{}"),
        damaged("model.onnx"),
        damaged("model.onnx", b"another"),
        lambda fixture: fixture.api.remove("1"),
        lambda fixture: fixture.batch.remove("1"),
        lambda fixture: fixture.api.dead.add("1"),
        lambda fixture: fixture.batch.dead.add("1"),
    ],
)
def test_what_cannot_come_back_is_refused(promoted: Fixture, damage: Damage) -> None:
    damage(promoted)
    assert refusal(promoted).startswith("version 1 cannot come back: ")


# --- what fails in between ----------------------------------------------------------------------


@pytest.mark.fault
@pytest.mark.parametrize("state", ["canary", "promoted"])
@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("ender", ["repair", "rollback"])
def test_a_rollback_that_dies_anywhere_is_ended_by_the_repair_or_by_the_next(
    request: pytest.FixtureRequest, state: str, number: int, ender: str
) -> None:
    """At each call of an alias, and each write to the store, from its first move on."""
    fixture: Fixture = request.getfixturevalue(state)
    calls = iter(range(100))
    moves = len(fixture.api.moves)

    def call(name: str, key: str = "") -> None:
        is_call = name in ("move", "traffic", "create", "replace")
        if is_call and len(fixture.api.moves) > moves and next(calls) == number:
            raise Killed

    fixture.api.before = fixture.batch.before = call
    fixture.before = call
    died = False
    try:
        roll_back(fixture)
    except Killed:
        died = True
    fixture.api.before = fixture.batch.before = lambda name: None
    fixture.before = lambda name, key: None
    assert died or number > 8
    if fixture.executions.running():
        fixture.executions.end(ID, ExecutionStatus.ABORTED)
    if ender == "repair":
        fixture.repair()
    else:
        with suppress(ReleaseRefused):  # where the first one came to its end
            assert fixture.operations.roll_back(None, ANN).version == "1"
    assert fixture.live() == ("1", {}, "1")
    assert fixture.last().outcome is Ended.ROLLED_BACK
    assert fixture.last().reasons == ("rolled back by ann",)
    assert fixture.repair() == ()


@pytest.mark.fault
@pytest.mark.parametrize("part", ["api", "batch"])
def test_a_function_that_is_gone_is_said(promoted: Fixture, part: str) -> None:
    at("move", getattr(promoted, part), getattr(promoted, part).remove_function)
    if part == "api":
        with pytest.raises(Exception, match="There is no function api"):
            roll_back(promoted)
    else:
        assert roll_back(promoted) == "1"
        assert promoted.last().candidate == "1"


@pytest.mark.fault
def test_an_alias_that_others_move_all_the_time_is_not_fought_for_ever(promoted: Fixture) -> None:
    def before(name: str) -> None:
        if name == "move":
            promoted.api.move_by_hand("2")

    promoted.api.before = before
    with pytest.raises(TrafficChanged, match="at each of 5 tries"):
        roll_back(promoted)
