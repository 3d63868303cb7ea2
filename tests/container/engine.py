"""The Docker engine through its own command line, and the image's function inside a container."""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.project.files import ROOT

LOG_KEY = "key-of-the-container-tests-only-0000"
BUILD_SECONDS = 500
CALL_SECONDS = 60

# Runs inside the container, so that a container without any network can be called too.
_POST = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
connection.request("POST", "/2015-03-31/functions/function/invocations", sys.stdin.buffer.read())
sys.stdout.buffer.write(connection.getresponse().read())
"""
_LISTENS = "import socket; socket.create_connection(('127.0.0.1', 8080), 1)"


def docker(
    *arguments: str, stdin: str | None = None, cwd: Path = ROOT, seconds: float = CALL_SECONDS
) -> str:
    done = subprocess.run(
        ["docker", *arguments],
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def why_no_engine() -> str | None:
    if shutil.which("docker") is None:
        return "there is no docker command"
    probe = subprocess.run(
        ["docker", "info", "--format", "{{.ServerVersion}}"],
        capture_output=True,
        text=True,
        timeout=CALL_SECONDS,
        check=False,
    )
    return None if probe.returncode == 0 else f"no engine answers ({probe.stderr.strip()})"


def require_engine(unproved: str) -> None:
    """End the test where no engine answers, saying what that leaves unproved."""
    problem = why_no_engine()
    if problem is not None and os.environ.get("CI") == "true":
        pytest.fail(f"{unproved}: {problem}")
    if problem is not None:
        pytest.skip(f"{unproved}: {problem}")


def build(project: Path, stage: str = "serve") -> str:
    """Build a stage of the image without SAM; its id."""
    file = project / "image-id"
    docker(
        "build",
        *("--file", "functions/Dockerfile", "--target", stage, "--iidfile", str(file), "."),
        cwd=project,
        seconds=BUILD_SECONDS,
    )
    return file.read_text().strip()


def inspect(image: str) -> dict[str, Any]:
    (found,) = json.loads(docker("image", "inspect", image))
    assert isinstance(found, dict)
    return found


def run_python(
    image: str, script: str, *options: str, stdin: str = "", seconds: float = CALL_SECONDS
) -> str:
    """Return what `script` prints, run by the image's Python instead of the function."""
    container = f"script-{uuid.uuid4().hex}"
    try:
        return docker(
            *("run", "--rm", "--interactive", "--name", container),
            *("--network", "none", "--read-only", "--tmpfs=/tmp"),
            *("--env", f"MLOPS_LOG_KEY={LOG_KEY}"),
            *(*options, "--entrypoint", "python3.13", image, "-c", script),
            stdin=stdin,
            seconds=seconds,
        )
    except subprocess.TimeoutExpired:
        docker("rm", "--force", "--volumes", container)  # it outlives the stopped command
        raise


@dataclass(frozen=True)
class Function:
    container: str

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Hand the function an event through the runtime emulator, as Lambda would."""
        answer = json.loads(
            docker(
                *("exec", "--interactive", self.container, "python3.13", "-c", _POST),
                stdin=json.dumps(event),
            )
        )
        assert isinstance(answer, dict)
        return answer

    def logs(self) -> str:
        done = subprocess.run(
            ["docker", "logs", self.container],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=CALL_SECONDS,
            check=True,
        )
        return done.stdout


@contextmanager
def running(
    image: str, environment: dict[str, str], *, emulator: Path, network: str = "none"
) -> Iterator[Function]:
    """The function, confined as on Lambda: a read-only root, /tmp writable, no privileges."""
    environment = {"MLOPS_LOG_KEY": LOG_KEY} | environment
    container = docker(
        *("run", "--detach", "--read-only", "--tmpfs=/tmp"),
        *("--memory", "512m", "--memory-swap", "512m"),  # the same: without swap, as on Lambda
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", network),
        *("--add-host", "host.docker.internal:host-gateway"),
        *("--volume", f"{emulator}:/usr/local/bin/aws-lambda-rie:ro"),
        *(part for pair in environment.items() for part in ("--env", "=".join(pair))),
        image,
    )
    function = Function(container)
    try:
        _wait_until_it_listens(function)
        yield function
    finally:
        docker("rm", "--force", "--volumes", container)


def _wait_until_it_listens(function: Function) -> None:
    deadline = time.monotonic() + CALL_SECONDS
    while time.monotonic() < deadline:
        probe = subprocess.run(
            ["docker", "exec", function.container, "python3.13", "-c", _LISTENS],
            capture_output=True,
            timeout=CALL_SECONDS,
            check=False,
        )
        if probe.returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError(f"the runtime emulator does not listen:\n{function.logs()}")
