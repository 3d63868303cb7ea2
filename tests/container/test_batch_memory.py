"""Jobs of a million rows in the batch image, with the least memory that the template allows."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops.batch.row_errors import ERRORS_PER_JOB
from mlops.inference.version import Pin
from tests.container.engine import run_python
from tests.project.files import ROOT

Case = dict[str, Any]
Work = Callable[[Case], dict[str, Any]]

ROWS = 1_000_000
JOB_SECONDS = 400
MEMORY_MB = 1769
"""The MinValue of BatchMemorySize; a test below compares them."""

PEAK_MB = 500
"""Of the process; about twice of what was measured."""

DONE = """
import gzip, json, os, resource, sys
from pathlib import Path

from functions.batch.handler import lambda_handler
from functions.batch.polling import LocalContext, event_of
from mlops.bootstrap.jobs import open_inbox

case = json.loads(os.environ["CASE"])
store = Path(os.environ["MLOPS_STORE"])
folder = store / "batch/uploads/ann"
folder.mkdir(parents=True)
with gzip.open(folder / f"rows.{case['format']}", "wt", compresslevel=1) as file:
    file.write(case["header"])
    for start in range(0, case["rows"], 1_000):
        pairs = range(start, start + 1_000, 2)
        file.write("".join(case["even"] % row + case["odd"] % (row + 1) for row in pairs))
message = {
    "job_id": "job", "model": "churn", "submitted_by": "ann", "output_format": case["output"],
    "input": f"s3://local/batch/uploads/ann/rows.{case['format']}",
}
inbox = open_inbox(os.environ["MLOPS_QUEUE"], 3)
inbox.send([json.dumps(message)], "ann")
while messages := inbox.receive(1, 600):
    for message in messages:
        answer = lambda_handler(event_of(message), LocalContext())
        assert answer == {"batchItemFailures": []}, answer
        inbox.delete(message.receipt)
job = store / "batch/jobs/job"
print(json.dumps({
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    "bytes": {path.name: path.stat().st_size for path in job.iterdir() if path.is_file()},
    "written": sum(path.stat().st_size for path in job.rglob("*") if path.is_file()),
    "documents": {
        str(path.relative_to(job)): json.loads(path.read_text())
        for path in [*job.glob("summary.json"), *job.glob("failures/*/*")]
    },
}))
"""
LONG_ID = "ü" * 121 + "%07d"
CASES: dict[str, Case] = {
    "rows with the longest ids": {
        "format": "csv.gz",
        "header": "customer_id,tenure,monthly_charges\n",
        "even": f"{LONG_ID},1,20.5\n",
        "odd": f"{LONG_ID},70,99.5\n",
        "output": "jsonl",
    },
    "rows with several wrong values": {
        "format": "jsonl.gz",
        "header": "",
        "even": '{"customer_id": "%d", "tenure": -1, "a": 1}\n',
        "odd": '{"customer_id": "%d", "tenure": "x", "b": 1}\n',
        "output": "csv",
    },
    "rows of another form": {
        "format": "jsonl.gz",
        "header": "",
        "even": '{"a%d": 1, "x": 1, "y": [2], "z": {}}\n',
        "odd": '{"b%d": 1, "x": 1, "y": [2], "z": {}}\n',
        "output": "jsonl.gz",
    },
}


@pytest.fixture
def work(batch_image: str, churn_pin: Pin, tmp_path: Path) -> Iterator[Work]:
    """Return a function that works on a job in a container, with its store on the disk.

    A store in the container's memory would count as the job's. The store is large, so it is removed
    after the test.
    """
    folder = tmp_path / "work"
    folder.mkdir()
    folder.chmod(0o777)

    def done(case: Case) -> dict[str, Any]:
        memory = f"{MEMORY_MB}m"
        environment = {
            "MLOPS_PINS": str(churn_pin),
            "MLOPS_STORE": "/work/store",
            "MLOPS_QUEUE": "/work/queue",
            "CASE": json.dumps(case | {"rows": ROWS}),
        }
        printed = run_python(
            batch_image,
            DONE,
            *("--memory", memory, "--memory-swap", memory, "--cpus", "1"),
            *("--user", f"{os.getuid()}:{os.getgid()}", "--volume", f"{folder}:/work"),
            *(f"--env={name}={value}" for name, value in environment.items()),
            seconds=JOB_SECONDS,
        )
        found: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return found

    yield done
    shutil.rmtree(folder)


def test_the_memory_is_the_least_that_the_template_allows() -> None:
    text = (ROOT / "template.yaml").read_text()
    assert f"MinValue: {MEMORY_MB}\n" in text.partition("BatchMemorySize:")[2][:250]


# Each has a group of its own, so that the workers of a test run share the three long jobs.
@pytest.mark.xdist_group("batch memory: merge")
def test_a_million_rows_are_merged(work: Work) -> None:
    found = work(CASES["rows with the longest ids"])
    summary = found["documents"]["summary.json"]
    assert summary["rows"] == {"total": ROWS, "done": ROWS, "failed": 0}
    assert found["bytes"]["results.jsonl"] > 300_000_000, "or nothing large was merged"
    assert found["peak_mb"] < PEAK_MB


@pytest.mark.xdist_group("batch memory: errors")
def test_the_errors_of_a_million_wrong_rows_are_bounded(work: Work) -> None:
    found = work(CASES["rows with several wrong values"])
    summary = found["documents"]["summary.json"]
    assert summary["rows"] == {"total": ROWS, "done": 0, "failed": ROWS}
    assert (summary["errors_found"], summary["errors_kept"]) == (3 * ROWS, ERRORS_PER_JOB)
    assert sum(entry["count"] for entry in summary["errors_by_field"]) == 3 * ROWS
    assert found["bytes"]["errors.csv"] < 20_000_000
    assert found["written"] < 300_000_000
    assert found["peak_mb"] < PEAK_MB


@pytest.mark.xdist_group("batch memory: stop")
def test_a_million_rows_of_another_form_stop_the_job(work: Work) -> None:
    found = work(CASES["rows of another form"])
    reason = found["documents"]["failures/0000/refused"]["reason"]
    assert "rows 1 to 10,000 are all refused for the same reason" in reason
    assert found["written"] < 100_000, "nothing was split, predicted or merged"
    assert found["peak_mb"] < PEAK_MB
