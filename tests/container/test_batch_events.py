"""Each of events/sqs-*.json through the real runtime emulator, without a network."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops.inference.version import Pin
from tests.container.engine import Function, docker, run_python, running
from tests.container.test_events import EVENTS, body, event

FIRST = "00000000-0000-4000-8000-000000000001"
EXPECTED: dict[str, list[str]] = {  # ids of the messages that are named as failed
    "sqs-inline-rows": [],
    "sqs-two-messages-same-job": [],
    "sqs-two-messages-one-bad": [FIRST],
    "sqs-foreign-bucket": [FIRST],
    "sqs-invalid-message-last-try": [FIRST],
    "sqs-task": [FIRST],  # of a job that this store does not have
}
ENVIRONMENT: dict[str, str] = json.loads((EVENTS / "local-batch.env.json").read_text())[
    "BatchFunction"
]

LOADED = """
import json, sys, types
from functions.batch.handler import lambda_handler
context = types.SimpleNamespace(get_remaining_time_in_millis=lambda: 120_000)
answer = lambda_handler(json.load(sys.stdin), context)
heavy = {"boto3", "fastapi", "pandas", "scipy", "sklearn", "starlette"}
print(json.dumps(answer), *sorted(heavy & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def worker(batch_image: str, emulator: Path, churn_pin: Pin) -> Iterator[Function]:
    """The batch function with its model baked in, a folder as its store, and no network at all."""
    environment = ENVIRONMENT | {"MLOPS_PINS": str(churn_pin)}
    with running(batch_image, environment, emulator=emulator) as function:
        yield function


def failed(answer: dict[str, Any]) -> list[str]:
    assert set(answer) == {"batchItemFailures"}, answer
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def stored(function: Function, key: str) -> str:
    return docker("exec", function.container, "cat", f"{ENVIRONMENT['MLOPS_STORE']}/{key}")


def records(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = event(name)["Records"]
    return found


def test_every_event_of_the_queue_has_its_expectation() -> None:
    assert {path.stem for path in EVENTS.glob("sqs-*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_event_looks_like_one_of_sqs(name: str) -> None:
    for record in records(name):
        assert record["eventSource"] == "aws:sqs"
        digest = hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()
        assert record["md5OfBody"] == digest


def test_the_inline_rows_are_those_of_the_documented_message() -> None:
    (record,) = records("sqs-inline-rows")
    assert json.loads(record["body"]) == event("batch-submission-inline")


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_what_failed_is_named(worker: Function, name: str) -> None:
    assert failed(worker.invoke(event(name))) == EXPECTED[name], worker.logs()


@pytest.mark.parametrize("name", ["healthz", "batch-submission-inline"])
def test_what_is_no_event_of_sqs_fails_as_a_whole(worker: Function, name: str) -> None:
    assert failed(worker.invoke(event(name))) == [""]


def test_the_results_are_what_the_api_predicts(worker: Function, function: Function) -> None:
    worker.invoke(event("sqs-inline-rows"))
    job = "batch/jobs/three-customers"
    first, _ = map(json.loads, stored(worker, f"{job}/results.jsonl").splitlines())
    single = body(function.invoke(event("predict")))
    assert first["customer_id"] == single["customer_id"] == "C12345"
    assert first["churn_probability"] == pytest.approx(single["churn_probability"], abs=1e-6)
    (error,) = map(json.loads, stored(worker, f"{job}/errors.jsonl").splitlines())
    assert (error["row"], error["field"]) == (3, "tenure")
    summary = json.loads(stored(worker, f"{job}/summary.json"))
    assert summary["rows"] == {"done": 2, "failed": 1, "total": 3}


def test_a_message_that_is_no_job_is_shown_as_failed(worker: Function) -> None:
    worker.invoke(event("sqs-invalid-message-last-try"))
    rejected = json.loads(stored(worker, "batch/jobs/two-invalid/rejected.json"))
    assert "rows" in rejected["reason"]


def test_no_row_is_logged(worker: Function) -> None:
    for name in EXPECTED:
        worker.invoke(event(name))
    assert FIRST in worker.logs()
    assert "C12345" not in worker.logs()


def test_a_job_in_a_folder_loads_neither_boto3_nor_fastapi_nor_pandas(
    batch_image: str, churn_pin: Pin
) -> None:
    environment = [f"--env={name}={value}" for name, value in ENVIRONMENT.items()]
    sent = (EVENTS / "sqs-inline-rows.json").read_text()
    printed = run_python(
        batch_image, LOADED, f"--env=MLOPS_PINS={churn_pin}", *environment, stdin=sent
    )
    assert printed.splitlines()[-1] == '{"batchItemFailures": []}'
