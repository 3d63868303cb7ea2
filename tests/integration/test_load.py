"""`make load` on an API that goes wrong amid it: every fault fails it, and is said.

The API is played, in a process of its own; the load is Locust's.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.played_api import GOOD
from tests.project.files import ROOT

LOCUST = ROOT / ".tools/load/bin/python"
PLANNED = 40
FAILED = PLANNED - GOOD
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/mlops/python'}",  # as make exports it
}


@pytest.fixture(autouse=True, scope="module")
def locust() -> None:
    if not LOCUST.exists():
        problem = "that load fails where the API does: there is no Locust (make .tools/load/.done)"
        pytest.fail(problem) if os.environ.get("CI") == "true" else pytest.skip(problem)


@contextmanager
def served(fault: str) -> Iterator[str]:
    """The port of an API that has this fault."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.played_api", fault],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as api:
        assert api.stdout is not None
        try:
            yield str(int(api.stdout.readline()))
        finally:
            api.kill()


def load(fault: str, folder: Path, *timeout: str) -> tuple[int, str, dict[str, int]]:
    """Its exit code, what it says, and the errors that it keeps."""
    with served(fault) as port:
        ran = subprocess.run(
            [LOCUST, "-m", "tests.integration.played_load", port, folder, *timeout],
            cwd=ROOT,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    kept = folder / "server-steady.json"
    assert kept.exists(), ran.stderr
    return ran.returncode, ran.stdout, json.loads(kept.read_text())["errors"]


def test_an_api_without_fault_passes(tmp_path: Path) -> None:
    code, said, errors = load("none", tmp_path)
    assert (code, errors) == (0, {})
    assert f"{PLANNED} requests, 0 errors" in said


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refuses", "status 503"),
        ("mistakes", "the answer is of another customer"),
        ("errs", "the answer is another one than before the load"),
        ("raves", "no prediction: ValueError('a list, no object')"),
        ("hangs up", "there was no answer"),
        ("garbles", "there was no answer"),
        ("resets", "there was no answer"),
        ("dies", "there was no answer"),
    ],
)
def test_each_answer_that_is_none_is_an_error(tmp_path: Path, fault: str, error: str) -> None:
    code, said, errors = load(fault, tmp_path)
    assert (code, [*errors]) == (1, [error])
    # Who dies leaves those of other connections without an answer, too.
    assert errors[error] >= FAILED
    assert f"BROKEN: {errors[error]} × {error}" in said


def test_an_answer_that_does_not_come_in_time_is_an_error(tmp_path: Path) -> None:
    code, _, errors = load("is silent", tmp_path, "1")
    assert (code, errors) == (1, {"there was no answer": FAILED})


def test_who_still_waits_in_the_end_was_not_answered(tmp_path: Path) -> None:
    """Each connection waits for one; what they could not ask meanwhile is said, too."""
    code, said, errors = load("is silent", tmp_path)
    assert (code, errors) == (1, {"there was no answer": 16})
    assert f"{GOOD + 16} of {PLANNED} requests could be made" in said
