"""What `make bench` ends with; what it measures is played."""

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench import __main__ as command
from bench import batch
from bench.ending import SIGNALS
from bench.errors import NotMeasured, Unequal
from bench.ground import ROOT, Ground

Play = Callable[[bool], None]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """Have a target found met or not; nothing is measured."""
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def played(met: bool) -> None:
        target = {"figure": "cold start, to echo", "wanted": "≤ 1.3", "found": 1.2, "met": met}
        results = {
            **{"date": "2026-01-02", "commit": None, "rounds": 1, "parts": {}},
            **{"machine": dict.fromkeys(("processor", "cores", "system", "python"))},
            "targets": [target],
        }
        monkeypatch.setattr(command, "measure", lambda *_: results)

    yield played
    for number, handler in before.items():
        signal.signal(number, handler)


def test_targets_that_are_met_succeed(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    play(True)
    assert command.main(["cold", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"][0]["met"]


def test_a_target_that_is_missed_fails(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    play(False)
    assert command.main(["cold"]) == 1
    said = capsys.readouterr()
    assert "| **no** |" in said.out
    assert said.err == "Not met: cold start, to echo\n"


def test_one_quick_round_judges_nobody(play: Play) -> None:
    play(False)
    assert command.main(["--quick"]) == 0


@pytest.mark.parametrize(
    "given",
    [("--rounds=0",), ("--rounds=-1",), ("--rounds=x",), ("colt",), ("--store=s3://bucket",)],
)
def test_what_cannot_be_done_is_refused(
    play: Play, given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    play(True)
    with pytest.raises(SystemExit, match="2"):
        command.main(given)
    assert given[0].rpartition("=")[2] in capsys.readouterr().err


@pytest.mark.parametrize("error", [NotMeasured("died"), Unequal("differs")])
def test_the_million_rows_lose_nothing_else(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object) -> dict[str, Any]:
        raise error

    monkeypatch.setattr(batch, "compare", lambda *_: {"ratio": 9.0})
    monkeypatch.setattr(batch, "growth", lambda *_: {"exponent": 1.0})
    monkeypatch.setattr(batch, "compare_many", fails)
    found = command.PARTS["batch"](ground(), 1, lambda text: None)
    assert found["many"] == {"not_measured": str(error)}
    assert (found["ratio"], found["growth"]) == (9.0, {"exponent": 1.0})


def ground() -> Ground:
    nowhere = ROOT / "nowhere"
    return Ground(nowhere, nowhere, "store", (), ())
