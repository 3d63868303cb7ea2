"""`python -m functions.api`, which `make run` calls: a server that reloads."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from mlops.bootstrap import open_registry
from mlops.inference.version import ModelVersion, Pin
from tests.conftest import ROOT

CUSTOMER = {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code that a test may change."""
    for folder in ("functions", "layers"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


@pytest.fixture
def store(trained_store: Path, churn_pin: Pin, tmp_path: Path) -> Path:
    """The trained model as three versions, registered in no order."""
    copy = tmp_path / "store"
    shutil.copytree(trained_store, copy)
    registry = open_registry(str(copy))
    _, manifest = registry.versions.manifest(churn_pin.version)
    files = {name: registry.versions.read(churn_pin.version, name) for name in manifest.files}
    for minor in (10, 9):
        registry.register(ModelVersion("churn", 1, minor, 0), files, manifest.provenance)
    return copy


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def command(port: int) -> list[str]:
    return [sys.executable, "-m", "functions.api", "--port", str(port)]


def environment(tree: Path, **changed: str) -> dict[str, str]:
    paths = os.pathsep.join(map(str, (tree, tree / "layers/mlops/python")))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return kept | {"PYTHONPATH": paths} | changed


@contextmanager
def serving(tree: Path, port: int, **changed: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(port),
        cwd=tree,
        env=environment(tree, **changed),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def answer(port: int, path: str, body: object = None) -> Any:
    request = Request(  # noqa: S310 # http, on this machine
        f"http://127.0.0.1:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=5) as response:  # noqa: S310 # as above
        return json.load(response)


def wait_until(condition: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except (URLError, ConnectionError, TimeoutError):
            pass  # not up yet, or between two processes
        time.sleep(0.1)
    pytest.fail(f"nothing after {seconds} seconds")


def refusal(tree: Path, port: int, **changed: str) -> tuple[int, list[str]]:
    """Exit code and lines of a server that does not start."""
    ended = subprocess.run(
        command(port),
        cwd=tree,
        env=environment(tree, **changed),
        capture_output=True,
        text=True,
        timeout=40,
    )
    return ended.returncode, (ended.stdout + ended.stderr).splitlines()


def test_the_newest_registered_version_is_served(tree: Path, store: Path, port: int) -> None:
    with serving(tree, port, MLOPS_STORE=str(store)) as server:
        wait_until(lambda: bool(answer(port, "/healthz")))
        prediction = answer(port, "/v1/predict/churn", CUSTOMER)
        assert prediction["model_version"] == "churn-model-v1.10.0"
        server.terminate()
        printed = server.communicate(timeout=20)[0]
    assert printed.startswith("Serving churn-model-v1.10.0@sha256:")
    assert f"http://127.0.0.1:{port}/docs" in printed
    assert "C12345" not in printed.partition("Try it:")[2].partition("79.50}'")[2]


def test_a_pin_is_served_instead(tree: Path, store: Path, port: int, churn_pin: Pin) -> None:
    with serving(tree, port, MLOPS_STORE=str(store), MLOPS_PINS=str(churn_pin)):
        wait_until(lambda: bool(answer(port, "/healthz")))
        (model,) = answer(port, "/v1/models")["models"]
    assert model["model_version"] == str(churn_pin.version)


def test_changed_code_is_served_without_a_restart(tree: Path, store: Path, port: int) -> None:
    route = tree / "functions/api/routes/health.py"
    with serving(tree, port, MLOPS_STORE=str(store)):
        wait_until(lambda: bool(answer(port, "/healthz") == {"status": "ok"}))
        route.write_text(route.read_text().replace('status="ok"', 'status="changed"'))
        wait_until(lambda: bool(answer(port, "/healthz") == {"status": "changed"}))


def test_a_taken_port_is_one_clear_line(tree: Path, store: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        code, lines = refusal(tree, taken, MLOPS_STORE=str(store))
    assert code == 1
    assert lines == [
        f"Port {taken} cannot be used (Address already in use): make run PORT={taken + 1}"
    ]


def test_without_a_registered_model_it_says_what_to_do(tree: Path, port: int) -> None:
    code, lines = refusal(tree, port, MLOPS_STORE="nothing")
    assert code == 1
    assert lines == ["No model is registered in nothing: mlops train churn && mlops register churn"]
