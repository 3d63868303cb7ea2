"""`mlops release …` and `mlops rollback` on a played stack: what they answer, and exit codes."""

from datetime import timedelta
from typing import Any

import pytest

from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.closing import DEPLOY
from mlops.release.lock import CURRENT
from mlops.release.ports import ExecutionStatus
from tests.unit.cli.conftest import Mlops
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, V2, Bench


def test_a_start_names_the_release(bench: Bench, mlops: Mlops) -> None:
    name = mlops("release", "start", "--by", ANN, "--json").document["id"]
    assert bench.executions.runs[name].by == ANN


@pytest.mark.parametrize("command", ["start", "promote", "abort", "status", "list", "rollback"])
def test_what_all_commands_take(mlops: Mlops, command: str) -> None:
    """As docs/releases.md says; who only looks is not recorded."""
    group = () if command == "rollback" else ("release",)
    said = mlops(*group, command, "--help").out
    assert "--json" in said
    assert "--stack" in said
    assert ("--by" in said) == (command not in ("status", "list"))


def test_a_start_despite_alarms(bench: Bench, mlops: Mlops) -> None:
    mlops("release", "start")
    mlops("release", "start", "--despite-alarms")
    assert [run.despite_alarms for run in bench.executions.runs.values()] == [False, True]


def test_a_start_takes_up_what_was_taken_back_whoever_asks_for_it(
    bench: Bench, mlops: Mlops
) -> None:
    mlops("release", "start", "--by", DEPLOY)
    (run,) = bench.executions.runs.values()
    assert run.retry


def test_a_user_without_a_name_rolls_back(
    bench: Bench, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr("getpass.getuser", nameless)
    bench.deploy()
    bench.canary()
    assert mlops("rollback").code == 0
    assert bench.live() == ("1", {}, "1")
    assert bench.registry.releases()[-1].reasons[0].startswith("rolled back by user ")


def test_a_second_start_is_refused(bench: Bench, mlops: Mlops) -> None:
    bench.deploy()
    bench.canary()
    ran = mlops("release", "start")
    assert (ran.code, ran.out) == (3, "")
    assert ID in ran.err
    assert list(bench.executions.runs) == [ID]


def test_a_start_amid_a_deployment_is_refused(bench: Bench, mlops: Mlops) -> None:
    bench.deployments.status = "UPDATE_IN_PROGRESS"
    ran = mlops("release", "start")
    assert (ran.code, "a deployment is under way (UPDATE_IN_PROGRESS)" in ran.err) == (3, True)
    assert not bench.executions.runs


def test_status_shows_the_traffic_and_the_verdict_so_far(bench: Bench, mlops: Mlops) -> None:
    bench.deploy()
    plan = bench.canary()
    bench.serve_all(bench.clock())
    bench.next_look()
    shown = mlops("release", "status").out
    assert "90% version 1, 10% version 2" in shown
    assert "look 1" in shown
    document = mlops("release", "status", "--json").document
    assert document["api"] == {"1": 0.9, "2": 0.1}
    running = document["running"]
    assert (running["id"], running["plan"]["candidate"]["number"]) == (ID, plan.candidate.number)
    assert [look["number"] for look in running["looks"]] == [1]
    assert document["last"]["kind"] == "first"


def test_status_of_a_stack_that_is_gone(bench: Bench, mlops: Mlops) -> None:
    bench.api.remove_function()
    assert "is not there" in mlops("release", "status").out


def test_promote_and_abort_take_the_one_that_is_running(bench: Bench, mlops: Mlops) -> None:
    bench.deploy()
    bench.canary()
    assert mlops("release", "promote", "--by", ANN, "--json").document == {"id": ID}
    assert bench.folder().read("decision") is not None
    aborted = mlops("release", "abort", "--by", ANN, "--json").document
    assert (aborted["id"], aborted["outcome"]) == (ID, "ROLLED_BACK")
    assert bench.live() == ("1", {}, "1")


@pytest.mark.parametrize("command", ["promote", "abort"])
def test_where_none_is_running_there_is_nothing_to(
    bench: Bench, mlops: Mlops, command: str
) -> None:
    ran = mlops("release", command)
    assert (ran.code, ran.err) == (3, "mlops: No release is running\n")


def test_the_list_has_the_newest_first(bench: Bench, mlops: Mlops) -> None:
    assert mlops("release", "list").out == "There was no release yet.\n"
    bench.deploy()
    bench.released()
    listed: list[Any] = mlops("release", "list", "--json").document
    assert [it["id"] for it in listed] == [ID, "first-1"]
    assert ID in mlops("release", "list").out


def test_a_list_is_readable_on_a_small_terminal(
    bench: Bench, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, words = f"again-{'d' * 32}", [f"word{number}" for number in range(60)]
    at = bench.clock()
    bench.deploy()
    bench.released()
    bench.registry.record(
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
            pins=(bench.pins[V1], bench.pins[V2]),
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
    assert lines[end + 1 : end + 3] == [f"  version 1 to 2, {V2}, commit d00d", "  it was good"]
    listed = mlops("release", "list", "--json").document[0]
    assert listed["reasons"] == [" ".join(words), "line\nline"]
    assert listed["deployed_sha"].endswith("abcd")


def test_no_table_cuts_what_is_long(bench: Bench, mlops: Mlops) -> None:
    reason = "so it went, " * 40 + "to its end"
    bench.deploy()
    bench.canary()
    bench.desk.abort(ID, reason)
    assert f"aborted by {reason}" in mlops("release", "status").out


def test_a_rollback_goes_back_to_what_was_live_before(bench: Bench, mlops: Mlops) -> None:
    bench.deploy()
    bench.released()
    ran = mlops("rollback", "--by", ANN, "--json")
    assert (ran.code, ran.document["version"]) == (0, "1")
    assert bench.live() == ("1", {}, "1")


def test_a_rollback_that_is_refused_changes_nothing(bench: Bench, mlops: Mlops) -> None:
    ran = mlops("rollback")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("mlops: there is no earlier version")
    assert bench.live() == ("1", {}, "1")


def test_what_is_shown_of_a_release_that_goes_out_despite_alarms(
    bench: Bench, mlops: Mlops
) -> None:
    bench.alarms.ringing.add("stack-errors")
    bench.deploy()
    bench.canary(despite_alarms=True)
    assert "alarms that rang: stack-errors" in mlops("release", "status").out
    running = mlops("release", "status", "--json").document["running"]
    assert running["plan"]["despite"] == ["stack-errors"]
    bench.desk.abort(ID, ANN)
    words = "it began although alarms rang: stack-errors"
    assert words in mlops("release", "status").out
    assert words in mlops("release", "list", "--json").document[0]["reasons"]


def test_what_is_shown_of_a_release_whose_lock_was_taken_away(bench: Bench, mlops: Mlops) -> None:
    bench.deploy()
    bench.canary()
    assert mlops("release", "status", "--json").document["running"]["locked"]
    bench.objects.remove(CURRENT)
    assert f"to end it: mlops release abort {ID}" in mlops("release", "status").out
    assert not mlops("release", "status", "--json").document["running"]["locked"]
    assert ID in mlops("release", "start").err
    assert mlops("release", "abort", "--json").document["outcome"] == "ROLLED_BACK"


def test_what_is_shown_of_a_release_that_nobody_runs_any_more(bench: Bench, mlops: Mlops) -> None:
    bench.deploy()
    bench.canary()
    bench.executions.end(ID, ExecutionStatus.TIMED_OUT)
    assert "TIMED_OUT" in mlops("release", "status").out
