"""`mlops release …` and `mlops rollback` on a played stack: what they answer, and exit codes."""

from datetime import timedelta
from typing import Any

import pytest

from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.ports import ExecutionStatus
from tests.unit.cli.conftest import Mlops
from tests.unit.inference.building import V1
from tests.unit.release.fixture import ANN, ID, V2, Fixture


def test_a_start_names_the_release(releases: Fixture, mlops: Mlops) -> None:
    name = mlops("release", "start", "--by", ANN, "--json").document["id"]
    assert releases.executions.runs[name].by == ANN


@pytest.mark.parametrize("command", ["start", "promote", "abort", "status", "list", "rollback"])
def test_what_all_commands_take(mlops: Mlops, command: str) -> None:
    """As docs/releases.md says; who only looks is not recorded."""
    group = () if command == "rollback" else ("release",)
    said = mlops(*group, command, "--help").out
    assert "--json" in said
    assert "--stack" in said
    assert ("--by" in said) == (command not in ("status", "list"))


def test_a_start_despite_alarms(releases: Fixture, mlops: Mlops) -> None:
    mlops("release", "start")
    mlops("release", "start", "--despite-alarms")
    assert [run.despite_alarms for run in releases.executions.runs.values()] == [False, True]


def test_a_start_takes_up_what_was_taken_back_whoever_asks_for_it(
    releases: Fixture, mlops: Mlops
) -> None:
    mlops("release", "start", "--by", "deploy")
    (run,) = releases.executions.runs.values()
    assert run.retry


