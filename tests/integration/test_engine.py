"""Whatever comes between a container's start and its end, it is removed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import container, engine
from bench.errors import NotMeasured
from tests.project.files import ROOT

RUNS = """
import time
from bench.ending import end_on_signals
from bench.engine import confined
end_on_signals()
with confined("image"):
    print("up", flush=True)
    time.sleep(30)
"""

Play = Callable[[str], Path]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """A `docker` that notes what it is told, and does `run` or `save` as the test says."""

    def played(does: str) -> Path:
        said = tmp_path / "said"
        command = tmp_path / "docker"
        command.write_text(f'#!/bin/sh\necho "$@" >> {said}\ncase $1 in run|save) {does};; esac\n')
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return said

    return played


@contextmanager
def running(said: Path) -> Iterator[subprocess.Popen[str]]:
    """Once `docker run` was called."""
    with subprocess.Popen(
        [sys.executable, "-c", RUNS], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            deadline = time.monotonic() + 60
            while not said.exists():
                assert time.monotonic() < deadline, "it starts no container"
                time.sleep(0.02)
            yield run
        finally:
            run.kill()


def started_and_removed(said: Path) -> bool:
    lines = [line.split() for line in said.read_text().splitlines()]
    (run, removal) = lines
    name = run[run.index("--name") + 1]
    return run[0] == "run" and removal[0] == "rm" and removal[-1] == name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts(play: Play, number: signal.Signals) -> None:
    said = play("sleep 3; echo created >&2")
    with running(said) as run:
        run.send_signal(number)
        assert run.wait(timeout=60) == 128 + number
        assert run.stdout is not None
        assert run.stdout.read() == ""
    assert started_and_removed(said)


def test_a_signal_while_it_runs(play: Play) -> None:
    said = play("true")
    with running(said) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "up\n"
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=60) == 128 + signal.SIGINT
    assert started_and_removed(said)


def test_an_engine_that_takes_too_long(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    said = play("exec sleep 30")
    monkeypatch.setattr(engine.docker, "__kwdefaults__", {"stdin": None, "seconds": 5})
    with pytest.raises(subprocess.TimeoutExpired), engine.confined("image"):
        pytest.fail("it has not started")
    assert started_and_removed(said)


def test_an_engine_that_refuses(play: Play) -> None:
    said = play("echo no such image >&2; exit 125")
    with pytest.raises(NotMeasured, match="no such image"), engine.confined("image"):
        pytest.fail("it has not started")
    assert started_and_removed(said)


def test_an_image_of_which_only_a_part_is_saved_has_no_size(play: Play) -> None:
    play("echo a part; exit 1")
    with pytest.raises(NotMeasured, match="docker save ended with 1"):
        container._compressed("image")


def test_an_image_that_is_saved_has_one(play: Play) -> None:
    play("head -c 100000 /dev/zero")
    assert 0 < container._compressed("image") < 1_000
