"""From submission to results over HTTP, with the trained model: `make run` in one process."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from functions.api.app import create_app
from functions.api.callers import identify_local
from functions.api.settings import Settings
from mlops.batch.job import Limits, Task
from mlops.batch.worker import Attempt, Worker
from mlops.bootstrap import utc_now
from mlops.bootstrap.jobs import open_inbox, open_worker
from mlops.bootstrap.logs import open_logger
from mlops.inference.version import Pin
from mlops.models.churn.contract import CHURN

BATCH = "/v1/predict/batch"
SERVED_AT = "http://testserver"


@pytest.fixture
def client(tmp_path: Path, trained_store: Path, churn_pin: Pin) -> TestClient:
    settings = Settings(
        pins=str(churn_pin),
        models_dir=trained_store / "models",
        store=str(tmp_path / "store"),
        queue=str(tmp_path / "queue"),
        served_at=SERVED_AT,
    )
    return TestClient(
        create_app(settings, identify=identify_local, logger=open_logger("batch", io.BytesIO()))
    )


@pytest.fixture
def worker(tmp_path: Path, trained_store: Path) -> Worker:
    return open_worker(
        str(tmp_path / "store"),
        str(tmp_path / "queue"),
        baked=trained_store / "models",
        cache=tmp_path / "cache",
        limits=Limits(),
    )


def work(worker: Worker, folder: Path) -> None:
    """Do what is on the queue."""
    inbox = open_inbox(str(folder / "queue"), 3)
    for message in inbox.receive(10, 60):
        task = Task(**json.loads(message.body))
        worker.run(task, Attempt(last=False, deadline=utc_now() + timedelta(minutes=1)))
        inbox.delete(message.receipt)


def result(client: TestClient, location: str, name: str = "results") -> list[Any]:
    job = client.get(location).json()
    assert job["status"] == "succeeded"
    return [json.loads(line) for line in client.get(job["links"][name]).text.splitlines()]


def test_rows_get_the_predictions_they_would_get_alone(
    client: TestClient, worker: Worker, tmp_path: Path
) -> None:
    rows = list(CHURN.examples.values())
    accepted = client.post(BATCH, json={"model": "churn", "rows": [*rows, {"tenure": -1}]})
    assert (accepted.status_code, accepted.json()["status"]) == (202, "queued")
    location = accepted.headers["location"]
    work(worker, tmp_path)
    alone = [client.post("/v1/predict/churn", json=row).json() for row in rows]
    for batched, single in zip(result(client, location), alone, strict=True):
        assert batched.keys() == single.keys()
        assert batched["customer_id"] == single["customer_id"]
        assert batched["churn_probability"] == pytest.approx(single["churn_probability"], abs=1e-6)
    refused = client.post("/v1/predict/churn", json={"tenure": -1}).json()["errors"]
    errors = result(client, location, "errors")
    assert {error["row"] for error in errors} == {3}
    assert [{name: error[name] for name in refused[0]} for error in errors] == refused


@pytest.mark.parametrize("raw", ["1e999", "-1e999", "9" * 400])
@pytest.mark.parametrize("field", ["tenure", "monthly_charges", "senior_citizen", "unknown"])
def test_numbers_beyond_any_float_are_refused_in_the_same_words(
    client: TestClient, worker: Worker, tmp_path: Path, field: str, raw: str
) -> None:
    fields = {"customer_id": '"C1"', "tenure": "24", "monthly_charges": "79.5"} | {field: raw}
    row = "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
    typed = {"Content-Type": "application/json"}
    refused = client.post("/v1/predict/churn", content=row, headers=typed).json()["errors"]
    body = f'{{"model": "churn", "rows": [{row}]}}'
    location = client.post(BATCH, content=body, headers=typed).headers["location"]
    work(worker, tmp_path)
    errors = result(client, location, "errors")
    assert [{name: error[name] for name in refused[0]} for error in errors] == refused


def test_an_upload_is_predicted(client: TestClient, worker: Worker, tmp_path: Path) -> None:
    content = "customer_id,tenure,monthly_charges\nC1,24,79.5\nC2,many,1\n"
    upload = client.post(f"{BATCH}/uploads", json={"format": "csv", "bytes": len(content)}).json()
    put = client.put(upload["url"], content=content, headers=upload["headers"])
    assert put.status_code == 200
    sent = {"model": "churn", "input": upload["input"], "output_format": "jsonl"}
    key = {"Idempotency-Key": "march"}
    location = client.post(BATCH, json=sent, headers=key).headers["location"]
    work(worker, tmp_path)
    assert [row["customer_id"] for row in result(client, location)] == ["C1"]
    (error,) = result(client, location, "errors")
    assert (error["row"], error["line"], error["field"]) == (2, 3, "tenure")
    again = client.post(BATCH, json=sent, headers=key)
    assert (again.status_code, again.json()["status"]) == (202, "succeeded")
    assert client.delete(location).status_code == 409


def test_a_cancelled_job_is_not_predicted(
    client: TestClient, worker: Worker, tmp_path: Path
) -> None:
    sent = {"model": "churn", "rows": [CHURN.examples["all fields"]]}
    location = client.post(BATCH, json=sent).headers["location"]
    assert client.delete(location).json()["status"] == "cancelled"
    work(worker, tmp_path)
    assert client.get(location).json()["links"] is None
