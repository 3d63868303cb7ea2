"""`mlops smoke --rate`: traffic for a canary that nobody else asks."""

import os
import signal
from collections import Counter
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import pytest

from mlops.cli import main, smoke
from mlops.cli.api_client import ApiClient
from mlops.inference.version import Pin
from tests.integration.batch_command.fake_api import problem
from tests.integration.smoke_command.conftest import Smoke
from tests.integration.smoke_command.prediction_api import (
    PREDICT,
    PredictionApi,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_traffic_goes_on_until_it_is_ended(
    run: Smoke, api: PredictionApi, stored: Pin, number: signal.Signals
) -> None:
    api.releases = cycle(["1", "1", "2"])
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]

    def end(sent: int) -> None:
        if sent == 30:
            os.kill(os.getpid(), number)

    api.after = end
    ran = run("--rate", "100", "--json")
    assert ran.code == 0
    answers = Counter(ran.document["answers"])
    assert set(answers) == {"1", "2"}
    # The API has seen the list of models, too.
    assert answers.total() == len(api.requests(PREDICT)) >= 29
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


def test_traffic_that_met_a_failure_goes_on(run: Smoke, api: PredictionApi, stored: Pin) -> None:
    api.play(PREDICT, *[problem(500, "Internal error")] * 12)
    api.after = lambda sent: os.kill(os.getpid(), signal.SIGTERM) if sent == 30 else None
    ran = run("--rate", "100", "--json")
    assert (ran.code, ran.document["failed"], len(ran.document["reasons"])) == (1, 12, 10)
    assert ran.document["answers"]["1"] >= 1


def test_traffic_ends_by_itself_after_its_time(run: Smoke, api: PredictionApi, stored: Pin) -> None:
    ran = run("--rate", "100", "--seconds", "0.05", "--json")
    assert ran.code == 0
    assert sum(ran.document["answers"].values()) == len(api.requests(PREDICT))


def test_a_time_is_of_traffic(run: Smoke) -> None:
    ran = run("--seconds", "5")
    assert ran.code == 2
    assert "--seconds needs --rate." in ran.err


def test_a_sender_that_breaks_down_ends_it(
    run: Smoke, stored: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(smoke, "_answered", broken)
    with pytest.raises(RuntimeError, match="a bug of ours"):
        main(["smoke", "--rate", "5"])


def test_what_an_api_was_too_slow_for_is_not_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    pauses: list[float] = []
    slow = iter([0.5, 7.0, 0.5])

    def wait(seconds: float) -> bool:
        nonlocal now
        pauses.append(seconds)
        now += seconds
        return len(pauses) > 3

    def ask(api: object, case: object) -> None:
        nonlocal now
        now += next(slow)

    monkeypatch.setattr(smoke, "time", SimpleNamespace(monotonic=lambda: now))
    anything: Any = SimpleNamespace(ask=ask, wait=wait)
    smoke._keep_sending(ApiClient(""), cycle([anything]), anything, 101.0, 2.0, anything)
    # Two seconds from one to the next; after the slow one at once, and then two seconds again.
    assert pauses == [1.0, 1.5, 0, 1.5]
