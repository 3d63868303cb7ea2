"""A target is a ratio of one run; what was not measured is not met."""

from typing import Any

import pytest

from bench.targets import TARGETS, judged

EVEN = {"p50_ms": 1.0, "p95_ms": 1.0, "seconds": 1.0, "resident_mb": 100.0}


def http(ours: float, **others: float) -> dict[str, Any]:
    return {name: {"per_second": rate} for name, rate in {"ours": ours, **others}.items()}


def by_figure(parts: dict[str, Any]) -> dict[str, tuple[float | None, bool]]:
    return {line["figure"]: (line["found"], line["met"]) for line in judged(parts)}


def test_the_best_peer_is_neither_ours_nor_the_floor() -> None:
    found = by_figure({"http": http(2000, echo=4000, classic=90, mlserver=700)})
    assert found["requests a second, to the best peer"] == (2.857, False)
    assert found["requests a second, to classic"] == (22.222, True)
    assert found["requests a second, to FastAPI echo"] == (0.5, False)


def test_without_a_peer_nobody_knows_the_best() -> None:
    parts = http(2000, echo=2000, classic=90) | {"mlserver": {"not_measured": "it does not start"}}
    found = by_figure({"http": parts})
    assert found["requests a second, to the best peer"] == (None, False)
    assert found["requests a second, to classic"] == (22.222, True)


def test_the_limits_are_those_that_were_set() -> None:
    """To raise one is a decision, and no way to reach it."""
    assert {target.figure: target.wanted for target in TARGETS} == {
        "requests a second, to classic": "≥ 20",
        "requests a second, to the best peer": "≥ 3",
        "requests a second, to FastAPI echo": "≥ 0.6",
        "warm handler p50, to echo": "≤ 2",
        "warm handler p95, to echo": "≤ 2",
        "warm handler p50, to classic": "≤ 0.0667",
        "warm handler p95, to classic": "≤ 0.0667",
        "container warm p95, to a no-op": "≤ 1.5",
        "cold start, to classic": "≤ 0.25",
        "cold start, to echo": "≤ 1.3",
        "resident memory, to classic": "≤ 0.45",
        "image, to 487 MB": "≤ 0.5",
        "batch of 10,000 rows, to the plain way": "≥ 8",
        "batch of 1,000,000 rows, to the plain way": "≥ 8",
        "batch's time, power of the rows": "≤ 1.1",
        "cold start with ten models, to one": "≤ 1.1",
        "batch of an imported model, to the plain way": "≥ 4",
    }


@pytest.mark.parametrize(
    "part", ["cold", "container", "memory", "warm", "http", "image", "batch", "models"]
)
def test_what_was_not_measured_is_not_met(part: str) -> None:
    lines = judged({part: {"not_measured": "no engine answers"}})
    assert lines
    assert all(line["found"] is None and line["met"] is False for line in lines)


def test_the_limit_itself_is_met() -> None:
    parts = {"cold": {"ours": EVEN, "echo": EVEN, "classic": EVEN | {"seconds": 4.0}}}
    assert by_figure(parts)["cold start, to classic"] == (0.25, True)


def test_a_ratio_is_judged_as_it_was_found() -> None:
    """No rounding makes a target of what is short of it."""
    part = {"ratio": 7.96, "many": {"ratio": 8.0}, "growth": {"exponent": 1.101}}
    assert [line["met"] for line in judged({"batch": part})] == [False, True, False]
    warm = {"p50_ms": 0.06669, "p95_ms": 0.06666}
    found = by_figure({"warm": {"ours": warm, "echo": EVEN, "classic": EVEN}})
    assert found["warm handler p50, to classic"] == (0.067, False)
    assert found["warm handler p95, to classic"] == (0.067, True)


def test_parts_that_were_not_asked_for_are_not_judged() -> None:
    assert judged({}) == []
    assert {target.part for target in TARGETS} >= {"warm", "http", "cold", "batch"}
