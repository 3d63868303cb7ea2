"""Lines of JSON: what is always in them, and what cannot break them."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlops.bootstrap.logs import open_logger


def logged(**facts: object) -> Any:
    stream = io.BytesIO()
    open_logger("api", stream).info("request", **facts)
    (line,) = stream.getvalue().splitlines()
    return json.loads(line)


def test_a_line_says_what_when_and_who() -> None:
    before = datetime.now(UTC)
    line = logged(status=200)
    assert before <= datetime.fromisoformat(line.pop("timestamp")) <= datetime.now(UTC)
    assert line == {"level": "info", "message": "request", "service": "api", "status": 200}


def test_lines_go_to_stdout(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    open_logger("batch").error("unusable", reason="no store")
    line = json.loads(capfdbinary.readouterr().out)
    assert (line["level"], line["service"], line["reason"]) == ("error", "batch", "no store")


def test_what_there_is_none_of_is_left_out() -> None:
    assert "reason" not in logged(reason=None)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a\nb", "a\nb"),
        ("\ud800", "\ud800"),  # half of a character: a text, but no Unicode
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (Path("a/b"), "a/b"),
        (b"\xff", None),
        (LookupError("gone"), None),
    ],
    ids=repr,
)
def test_nothing_breaks_a_line(value: object, found: object) -> None:
    line = logged(value=value, status=200)
    assert line["status"] == 200
    assert line["value"] == found or (found is None and isinstance(line["value"], str))
