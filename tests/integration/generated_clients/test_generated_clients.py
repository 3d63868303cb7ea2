"""Programs generate clients from docs/openapi.json, and every operation can be called with them."""

import io
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.api.app import create_app
from functions.api.callers import identify_local
from functions.api.settings import Settings
from mlops.bootstrap.logs import open_logger
from mlops.inference.version import Pin
from tests.conftest import ROOT

TOOLS = ROOT / ".tools/generators/bin"
DESCRIPTION = ROOT / "docs/openapi.json"
TOKEN = "a-token"  # noqa: S105 -- of no real account
GENERATORS = {
    "openapi_python_client": [
        *("openapi-python-client", "generate", "--path", str(DESCRIPTION)),
        *("--output-path", "client"),
    ],
    "openapi_generator": [
        *("openapi-generator-cli", "generate", "--input-spec", str(DESCRIPTION)),
        *("--generator-name", "python", "--output", "client"),
    ],
}


class Heard:
    """ASGI middleware that notes the `Authorization` of each request, by path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.tokens: dict[str, str | None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            token = dict(scope["headers"]).get(b"authorization")
            self.tokens[scope["path"]] = token and token.decode()
        await self._app(scope, receive, send)


@pytest.fixture
def served(tmp_path: Path, trained_store: Path, churn_pin: Pin) -> Iterator[tuple[str, Heard]]:
    """The URL of an API without a worker, and what it hears."""
    config = uvicorn.Config("", host="127.0.0.1", port=0, log_config=None, lifespan="off")
    listening = config.bind_socket()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = Settings(
        pins=str(churn_pin),
        models_dir=trained_store / "models",
        store=str(tmp_path / "store"),
        queue=str(tmp_path / "queue"),
        served_at=url,
    )
    logger = open_logger("api", io.BytesIO())
    heard = Heard(create_app(settings, identify=identify_local, logger=logger))
    config.app = heard
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield url, heard
    finally:
        server.should_exit = True
        thread.join(30)


def run(command: list[str], folder: Path) -> str:
    environment = os.environ | {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [str(TOOLS / command[0]), *command[1:]],
        cwd=folder,
        env=environment | {"PYTHONPATH": "client"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("generator", GENERATORS)
def test_every_operation_can_be_called_with_a_generated_client(
    generator: str, served: tuple[str, Heard], churn_pin: Pin, tmp_path: Path
) -> None:
    url, heard = served
    run(GENERATORS[generator], tmp_path)
    calls = Path(__file__).with_name(f"{generator}_calls.py")
    answers: dict[str, Any] = json.loads(run(["python", str(calls), url, TOKEN], tmp_path))

    described = json.loads(DESCRIPTION.read_text())["paths"].values()
    operations = [operation for path in described for operation in path.values()]
    assert answers.keys() == {operation["operationId"] for operation in operations}
    version = str(churn_pin.version)
    assert answers == {
        "healthz": "ok",
        "readyz": [version],
        "list_models": ["churn"],
        "show_model": version,
        "predict_churn": "C1",
        "submit_batch": ["queued", "queued"],
        "create_upload": 200,
        "show_batch": True,
        "cancel_batch": "cancelled",
        "retry_batch": "urn:mlops-pipeline:problem:job-ended",
    }
    bearer = {path: token for path, token in heard.tokens.items() if path.startswith("/v1/")}
    assert set(bearer.values()) == {f"Bearer {TOKEN}"}