def test_a_user_without_a_name_rolls_back(
    releases: Fixture, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr("getpass.getuser", nameless)
    releases.deploy()
    releases.canary()
    assert mlops("rollback").code == 0
    assert releases.live() == ("1", {}, "1")
    assert releases.last().reasons[0].startswith("rolled back by user ")


def test_a_second_start_is_refused(releases: Fixture, mlops: Mlops) -> None:
    releases.deploy()
    releases.canary()
    ran = mlops("release", "start")
    assert (ran.code, ran.out) == (3, "")
    assert ID in ran.err
    assert list(releases.executions.runs) == [ID]


def test_a_start_amid_a_deployment_is_refused(releases: Fixture, mlops: Mlops) -> None:
    releases.deployments.status = "UPDATE_IN_PROGRESS"
    ran = mlops("release", "start")
    assert (ran.code, "a deployment is under way (UPDATE_IN_PROGRESS)" in ran.err) == (3, True)
    assert not releases.executions.runs


def test_status_shows_the_traffic_and_the_verdict_so_far(releases: Fixture, mlops: Mlops) -> None:
    releases.deploy()
    releases.serve_all(releases.canary())
    releases.next_analysis()
    shown = mlops("release", "status").out
    assert "90% version 1, 10% version 2" in shown
    assert "analysis 1  " in shown
    document = mlops("release", "status", "--json").document
    assert document["api"] == {"1": 0.9, "2": 0.1}
    running = document["running"]
    assert (running["id"], running["next"], running["candidate"]) == (ID, "watch", "2")
    assert [it["number"] for it in running["analyses"]] == [1]
    assert document["last"]["kind"] == "first"


def test_status_of_a_stack_that_is_gone(releases: Fixture, mlops: Mlops) -> None:
    releases.api.remove_function()
    assert "is not there" in mlops("release", "status").out


def test_promote_and_abort_take_the_one_that_is_running(releases: Fixture, mlops: Mlops) -> None:
    releases.deploy()
    releases.canary()
    assert mlops("release", "promote", "--by", ANN, "--json").document == {"id": ID}
    assert mlops("release", "status", "--json").document["running"]["promoted_by"] == ANN
    aborted = mlops("release", "abort", "--by", ANN, "--json").document
    assert (aborted["id"], aborted["outcome"]) == (ID, "ROLLED_BACK")
    assert releases.live() == ("1", {}, "1")


@pytest.mark.parametrize("command", ["promote", "abort"])
def test_where_none_is_running_there_is_nothing_to(
    releases: Fixture, mlops: Mlops, command: str
) -> None:
    ran = mlops("release", command)
    assert (ran.code, ran.err) == (3, "mlops: No release is running\n")


def test_the_list_has_the_newest_first(releases: Fixture, mlops: Mlops) -> None:
    assert mlops("release", "list").out == "There was no release yet.\n"
    releases.deploy()
    releases.promoted()
    listed: list[Any] = mlops("release", "list", "--json").document
    assert [it["id"] for it in listed] == [ID, "first-1"]
    assert ID in mlops("release", "list").out


def test_a_list_is_readable_on_a_small_terminal(
    releases: Fixture, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, words = f"again-{'d' * 32}", [f"word{number}" for number in range(60)]
    at = releases.clock()
    releases.deploy()
    releases.promoted()
    releases.registry.record(
        ReleaseRecord(
            id=id,
            kind=Kind.RELEASE,
            outcome=Ended.ROLLED_BACK,
            reasons=(" ".join(words), "line\nline"),
            by=ANN,
            started_at=at,
            ended_at=at + timedelta(days=1),
            champion="1041",
            candidate="1042",
            pins=(releases.pins[V1], releases.pins[V2]),
            deployed_sha="c0ffee" * 6 + "abcd",
        )
    )
    monkeypatch.setenv("COLUMNS", "80")
    lines = mlops("release", "list").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["id", "outcome", "ended"]
    ended = f"{at + timedelta(days=1):%Y-%m-%d %H:%M}"
    assert lines[1].split(maxsplit=2) == [id, "ROLLED_BACK", ended]
    about = f"  version 1041 to 1042, {V1}, {V2}, commit"
    assert lines[2:4] == [about, "  c0ffeec0ffee"]
    (end,) = [number for number, line in enumerate(lines) if line.startswith(ID)]
    assert " ".join(lines[4:end]).split() == [*words[:-1], "word59;", "line", "line"]
    assert lines[end + 1 : end + 3] == [f"  version 1 to 2, {V2}, commit d00d", "  promoted by ann"]
    listed = mlops("release", "list", "--json").document[0]
    assert listed["reasons"] == [" ".join(words), "line\nline"]
    assert listed["deployed_sha"].endswith("abcd")


def test_no_table_cuts_what_is_long(releases: Fixture, mlops: Mlops) -> None:
    reason = "so it went, " * 40 + "to its end"
    releases.deploy()
    releases.canary()
    releases.operations.abort(ID, reason)
    assert f"rolled back by {reason[:50]}" in mlops("release", "status").out


def test_a_rollback_goes_back_to_what_was_live_before(releases: Fixture, mlops: Mlops) -> None:
    releases.deploy()
    releases.promoted()
    ran = mlops("rollback", "--by", ANN, "--json")
    assert (ran.code, ran.document["version"]) == (0, "1")
    assert releases.live() == ("1", {}, "1")


def test_a_rollback_that_is_refused_changes_nothing(releases: Fixture, mlops: Mlops) -> None:
    ran = mlops("rollback")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("mlops: there is no earlier version")
    assert releases.live() == ("1", {}, "1")


def test_what_is_shown_of_a_release_that_goes_out_despite_alarms(
    releases: Fixture, mlops: Mlops
) -> None:
    releases.alarms.in_alarm.add("stack-errors")
    releases.deploy()
    releases.canary(despite_alarms=True)
    assert "alarms in state ALARM: stack-errors" in mlops("release", "status").out
    running = mlops("release", "status", "--json").document["running"]
    assert running["despite"] == ["stack-errors"]
    releases.operations.abort(ID, ANN)
    words = "rolled back by ann"
    assert words in mlops("release", "status").out
    assert words in mlops("release", "list", "--json").document[0]["reasons"]


def test_what_is_shown_of_a_release_that_nobody_runs_any_more(
    releases: Fixture, mlops: Mlops
) -> None:
    releases.deploy()
    releases.canary()
    releases.executions.end(ID, ExecutionStatus.TIMED_OUT)
    assert "TIMED_OUT" in mlops("release", "status").out
