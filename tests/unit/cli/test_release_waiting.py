"""What `--wait` waits for, and when it gives up."""

from collections.abc import Callable

import pytest

import mlops.cli.release_waiting as waiting
from mlops.cli.release_view import minutes_and_seconds
from mlops.registry.releases import Ended
from mlops.release.ports import ExecutionStatus
from tests.unit.cli.conftest import Mlops
from tests.unit.release.bench import ANN, ID, Bench


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is for who waits; a test moves it on."""
    now = [0.0]
    monkeypatch.setattr("mlops.cli.release_waiting.time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("end", "code", "outcome"),
    [("promote", 0, "PROMOTED"), ("abort", 3, "ROLLED_BACK")],
)
def test_waiting_ends_with_the_verdict(
    bench: Bench,
    mlops: Mlops,
    while_waiting: Callable[..., None],
    end: str,
    code: int,
    outcome: str,
) -> None:
    bench.deploy()

    def ended() -> None:
        if end == "promote":
            bench.released()
        else:
            bench.canary()
            bench.desk.abort(ID, ANN)

    while_waiting(lambda: None, ended)
    ran = mlops("release", "status", "--wait", "--json")
    assert (ran.code, ran.document["outcome"]) == (code, outcome)


def test_waiting_where_nothing_is_new_answers_at_once(
    bench: Bench, mlops: Mlops, while_waiting: Callable[..., None]
) -> None:
    bench.deploy()
    bench.released()
    while_waiting()
    assert mlops("release", "status", "--wait", "--json").document["id"] == ID


def test_waiting_for_what_never_begins_comes_to_an_end(
    bench: Bench, mlops: Mlops, while_waiting: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy()
    monkeypatch.setattr(waiting, "_BEGIN_SECONDS", -1)
    while_waiting()
    ran = mlops("release", "status", "--wait")
    assert ran.code == 3
    assert "mlops release start" in ran.err


def test_waiting_has_a_limit_after_which_it_shows_how_things_stand(
    bench: Bench, mlops: Mlops, while_waiting: Callable[..., None], seconds: list[float]
) -> None:
    def passes() -> None:
        seconds[0] += 20

    bench.deploy()
    bench.canary()
    while_waiting(passes, passes, passes)
    ran = mlops("release", "status", "--wait", "--timeout", "60", "--json")
    assert (ran.code, ran.document["running"]["id"], seconds) == (124, ID, [60])
    assert bench.executions.running() == (ID,)


@pytest.mark.parametrize(
    ("left", "words"),
    [(45, "0 min 45 s"), (59.6, "1 min 0 s"), (100, "1 min 40 s"), (1_799, "29 min 59 s")],
)
def test_time_that_is_left(left: float, words: str) -> None:
    assert minutes_and_seconds(left) == words


def test_a_start_does_not_wait_for_what_nobody_records(
    bench: Bench, mlops: Mlops, while_waiting: Callable[..., None], seconds: list[float]
) -> None:
    def crashes() -> None:
        (name,) = bench.executions.runs
        bench.executions.end(name, ExecutionStatus.FAILED)

    def too_long() -> None:
        seconds[0] = 1_000

    while_waiting(crashes, too_long)
    ran = mlops("release", "start", "--wait")
    assert (ran.code, "FAILED, and nobody has recorded its end" in ran.err) == (3, True)


def test_what_was_deployed_amid_a_canary_has_its_time_from_that_ones_end(
    bench: Bench, mlops: Mlops, while_waiting: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr("mlops.cli.release_waiting.time.monotonic", lambda: seconds[0])
    bench.deploy()
    bench.canary()

    def still_runs() -> None:
        seconds[0] = 1_000

    def ends() -> None:
        bench.api.deploy(settings="others")
        bench.desk.abort(ID, ANN)

    def dies() -> None:
        (follower,) = bench.executions.running()
        bench.executions.end(follower, ExecutionStatus.FAILED)

    def too_long() -> None:
        seconds[0] = 2_000

    while_waiting(still_runs, ends, dies, too_long)
    ran = mlops("release", "status", "--wait")
    assert (ran.code, "Nothing has released" in ran.err) == (3, True)
    assert seconds == [2_000]


def test_a_release_that_was_only_just_started_is_waited_for(
    bench: Bench, mlops: Mlops, while_waiting: Callable[..., None]
) -> None:
    """What there is says how the one before it ended."""
    bench.deploy()
    bench.canary()
    bench.desk.abort(ID, ANN)
    bench.executions.start("release-2", ANN, retry=True)
    while_waiting(lambda: None, lambda: bench.released("release-2", retry=True))
    ran = mlops("release", "status", "--wait", "--json")
    assert (ran.code, ran.document["id"]) == (0, "release-2")


@pytest.mark.fault
def test_a_refusal_of_nobody_knows_what_is_told_with_its_reasons(
    bench: Bench, mlops: Mlops, while_waiting: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy()
    bench.api.move("1", {bench.api.publish().number: 0.1}, bench.api.traffic().revision)
    bench.begin()
    bench.rollout.record(ID, Ended.REFUSED, ())
    bench.executions.end(ID, ExecutionStatus.FAILED)
    monkeypatch.setattr(waiting, "_BEGIN_SECONDS", -1)
    while_waiting()
    ran = mlops("release", "status", "--wait", "--json")
    assert (ran.code, ran.document["outcome"]) == (3, "REFUSED")
    assert "weights that belong to no release" in ran.document["reasons"][0]


def test_the_end_of_an_earlier_release_is_no_verdict_on_this_deployment(
    bench: Bench, mlops: Mlops, while_waiting: Callable[..., None]
) -> None:
    """Of the same content: the alarms of then are over, and a release is about to begin."""
    bench.deploy()
    bench.refused()
    bench.deploy()
    while_waiting(lambda: bench.released("release-2"))
    ran = mlops("release", "status", "--wait", "--json")
    assert (ran.code, ran.document["id"]) == (0, "release-2")


def test_what_was_rolled_back_since_is_told_so(
    bench: Bench, mlops: Mlops, while_waiting: Callable[..., None]
) -> None:
    bench.deploy()
    bench.released()
    bench.rollback.roll_back(None, ANN)
    while_waiting()
    ran = mlops("release", "status", "--wait", "--json")
    assert (ran.code, ran.document["kind"]) == (3, "rollback")


def test_a_start_can_wait(bench: Bench, mlops: Mlops, while_waiting: Callable[..., None]) -> None:
    bench.deploy()

    def released() -> None:
        (name,) = bench.executions.runs
        bench.released(name)

    while_waiting(released)
    ran = mlops("release", "start", "--wait", "--by", ANN)
    assert (ran.code, ran.out.splitlines()[0].split(":")[0]) == (0, "PROMOTED")
