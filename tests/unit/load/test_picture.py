"""The picture of a run."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from load import page
from load.page import PAGE, PICTURES, file_of, results
from load.picture import draw, scale_end
from load.profiles import PROFILES
from load.record import Answer, broken, read
from tests.unit.load.test_record import GOOD, SHORT, full, measured, soaked

SVG = "{http://www.w3.org/2000/svg}"


def test_it_tells_what_it_shows() -> None:
    picture = ElementTree.fromstring(draw(measured(), SHORT.seconds))  # noqa: S314 -- our own
    texts = [text.text or "" for text in picture.iter(f"{SVG}text")]
    assert texts[:2] == [
        "Load on the server, steady: 100 requests, 0 errors, p95 10.0 ms",
        "2026-11-24, 2 virtual cores",
    ]
    assert {"p50", "p95", "p99", "requests", "resident memory, MB"} <= set(texts)


def test_every_slot_is_a_point_and_lies_within_the_picture() -> None:
    outcome = soaked(at_first=100, in_the_end=103)
    picture = draw(outcome, 600)
    assert "memory +3.0%" in picture
    lines = re.findall(r'<polyline points="([^"]*)"', picture)
    assert [len(line.split()) for line in lines] == [120, 120, 120, 120, 121]
    points = [tuple(map(float, point.split(","))) for line in lines for point in line.split()]
    assert all(0 < x < 860 and 0 < y < 580 for x, y in points)


def test_errors_are_seen() -> None:
    assert 'fill="#c00000"' not in draw(measured(), SHORT.seconds)
    refused = [*GOOD[:-1], Answer(3.9, 10.0, "status 503 <html>")]
    assert 'fill="#c00000"' in draw(measured(refused), SHORT.seconds)


@pytest.mark.parametrize(
    ("largest", "end"), [(0, 0.001), (0.9, 1), (1, 1), (1.1, 2), (37, 40), (96.1, 100), (610, 800)]
)
def test_a_scale_ends_at_a_short_number(largest: float, end: float) -> None:
    assert scale_end(largest) == end


def test_the_table_has_a_row_for_each_run() -> None:
    text = results([measured(), measured(GOOD[:9])])
    assert "| server | steady | 100 | 0 | 10.0 ms |" in text
    for kept in ("yes", "no"):
        assert text.count(f"| {kept} | 2026-11-24 | c0ffee123456 |") == 1
    assert "![Load on the server, steady](load/server-steady.svg)" in text


def test_a_result_without_a_commit_names_none() -> None:
    assert "| yes | 2026-11-24 |  |" in results([replace(measured(), commit=None)])


def test_a_page_that_cannot_be_written_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_file = tmp_path / "load.md"
    for name, place in {"RESULTS": tmp_path, "PICTURES": tmp_path, "PAGE": page_file}.items():
        monkeypatch.setattr(page, name, place)
    page_file.write_text(f"before\n{page.BEGIN}results\n{page.END}after\n")
    before = page_file.read_text()
    full(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        page.write()
    assert page_file.read_text() == before
    assert [*tmp_path.iterdir()] == [page_file]


def test_the_page_and_its_pictures_show_the_results_that_are_kept() -> None:
    runs = [read(file_of(target, name)) for target, named in PROFILES.items() for name in named]
    assert results(runs) in PAGE.read_text()
    for run in runs:
        picture = PICTURES / f"{run.target}-{run.profile}.svg"
        profile = PROFILES[run.target][run.profile]
        assert picture.read_text() == draw(run, profile.seconds)
        assert broken(run, profile) == []
