"""Inputs that would take all memory, in the batch function's image at its least memory."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mlops.inference.version import Pin
from tests.container.engine import run_python
from tests.container.test_batch_events import ENVIRONMENT

DATA = Path(__file__).parents[1] / "unit" / "batch" / "data"
LEAST_MEMORY_MB = 1769
"""The template's smallest `BatchMemorySize`."""

RUN_SECONDS = 300
"""Of a job on a busy machine."""

WORKED_ON = """
import base64, json, os, pathlib, resource, sys, time, types
from functions.batch.handler import lambda_handler
sent = json.load(sys.stdin)
folder = pathlib.Path(os.environ["MLOPS_STORE"], "batch/uploads/ann")
folder.mkdir(parents=True)
(folder / sent["name"]).write_bytes(base64.b64decode(sent["content"]))
job = {"job_id": "job-1", "model": "churn", "submitted_by": "ann",
       "input": "s3://local/batch/uploads/ann/" + sent["name"]}
record = {"messageId": "1", "body": json.dumps(job), "attributes": {"ApproximateReceiveCount": "1"}}
context = types.SimpleNamespace(get_remaining_time_in_millis=lambda: 120_000)
started = time.process_time()
answer = lambda_handler({"Records": [record]}, context)
jobs = pathlib.Path(os.environ["MLOPS_STORE"], "batch/jobs/job-1")
reasons = [json.loads(file.read_text())["reason"] for file in jobs.glob("failures/*/*")]
used = [resource.getrusage(whose).ru_maxrss // 1024 for whose in
        (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({"answer": answer, "reasons": reasons, "worker_mb": used[0], "reader_mb": used[1],
                  "processor_seconds": time.process_time() - started}))
"""


def work_on(image: str, pin: Pin, name: str, content: bytes) -> dict[str, Any]:
    printed = run_python(
        image,
        WORKED_ON,
        f"--memory={LEAST_MEMORY_MB}m",
        f"--memory-swap={LEAST_MEMORY_MB}m",
        f"--env=MLOPS_PINS={pin}",
        *(f"--env={key}={value}" for key, value in ENVIRONMENT.items()),
        stdin=json.dumps({"name": name, "content": base64.b64encode(content).decode()}),
        seconds=RUN_SECONDS,
    )
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", ["long-text", "long-text-in-dictionary"])
def test_parquet_with_a_text_of_a_billion_characters_is_refused_and_kills_nothing(
    batch_image: str, churn_pin: Pin, name: str
) -> None:
    content = gzip.decompress((DATA / f"{name}.parquet.gz").read_bytes())
    found = work_on(batch_image, churn_pin, "a.parquet", content)
    assert found["answer"] == {"batchItemFailures": []}
    assert found["reasons"] == ["Reading the Parquet file takes too much memory"]
    assert found["worker_mb"] < 400
    assert found["reader_mb"] < 1_250


def test_gzip_that_yields_nothing_is_refused_soon(batch_image: str, churn_pin: Pin) -> None:
    content = gzip.compress(b"", mtime=0) * 1_000_000
    found = work_on(batch_image, churn_pin, "a.csv.gz", content)
    assert found["answer"] == {"batchItemFailures": []}
    assert "it yields next to nothing" in found["reasons"][0]
    assert found["processor_seconds"] < 20
