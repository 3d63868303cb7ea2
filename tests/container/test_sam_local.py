"""The stack on this machine: a real HTTP client, SAM's API Gateway, the container."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from mlops.inference.version import Pin
from tests.container.images import SAM, sam_environment

START_SECONDS = 180
PROMISED = {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}


@pytest.fixture(scope="module")
def client(project: Path, churn_pin: Pin) -> Iterator[httpx2.Client]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = project / "start-api.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                *(SAM, "local", "start-api", "--host", "127.0.0.1", "--port", str(port)),
                *("--parameter-overrides", f"Pins={churn_pin}"),
            ],
            cwd=project,
            env=sam_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_until_it_answers(client, server, log)
            yield client
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def wait_until_it_answers(
    client: httpx2.Client, server: "subprocess.Popen[bytes]", log: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            client.get("/healthz")
        except httpx2.TransportError:
            time.sleep(0.3)
        else:
            return
    raise AssertionError(f"sam local start-api does not answer:\n{log.read_text()}")


def test_the_promised_request(client: httpx2.Client, churn_pin: Pin) -> None:
    answer = client.post("/v1/predict/churn", json=PROMISED)
    assert answer.status_code == 200, answer.text
    prediction = answer.json()
    assert prediction["customer_id"] == "C12345"
    assert prediction["model_version"] == "churn-model-v1.0.0"
    assert 0 <= prediction["churn_probability"] <= 1
    assert prediction["risk_category"] in {"Low", "Medium", "High"}
    assert answer.headers["model-digest"] == churn_pin.digest


def test_the_routes_lead_to_the_function(client: httpx2.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["models"] == ["churn-model-v1.0.0"]
    assert client.get("/").status_code == 404
    assert client.get("/v1/models").json()["models"][0]["model"] == "churn"


def test_a_refused_request_says_why(client: httpx2.Client) -> None:
    answer = client.post("/v1/predict/churn", json=PROMISED | {"tenure": -1})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == ["tenure"]


def test_the_documentation_is_served(client: httpx2.Client) -> None:
    assert client.get("/docs").headers["content-type"].startswith("text/html")
    assert "/v1/predict/churn" in client.get("/openapi.json").json()["paths"]
