"""A terminal for each document, and the engine that some commands need."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.terminal import Terminal


@pytest.fixture(scope="module")
def terminal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Terminal]:
    """The blocks of one document share it; the next document gets a new one."""
    document = Path(request.param)
    with Terminal(tmp_path_factory.mktemp(document.stem)) as terminal:
        yield terminal


@pytest.fixture(autouse=True)
def engine_for_containers(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("container"):
        request.getfixturevalue("engine")


@pytest.fixture(scope="session")
def engine() -> None:
    docker = shutil.which("docker")
    if (
        docker
        and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0
    ):
        return
    reason = "no Docker engine answers, so what the documents show of containers is not run"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
