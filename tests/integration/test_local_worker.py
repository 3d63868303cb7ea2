"""`python -m functions.batch`, the worker of `make run`: a process that works, and ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mlops.batch.job import Format
from mlops.batch.jobs import Submission
from mlops.batch.progress import JobState
from mlops.bootstrap import utc_now
from mlops.bootstrap.jobs import open_jobs, open_queue
from mlops.inference.version import Pin
from mlops.local.queue import FolderQueue
from tests.conftest import ROOT

SECONDS = 60
OWNER = "somebody"
CUSTOMER = {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}
SQS = {
    "MLOPS_QUEUE": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
# Starts a worker as its own child, says that child's id, and waits to be killed.
PARENT = """
import os, subprocess, sys, time
command = [sys.executable, "-m", "functions.batch", "--parent", str(os.getpid())]
print(subprocess.Popen(command, stdout=subprocess.DEVNULL).pid, flush=True)
time.sleep(60)
"""
# Takes one message and is killed before it has done anything with it.
KILLED = """
import os, signal, sys
from pathlib import Path
from mlops.bootstrap import utc_now
from mlops.local.queue import FolderQueue
print(FolderQueue(Path(sys.argv[1]), utc_now).receive(1, 1)[0].body, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
# Takes and deletes what it can get, says what that was.
RECEIVER = """
import sys
from pathlib import Path
from mlops.bootstrap import utc_now
from mlops.local.queue import FolderQueue
queue = FolderQueue(Path(sys.argv[1]), utc_now)
sys.stdin.readline()
while messages := queue.receive(3, 60):
    for message in messages:
        print(message.body)
        queue.delete(message.receipt)
"""


@pytest.fixture
def environment(trained_store: Path, churn_pin: Pin, tmp_path: Path) -> dict[str, str]:
    store = tmp_path / "store"
    shutil.copytree(trained_store, store)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return kept | {
        "MLOPS_STORE": str(store),
        "MLOPS_QUEUE": str(store / "queue"),
        "MLOPS_PINS": str(churn_pin),
        "MLOPS_CACHE_DIR": str(tmp_path / "cache"),
    }


@contextmanager
def started(environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"nothing after {SECONDS} seconds"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and whose new parent has not looked yet is not alive.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def refusal(environment: dict[str, str], **changed: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "functions.batch"],
        cwd=ROOT,
        env=environment | changed,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_what_is_submitted_is_predicted(environment: dict[str, str], churn_pin: Pin) -> None:
    jobs = open_jobs(environment["MLOPS_STORE"], environment["MLOPS_QUEUE"], [churn_pin])
    rows = [CUSTOMER, CUSTOMER | {"tenure": -1}]
    submission = Submission(OWNER, "churn", Format.JSONL, Format.JSONL, rows=rows)
    poison = "no message"
    open_queue(environment["MLOPS_QUEUE"]).send([poison], "ann")
    jobs.submit("job-1", submission)
    with started(environment, "-m", "functions.batch") as worker:
        wait_until(lambda: jobs.status("job-1", OWNER).state is JobState.SUCCEEDED)
        worker.terminate()
        lines = worker.communicate(timeout=SECONDS)[0].splitlines()
    assert worker.returncode == 0
    status = jobs.status("job-1", OWNER)
    assert (status.rows_done, status.rows_failed) == (1, 1)
    log: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert {line["service"] for line in log} == {"batch"}
    assert [line["job_id"] for line in log if line["outcome"] == "done"] == ["job-1"]
    assert "C12345" not in "".join(lines)


def test_it_ends_with_its_parent(environment: dict[str, str]) -> None:
    with started(environment, "-c", PARENT) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_alive(worker)
        parent.kill()
        parent.wait(SECONDS)
        wait_until(lambda: not is_alive(worker))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it(environment: dict[str, str], number: signal.Signals) -> None:
    with started(environment, "-m", "functions.batch") as worker:
        assert worker.stdout is not None
        # It logs its first failure once it has set itself up.
        open_queue(environment["MLOPS_QUEUE"]).send(["no message"], "ann")
        worker.stdout.readline()
        worker.send_signal(number)
        assert worker.wait(SECONDS) == 0


@pytest.mark.parametrize(
    ("changed", "blamed"),
    [
        ({"MLOPS_QUEUE": ""}, "MLOPS_QUEUE"),
        ({"MLOPS_PINS": "churn"}, "not a pin"),
        ({"MLOPS_QUEUE": "sqs://jobs"}, "a queue is a folder or the URL of an SQS queue"),
        (SQS, "only a folder can be received from here"),
    ],
)
def test_a_setting_that_it_cannot_work_with(
    environment: dict[str, str], changed: dict[str, str], blamed: str
) -> None:
    code, said = refusal(environment, **changed)
    assert code == 1
    assert blamed in said
    assert "Traceback" not in said


def test_the_message_of_a_process_that_was_killed_comes_again(
    environment: dict[str, str],
) -> None:
    queue = environment["MLOPS_QUEUE"]
    open_queue(queue).send(["body"], "ann")
    with started(environment, "-c", KILLED, queue) as killed:
        assert killed.communicate(timeout=SECONDS)[0] == "body\n"
    assert killed.returncode == -signal.SIGKILL
    again = FolderQueue(Path(queue), lambda: utc_now() + timedelta(minutes=1))
    (message,) = again.receive(10, 60)
    assert (message.body, message.receives) == ("body", 2)


def test_of_two_processes_each_message_has_one(environment: dict[str, str]) -> None:
    queue = environment["MLOPS_QUEUE"]
    bodies = [f"{number:03}" for number in range(200)]
    open_queue(queue).send(bodies, "ann")
    with (
        started(environment, "-c", RECEIVER, queue) as one,
        started(environment, "-c", RECEIVER, queue) as other,
    ):
        # Both wait for a line, so both are there when it begins.
        for process in (one, other):
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        received = [process.communicate(timeout=SECONDS)[0].split() for process in (one, other)]
    assert sorted(received[0] + received[1]) == bodies


def test_a_worker_that_is_killed_is_replaced(environment: dict[str, str], churn_pin: Pin) -> None:
    command = ("-m", "uvicorn", "--factory", "functions.api.asgi:create", "--port", "0")
    with started(environment, *command) as server:
        try:
            wait_until(lambda: bool(workers_of(server.pid)))
            (first,) = workers_of(server.pid)
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: bool(workers_of(server.pid) - {first}))
            jobs = open_jobs(environment["MLOPS_STORE"], environment["MLOPS_QUEUE"], [churn_pin])
            jobs.submit(
                "job-1", Submission(OWNER, "churn", Format.JSONL, Format.JSONL, rows=[CUSTOMER])
            )
            wait_until(lambda: jobs.status("job-1", OWNER).state is JobState.SUCCEEDED)
        finally:
            server.terminate()
            server.wait(SECONDS)
    assert not workers_of(server.pid)


def workers_of(parent: int) -> set[int]:
    """The workers that watch over this process."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if b"functions.batch" in arguments and str(parent).encode() in arguments:
            found.add(int(process.name))
    return found
