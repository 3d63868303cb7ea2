"""The tables are written between their markers, with every peer in them."""

from typing import Any

import pytest

from bench.report import BEGIN, END, TITLES, machine, markdown, written
from tests.project.files import make_targets

RESULTS: dict[str, Any] = {
    "date": "2026-01-02",
    "commit": "0123456789ab",
    "machine": {"processor": "Fast", "cores": 2, "system": "Linux x86_64", "python": "3.11.7"},
    "rounds": 3,
    "targets": [
        {"figure": "cold start, to echo", "wanted": "≤ 1.3", "found": 1.42, "met": False},
        {"figure": "image, to 487 MB", "wanted": "≤ 0.5", "found": None, "met": False},
    ],
    "parts": {
        "warm": {
            "ours": {"p50_ms": 0.5, "p50_ms_range": [0.4, 0.6]},
            "echo": {"p50_ms": 0.25, "p50_ms_range": [0.2, 0.3]},
        },
        "memory": {"ours": {"resident_mb": 80.0}, "classic": {"resident_mb": 160.0}},
        "http": {
            "ours": {"per_second": 2000.0, "p50_ms": 8.0, "p95_ms": 9.5},
            "slow": {
                **{"per_second": 50.0, "p50_ms": 300.0, "p95_ms": 400.0},
                **{"version": "slow 1.2", "note": "two processes"},
            },
            "broken": {"not_measured": "it does not\nstart"},
        },
        "container": {"not_measured": "no engine answers"},
    },
}


def test_what_is_around_the_markers_stays() -> None:
    document = f"# Title\n\n{BEGIN}\nformer figures\n{END}\n\nThe end.\n"
    once = written(document, RESULTS)
    assert once.startswith(f"# Title\n\n{BEGIN}\n\n2026-01-02, commit 0123456789ab, Fast,\n2 cores")
    assert once.endswith(f"\n\n{END}\n\nThe end.\n")
    assert "former" not in once
    assert written(once, RESULTS) == once


@pytest.mark.parametrize("document", ["", BEGIN, f"{END}"])
def test_a_document_without_the_markers_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="has no"):
        written(document, RESULTS)


def test_a_target_says_yes_or_no() -> None:
    text = markdown(RESULTS)
    assert "| cold start, to echo | ≤ 1.3 | 1.42 | **no** |" in text
    assert "| image, to 487 MB | ≤ 0.5 | not measured | **no** |" in text


def test_figures_stand_beside_the_ratio_of_ours_to_them() -> None:
    assert "| classic | 160.0 (0.50) |" in markdown(RESULTS)


def test_what_was_measured_in_rounds_shows_their_range() -> None:
    assert "|  | p50 ms (ours to it) |" in markdown(RESULTS)
    assert "| echo | 0.25, 0.2 to 0.3 (2.00) |" in markdown(RESULTS)


def test_no_peer_is_dropped() -> None:
    text = markdown(RESULTS)
    assert "| slow | 50 | 40.00 | 300 / 400 | slow 1.2; two processes |" in text
    assert "| broken | not measured |  |  | it does not start |" in text


def test_a_part_that_could_not_be_measured_says_why() -> None:
    assert "Not measured: no engine answers" in markdown(RESULTS)


def test_every_part_can_be_run_alone() -> None:
    assert {f"bench-{part}" for part in TITLES} <= make_targets()


def test_the_machine_is_described() -> None:
    assert all(machine().values())
