"""The figures that docs/performance.md shows are of one run in which every target was met."""

import json
from typing import Any

from bench.__main__ import COST, DOCUMENT, PARTS, RESULTS, ROUNDS
from bench.cost import cost
from bench.report import written
from bench.targets import TARGETS, judged

KEPT: dict[str, Any] = json.loads(RESULTS.read_text())


def test_every_target_is_met() -> None:
    assert len(KEPT["targets"]) == len(TARGETS)
    assert [line["figure"] for line in KEPT["targets"] if not line["met"]] == []


def test_they_are_what_its_parts_say() -> None:
    assert judged(KEPT["parts"]) == KEPT["targets"]
    assert cost(KEPT["parts"]) == KEPT["parts"][COST]


def test_all_parts_were_measured_of_a_commit() -> None:
    assert {*PARTS, COST} == {*KEPT["parts"]}
    assert "not_measured" not in json.dumps(KEPT["parts"])
    assert KEPT["commit"] and not KEPT["commit"].endswith("-dirty")


def test_they_are_of_as_many_rounds_as_a_run_has() -> None:
    assert KEPT["rounds"] >= ROUNDS


def test_the_container_is_beside_both_floors() -> None:
    assert {*KEPT["parts"]["container"]} == {"ours", "echo", "noop"}


def test_the_page_shows_them() -> None:
    page = DOCUMENT.read_text()
    assert written(page, KEPT) == page
