"""A canary is watched, and taken further or back."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mlops.errors import CloudUnavailable, FunctionGone, ReleaseRefused
from mlops.registry.journal import Stage
from mlops.registry.releases import Ended
from mlops.release.judge import Observed, Outcome
from mlops.release.looks import Looks
from mlops.release.ports import ExecutionStatus, GateReport
from mlops.release.records import RELEASES
from mlops.release.rollout import Action, Watched
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, LOOK, V2, Bench, Killed, failing_on, observed
from tests.unit.release.fakes import FakeFunction, unavailable


def watched(bench: Bench, **canary: float) -> list[Watched]:
    """Every look's answer until it is not to go on."""
    bench.canary()
    bench.serve_all(bench.clock.time, **canary)
    answers = [bench.next_look()]
    while answers[-1].action is Action.CONTINUE:
        answers.append(bench.next_look())
    return answers


def test_a_good_canary_is_promoted_at_the_last_look_and_no_earlier(bench: Bench) -> None:
    answers = watched(bench)
    assert [answer.action for answer in answers] == ["CONTINUE", "CONTINUE", "PROMOTE"]
    assert [answer.look for answer in answers] == [1, 2, 3]
    assert any("requests failed" in reason for reason in answers[-1].reasons)


@pytest.mark.parametrize(
    ("figures", "word"),
    [({"errors": 0.2}, "errors"), ({"slower": 2.0}, "latency"), ({"shifted": 0.4}, "predictions")],
)
def test_a_bad_canary_is_taken_back_at_the_first_look(
    bench: Bench, figures: dict[str, float], word: str
) -> None:
    (answer,) = watched(bench, **figures)
    assert (answer.action, answer.look) == (Action.ROLL_BACK, 1)
    assert answer.reasons[0].startswith(f"{word}: ")


def test_the_first_model_of_all_waits_for_nobody() -> None:
    bench = Bench()
    bench.api = FakeFunction("api", pins=())
    bench.batch = FakeFunction("batch", pins=())
    bench.deploy()
    plan = bench.begin().plan
    assert plan is not None
    assert bench.rollout.gate(ID).passed
    bench.api.move("1", plan.weights, plan.revision)
    watched = bench.rollout.watch(ID)
    assert (watched.action, watched.look) == (Action.PROMOTE, None)
    assert "no model was live before" in watched.reasons[0]
    # Who finds it half done takes it for approved.
    bench.promote()
    bench.executions.end(ID, ExecutionStatus.FAILED)
    bench.reconciler.reconcile()
    assert bench.outcome() is not None
    assert bench.live() == ("2", {}, "2")


def test_no_requests_are_inconclusive_and_that_is_taken_back(bench: Bench) -> None:
    bench.canary()
    answers = [bench.next_look() for _ in range(3)]
    assert answers[-1].action is Action.ROLL_BACK
    assert answers[-1].reasons[:2] == (
        "inconclusive at the last look",
        "0 predictions, and 300 are needed",
    )
    # A retry of the last call gets the same answer.
    assert bench.rollout.watch(ID) == answers[-1]


def test_each_look_sees_its_own_interval_and_judges_all_of_them(bench: Bench) -> None:
    watched(bench)
    asked = [(version, until - since) for version, since, until in bench.observations.asked]
    assert asked == [("2", LOOK), ("1", LOOK)] * 3
    looks = Looks(bench.folder(), bench.plan()).kept()
    assert [look.requests for look in looks] == [200, 400, 600]
    assert all(look.since == before.until for before, look in zip(looks, looks[1:], strict=False))


