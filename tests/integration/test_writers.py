"""Two processes register at once, on each kind of store; nothing is lost."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from mlops.bootstrap.registry import open_registry
from mlops.inference.version import ModelVersion, Pin
from tests.integration.writer import STOPS
from tests.unit.inference.building import candidate, provenance

ROOT = Path(__file__).resolve().parent.parent.parent
EACH = 3
SECONDS = 90


def start(location: str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.writer", location, name, str(EACH)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def stopped(writer: subprocess.Popen[str], operation: str) -> None:
    assert writer.stdout is not None
    assert writer.stdout.readline() == f"{operation}\n"


def go_on(writer: subprocess.Popen[str]) -> None:
    assert writer.stdin is not None
    writer.stdin.write("\n")
    writer.stdin.flush()


def test_what_two_processes_register_at_once_is_all_there(location: str) -> None:
    registry = open_registry(location)
    first = registry.register_next("churn", candidate("first"), provenance())

    with ExitStack() as stack:
        writers = [stack.enter_context(start(location, name)) for name in "ab"]
        for writer in writers:
            stack.callback(writer.kill)
        for operation in STOPS:
            for writer in writers:
                stopped(writer, operation)
            for writer in writers:
                go_on(writer)
        answers = [writer.communicate(timeout=SECONDS)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]

    pins = [Pin.parse(line) for answer in answers for line in answer.split()]
    entries = registry.entries("churn")
    assert {entry.pin for entry in entries} == {first, *pins}
    assert [entry.version for entry in entries] == [
        ModelVersion("churn", 1, minor, 0) for minor in range(1 + 2 * EACH)
    ]
    names = {f"{writer} {number}" for writer in "ab" for number in range(EACH)}
    assert {entry.metrics["name"] for entry in entries} == {"first"} | names
    assert list(registry.rebuild().entries) == entries
