"""What `--wait` waits for, and when it gives up."""

from collections.abc import Callable

import pytest

import mlops.cli.release as waiting
from mlops.cli.release import minutes_and_seconds
from mlops.release.ports import ExecutionStatus
from tests.unit.cli.conftest import Mlops
from tests.unit.release.fixture import ANN, ID, Fixture


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is for who waits; a test moves it on."""
    now = [0.0]
    monkeypatch.setattr("mlops.cli.release.time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("end", "code", "outcome"),
    [("promote", 0, "PROMOTED"), ("abort", 3, "ROLLED_BACK")],
)
def test_waiting_ends_with_the_verdict(
    releases: Fixture,
    mlops: Mlops,
    while_waiting: Callable[..., None],
    end: str,
    code: int,
    outcome: str,
) -> None:
    releases.deploy()

    def ended() -> None:
        if end == "promote":
            releases.promoted()
        else:
            releases.canary()
            releases.operations.abort(ID, ANN)

    while_waiting(lambda: None, ended)
    ran = mlops("release", "status", "--wait", "--json")
    assert (ran.code, ran.document["outcome"]) == (code, outcome)


def test_waiting_for_what_never_begins_comes_to_an_end(
    releases: Fixture,
    mlops: Mlops,
    while_waiting: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    releases.deploy()
    monkeypatch.setattr(waiting, "_PATIENCE_SECONDS", -1)
    while_waiting()
    ran = mlops("release", "status", "--wait")
    assert ran.code == 3
    assert "mlops release start" in ran.err


def test_waiting_has_a_limit_after_which_it_shows_how_things_stand(
    releases: Fixture, mlops: Mlops, while_waiting: Callable[..., None], seconds: list[float]
) -> None:
    def passes() -> None:
        seconds[0] += 20

    releases.deploy()
    releases.canary()
    while_waiting(passes, passes, passes)
    ran = mlops("release", "status", "--wait", "--timeout", "60", "--json")
    assert (ran.code, ran.document["running"]["id"], seconds) == (124, ID, [60])
    assert releases.executions.running() == (ID,)


@pytest.mark.parametrize(
    ("left", "words"),
    [(45, "0 min 45 s"), (59.6, "1 min 0 s"), (100, "1 min 40 s"), (1_799, "29 min 59 s")],
)
def test_time_that_is_left(left: float, words: str) -> None:
    assert minutes_and_seconds(left) == words


def test_a_start_does_not_wait_for_what_nobody_records(
    releases: Fixture, mlops: Mlops, while_waiting: Callable[..., None], seconds: list[float]
) -> None:
    def crashes() -> None:
        (name,) = releases.executions.runs
        releases.executions.end(name, ExecutionStatus.FAILED)

    def too_long() -> None:
        seconds[0] = 1_000

    while_waiting(crashes, too_long)
    ran = mlops("release", "start", "--wait")
    assert (ran.code, "has no recorded end" in ran.err) == (3, True)


def test_what_was_deployed_during_a_canary_has_its_time_from_the_end_of_that(
    releases: Fixture,
    mlops: Mlops,
    while_waiting: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = [0.0]
    monkeypatch.setattr("mlops.cli.release.time.monotonic", lambda: seconds[0])
    releases.deploy()
    releases.canary()
    releases.executions.start("release-2", "deploy")

    def still_runs() -> None:
        seconds[0] = 1_000

    def ends() -> None:
        releases.api.deploy(settings="others")
        releases.operations.abort(ID, ANN)

    def dies() -> None:
        releases.executions.end("release-2", ExecutionStatus.FAILED)

    def too_long() -> None:
        seconds[0] = 2_000

    while_waiting(still_runs, ends, dies, too_long)
    ran = mlops("release", "status", "--wait")
    assert (ran.code, "has no recorded end" in ran.err) == (3, True)
    assert seconds == [2_000]


def test_a_release_that_was_only_just_started_is_waited_for(
    releases: Fixture, mlops: Mlops, while_waiting: Callable[..., None]
) -> None:
    """What there is says how the one before it ended."""
    releases.deploy()
    releases.canary()
    releases.operations.abort(ID, ANN)
    releases.executions.start("release-2", ANN, retry=True)
    while_waiting(lambda: None, lambda: releases.promoted("release-2", retry=True))
    ran = mlops("release", "status", "--wait", "--json")
    assert (ran.code, ran.document["id"]) == (0, "release-2")


@pytest.mark.fault
def test_a_refusal_before_anything_was_planned_is_told_with_its_reasons(
    releases: Fixture,
    mlops: Mlops,
    while_waiting: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    releases.deploy()
    releases.deployments.status = "half deployed"
    releases.run()
    monkeypatch.setattr(waiting, "_PATIENCE_SECONDS", -1)
    while_waiting()
    ran = mlops("release", "status", "--wait", "--json")
    assert (ran.code, ran.document["outcome"]) == (3, "REFUSED")
    assert "half deployed" in ran.document["reasons"][0]


def test_what_was_rolled_back_since_is_told_so(
    releases: Fixture, mlops: Mlops, while_waiting: Callable[..., None]
) -> None:
    releases.deploy()
    releases.promoted()
    releases.operations.roll_back(None, ANN)
    while_waiting()
    ran = mlops("release", "status", "--wait", "--json")
    assert (ran.code, ran.document["kind"]) == (3, "rollback")


def test_a_start_can_wait(
    releases: Fixture, mlops: Mlops, while_waiting: Callable[..., None]
) -> None:
    releases.deploy()

    def released() -> None:
        (name,) = releases.executions.runs
        releases.states[name] = releases.machine.first(name)
        releases.promoted(name)

    while_waiting(released)
    ran = mlops("release", "start", "--wait", "--by", ANN)
    assert (ran.code, ran.out.splitlines()[0].split(":")[0]) == (0, "PROMOTED")