@pytest.mark.parametrize("rush", [{"slower": 3.0}, {"shifted": 0.4}])
def test_a_rush_hour_weighs_as_much_where_its_samples_were_thinned(
    bench: Bench, rush: dict[str, float]
) -> None:
    """Other clients ask in the first look, of both versions; only the stable one's are too many."""
    bench.canary()
    for look in range(bench.settings.looks):
        at = bench.clock.time + look * LOOK + LOOK / 2
        stable, canary = (16_000, 1_800) if look == 0 else (1_500, 170)
        figures = rush if look == 0 else {}
        bench.serve("2", at, canary, **figures)
        bench.observations.record("1", at, thinned(observed(stable, **figures), most=5_000))
    answers = [bench.next_look() for _ in range(bench.settings.looks)]
    assert [it.action for it in answers] == ["CONTINUE", "CONTINUE", "PROMOTE"], answers[-1].reasons


def thinned(found: Observed, most: int) -> Observed:
    step = 1
    while found.requests / step > most:
        step *= 2
    return replace(
        found,
        latencies=found.latencies[::step],
        predictions=found.predictions[::step],
        latency_step=step,
        prediction_step=step,
    )


def test_looks_of_an_older_version_of_this_code_were_not_thinned(bench: Bench) -> None:
    bench.canary()
    bench.serve_all(bench.clock.time)
    bench.next_look()
    key = f"{RELEASES}{ID}/observed-1.json"
    kept = bench.objects.get(key)
    document = json.loads(kept.content)
    for version in ("canary", "stable"):
        del document[version]["latency_step"], document[version]["prediction_step"]
    bench.objects.replace(key, json.dumps(document).encode(), kept.tag)
    assert [bench.next_look().action for _ in range(2)] == ["CONTINUE", "PROMOTE"]


def test_missed_looks_are_made_up_for_by_one(bench: Bench) -> None:
    bench.canary()
    bench.serve_all(bench.clock.time)
    bench.next_look()
    bench.wait(LOOK)
    answer = bench.next_look()
    assert (answer.action, answer.look) == (Action.PROMOTE, 3)
    looks = Looks(bench.folder(), bench.plan()).kept()
    assert [(look.number, look.until - look.since) for look in looks] == [(1, LOOK), (3, 2 * LOOK)]
    assert looks[-1].requests == 600


def test_a_look_waits_for_the_last_lines_of_its_interval(bench: Bench) -> None:
    bench.canary()
    bench.wait(LOOK - timedelta(seconds=2))
    assert bench.rollout.watch(ID) == Watched(Action.CONTINUE)
    assert not bench.observations.asked
    bench.wait(timedelta(seconds=2))
    assert bench.rollout.watch(ID).look == 1


@pytest.mark.parametrize("name", ["observed-1", "look-1"])
def test_a_watch_that_dies_at_a_look_gives_the_same_verdict_the_next_time(
    bench: Bench, name: str
) -> None:
    bench.canary()
    bench.serve_all(bench.clock.time, errors=0.2)
    bench.wait(LOOK)
    bench.before = failing_on("create", f"releases/{ID}/{name}.json", Killed())
    with pytest.raises(Killed):
        bench.rollout.watch(ID)
    bench.before = lambda operation, key: None
    bench.wait(LOOK)  # by now the second look is due, but the first is not forgotten
    answer = bench.rollout.watch(ID)
    assert answer.action is Action.ROLL_BACK
    assert answer == bench.rollout.watch(ID)
    assert Looks(bench.folder(), bench.plan()).kept()[0].outcome is Outcome.FAIL


def test_an_outage_of_the_log_is_raised_and_the_look_is_taken_later(bench: Bench) -> None:
    bench.canary()
    bench.serve_all(bench.clock.time)
    bench.observations.before = unavailable
    with pytest.raises(CloudUnavailable):
        bench.next_look()
    bench.observations.before = lambda operation: None
    assert bench.rollout.watch(ID).look == 1


def move_to(version: str, **weights: float) -> Callable[[Bench], None]:
    def change(bench: Bench) -> None:
        shares = {number.removeprefix("v"): share for number, share in weights.items()}
        bench.api.move(version, shares, bench.api.traffic().revision)

    return change


