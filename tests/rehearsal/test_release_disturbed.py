"""What comes between a release and its end: operators, alarms, and aliases moved by hand.

All tests share one stack. Each begins when nothing is under way.
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import DISTURBED_RELEASES
from tests.rehearsal import models
from tests.rehearsal.releasing import ROLLBACK_SECONDS, Releasing
from tests.rehearsal.traffic import Traffic

pytestmark = pytest.mark.xdist_group(DISTURBED_RELEASES)

MOST_LEAD_SECONDS = 6
"""That a promotion has: it takes a few, from the command to its record."""


@pytest.mark.fault
def test_a_deployment_during_a_canary_is_released_after_it_is_aborted(
    releasing: Releasing, clients: Traffic
) -> None:
    live = releasing.live()
    releasing.deploy(models.as_good)
    first = releasing.running()["id"]
    assert releasing.mlops("release", "start").code == 3, "one at a time"
    version = releasing.deploy(models.as_good)
    aborted = releasing.mlops("release", "abort", "--by", "rehearsal", "--json")
    assert (aborted.code, aborted.document["id"]) == (0, first), aborted.said
    assert aborted.document["outcome"] == "ROLLED_BACK"
    assert live in releasing.shares(), "the stable version stays"
    # What was deployed meanwhile is released by itself; this one is promoted by hand.
    second = releasing.running()
    assert second["id"] != first
    assert releasing.mlops("release", "promote", "--by", "rehearsal").code == 0
    ran = releasing.verdict()
    assert (ran.code, ran.document["outcome"]) == (0, "PROMOTED"), ran.said
    assert ran.document["reasons"] == ["promoted by rehearsal"]
    assert releasing.model_of(releasing.live()) == version


def test_a_rollback_during_a_canary_stops_its_release(
    releasing: Releasing, clients: Traffic
) -> None:
    live = releasing.live()
    canary = releasing.start_canary()["candidate"]
    began = time.monotonic()
    assert releasing.mlops("rollback", "--by", "rehearsal").code == 0
    time.sleep(1)  # for the last answers to arrive
    assert releasing.shares() == {live: 1}
    wrong = [answer.at - began for answer in clients.since(began) if answer.release == canary]
    assert max(wrong, default=0) < ROLLBACK_SECONDS
    assert releasing.status()["last"]["outcome"] == "ROLLED_BACK"


@pytest.mark.fault
def test_an_execution_that_is_stopped_leaves_no_weights(
    releasing: Releasing, clients: Traffic
) -> None:
    """One that runs out of time is in tests/integration/test_time_limit.py."""
    live, batch = releasing.live(), releasing.shares("batch")
    running = releasing.start_canary()
    releasing.stop_execution(running["id"])
    last = releasing.wait_for_end()
    assert releasing.deployment.executions()[running["id"]] == "ABORTED"
    assert (last["id"], last["outcome"]) == (running["id"], "ROLLED_BACK")
    assert last["reasons"] == ["its execution has ended: ABORTED"]
    assert (releasing.shares(), releasing.shares("batch")) == ({live: 1}, batch)
    assert releasing.champions() == [releasing.model_of(live)]


@pytest.mark.fault
def test_an_alarm_rolls_a_canary_back_and_lets_none_begin(
    releasing: Releasing, clients: Traffic
) -> None:
    live = releasing.live()
    releasing.start_canary()
    with releasing.in_alarm("ApiErrorsAlarm") as alarm:
        ran = releasing.verdict()
        assert (ran.code, ran.document["outcome"]) == (3, "ROLLED_BACK"), ran.said
        assert ran.document["reasons"] == [f"alarm {alarm}"]
        assert releasing.shares() == {live: 1}
        again = releasing.start()
        assert (again.code, again.document["outcome"]) == (3, "REFUSED"), again.said
        assert again.document["reasons"] == [f"alarms are in state ALARM: {alarm}"]


@pytest.mark.fault
@pytest.mark.parametrize("number", range(5))
def test_a_rollback_around_a_promotion_always_wins(
    releasing: Releasing, clients: Traffic, note_figure: Callable[[str], None], number: int
) -> None:
    """At a random moment: before, during or after a promotion by hand."""
    live, lead = releasing.live(), random.uniform(0, MOST_LEAD_SECONDS)  # noqa: S311 -- a moment, no secret
    releasing.start_canary()
    with ThreadPoolExecutor(2) as threads:
        promotion = threads.submit(releasing.mlops, "release", "promote", "--by", "ann")
        time.sleep(lead)
        rollback = threads.submit(releasing.mlops, "rollback", "--by", "bob")
        promoted, ran = promotion.result(), rollback.result()
    assert promoted.code in (0, 3), promoted.said
    assert (ran.code, releasing.shares()) == (0, {live: 1}), ran.said
    last = releasing.wait_for_end()
    how = f"{last['kind']} {last['outcome']}, {'; '.join(last['reasons'])}"
    note_figure(f"a rollback {lead:.1f} s after a promotion by hand: {how}")
    side = {"stopped": "champion", "rollback": "candidate"}[last["kind"]]
    assert (last["outcome"], last[side]) == ("ROLLED_BACK", live)
    assert releasing.shares() == {live: 1}
    assert releasing.shares("batch") == {last[f"batch_{side}"]: 1}
    assert releasing.champions() == [releasing.model_of(live)]


@pytest.mark.fault
def test_in_an_emergency_the_alias_is_moved_by_hand(releasing: Releasing, clients: Traffic) -> None:
    """By the documented command, during a canary; and back from a version that no release made."""
    live, canary = releasing.live(), releasing.start_canary()
    releasing.move_by_hand(canary["champion"], "ApiFunctionName")
    releasing.move_by_hand(canary["batch_champion"], "BatchFunctionName")
    last = releasing.wait_for_end()
    assert (last["id"], last["outcome"]) == (canary["id"], "ROLLED_BACK")
    assert last["reasons"][0].startswith("somebody else has moved the API")
    assert releasing.shares() == {live: 1}
    releasing.move_by_hand(canary["candidate"], "ApiFunctionName")
    assert releasing.shares() == {canary["candidate"]: 1}
    found = {it["what"]: it["command"] for it in releasing.mlops("doctor", "--json").document}
    what = f"Version {canary['candidate']} is live, and no release made it so"
    command = found[what].split()
    assert command[:4] == ["mlops", "rollback", "--to", live]
    assert releasing.mlops(*command[1:]).code == 0
    assert releasing.shares() == {live: 1}


def test_no_request_was_lost(
    releasing: Releasing, clients: Traffic, note_figure: Callable[[str], None]
) -> None:
    assert clients.unexpected() == []
    note_figure(f"{len(clients.answers):,} requests during disturbed releases, none lost")


@pytest.mark.fault
def test_a_stack_is_deleted_during_a_canary(releasing: Releasing, clients: Traffic) -> None:
    """It comes last, because it ends the stack that all tests share."""
    releasing.start_canary()
    function = releasing.deployment.outputs()["ApiFunctionName"]
    releasing.deployment.delete()
    left = releasing.deployment.cloud.client("lambda").list_functions()["Functions"]
    assert function not in {it["FunctionName"] for it in left}