@pytest.mark.parametrize(
    "change",
    [move_to("1"), move_to("1", v2=0.2), move_to("2"), move_to("2", v1=0.1)],
    ids=["no weights", "more", "all", "the other way round"],
)
def test_an_alias_that_somebody_else_changed(bench: Bench, change: Callable[[Bench], None]) -> None:
    bench.canary()
    change(bench)
    answer = bench.rollout.watch(ID)
    assert answer.action is Action.ROLL_BACK
    assert answer.reasons[0].startswith("somebody else has moved the alias to version")


def test_an_alarm_takes_the_canary_back(bench: Bench) -> None:
    bench.canary()
    bench.alarms.ringing.add("stack-errors")
    assert bench.rollout.watch(ID) == Watched(Action.ROLL_BACK, ("alarm stack-errors",))


def test_alarms_that_it_was_begun_despite_do_not_take_it_back(bench: Bench) -> None:
    bench.alarms.ringing.add("stack-errors")
    bench.canary(despite_alarms=True)
    assert bench.rollout.watch(ID).action is Action.CONTINUE
    bench.alarms.ringing.add("stack-latency")
    assert bench.rollout.watch(ID) == Watched(Action.ROLL_BACK, ("alarm stack-latency",))


def test_what_it_was_begun_despite_is_told_at_its_end(bench: Bench) -> None:
    bench.alarms.ringing.add("stack-errors")
    bench.canary(despite_alarms=True)
    bench.promote()
    closed = bench.rollout.record(ID, Ended.PROMOTED, ("all is well",))
    reasons = ("all is well", "it began although alarms rang: stack-errors")
    assert closed.reasons == bench.desk.history()[0].reasons == reasons
    assert "- it began although alarms rang: stack-errors" in closed.text.splitlines()


def test_a_canary_that_somebody_promotes(bench: Bench) -> None:
    bench.canary()
    bench.desk.promote(ID, "ben")
    assert bench.rollout.watch(ID) == Watched(Action.PROMOTE, ("promoted by ben",))
    bench.alarms.ringing.add("stack-errors")
    assert bench.rollout.watch(ID).action is Action.ROLL_BACK


def test_only_what_runs_is_promoted(bench: Bench) -> None:
    with pytest.raises(ReleaseRefused, match="no release release-1 is running"):
        bench.desk.promote(ID, ANN)


def test_a_function_that_is_deleted_while_it_is_watched(bench: Bench) -> None:
    bench.canary()
    bench.api.remove_function()
    with pytest.raises(FunctionGone):
        bench.rollout.watch(ID)
    closed = bench.rollout.record(ID, Ended.ROLLED_BACK, ("There is no function api",))
    assert (closed.outcome, closed.again) == (Ended.ROLLED_BACK, False)
    assert bench.lock.read().holder is None


# --- the gate -----------------------------------------------------------------------------------


def test_the_gate_is_asked_once_and_its_report_is_kept(bench: Bench) -> None:
    bench.begin()
    asked = []

    def gate(plan: object) -> GateReport:
        asked.append(plan)
        return GateReport(False, ("accuracy",), {"gap": 0.1})

    bench.gate = gate
    assert bench.rollout.gate(ID) == bench.rollout.gate(ID)
    assert asked == [bench.plan()]
    assert bench.folder().require("gate")["details"] == {"gap": 0.1}
    assert bench.stages()[V2] == Stage.CANDIDATE


def test_a_version_that_passes_is_a_canary(bench: Bench) -> None:
    bench.begin()
    bench.rollout.gate(ID)
    bench.rollout.gate(ID)
    assert bench.stages() == {V1: "champion", V2: "canary"}
    assert len(bench.registry.entry(V2).history) == 1


def test_a_release_without_a_plan_is_an_error(bench: Bench) -> None:
    for call in (bench.rollout.gate, bench.rollout.watch):
        with pytest.raises(ReleaseRefused, match="no plan of release-1"):
            call(ID)
