"""The handler with a worker and jobs that do as a test says."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from structlog.typing import FilteringBoundLogger

from functions.batch.handling import Answer, Handler
from mlops.batch.job import Format, Job, Keys, Task, Uploads
from mlops.batch.jobs import Jobs, Submission
from mlops.batch.worker import Attempt
from mlops.bootstrap.logs import open_logger
from mlops.errors import MlopsError
from mlops.inference.version import Pin
from tests.unit.fakes import MemoryObjects

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REMAINING = timedelta(minutes=5)
PIN = Pin.parse(f"churn-model-v1.0.0@sha256:{'0' * 64}")
ROOT = "s3://bucket/"
JOB = "job-1"
SUBMITTER = "nightly"
MAX_RECEIVES = 3


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


class MemoryQueue:
    """Implements `Queue`."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send(self, bodies: Any, owner: str) -> None:
        self.bodies += bodies


class FakeWorker:
    """Notes its tasks, then does what `doing` does."""

    def __init__(self) -> None:
        self.usable = True
        self.ran: list[tuple[Task, Attempt]] = []
        self.doing: Callable[[Task], None] = lambda task: None

    def run(self, task: Task, attempt: Attempt) -> bool:
        self.ran.append((task, attempt))
        self.doing(task)
        return self.usable

    @property
    def tasks(self) -> list[Task]:
        return [task for task, _ in self.ran]


class FailingJobs:
    """Implements what the handler needs of `Jobs`; raises `error` instead of accepting."""

    def __init__(self, jobs: Jobs, error: MlopsError, also_rejecting: bool = False) -> None:
        self._jobs = jobs
        self._error = error
        self._also_rejecting = also_rejecting

    def accept(self, job_id: str, submission: Submission) -> Job:
        raise self._error

    def reject(self, job_id: str, owner: str, reason: str) -> None:
        if self._also_rejecting:
            raise self._error
        self._jobs.reject(job_id, owner, reason)


class Context:
    aws_request_id = "8f5ad0c1"

    def get_remaining_time_in_millis(self) -> int:
        return REMAINING // timedelta(milliseconds=1)


@dataclass
class Service:
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    worker: FakeWorker = field(default_factory=FakeWorker)
    clock: Clock = field(default_factory=Clock)
    log: io.BytesIO = field(default_factory=io.BytesIO)

    def __post_init__(self) -> None:
        pins = {PIN.version.model: PIN}
        self.jobs = Jobs(self.objects, self.queue, Uploads(ROOT), pins, self.clock)
        self.handler = self.handler_with(self.jobs)

    def handler_with(self, jobs: Jobs | FailingJobs) -> Handler:
        return Handler(jobs, self.worker, self.clock, MAX_RECEIVES, self.logger())

    def logger(self) -> FilteringBoundLogger:
        return open_logger("test", self.log)

    def handle(self, *bodies: object, receives: int = 1) -> list[str]:
        """Identifiers of those that failed; the first body's message is "message-0"."""
        records = [
            record(body, f"message-{number}", receives) for number, body in enumerate(bodies)
        ]
        return failures(self.handler({"Records": records}, Context()))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().decode().splitlines()]

    def accepted(self, job_id: str = JOB) -> str:
        """A job that was submitted over the API; the body of its message."""
        rows = [{"customer_id": "C1", "tenure": 1, "monthly_charges": 1.0}]
        submission = Submission(SUBMITTER, "churn", Format.JSONL, Format.JSONL, rows=rows)
        self.jobs.accept(job_id, submission)
        return Task(job_id).to_text()

    def job(self) -> Job:
        """As it was written down."""
        return Job.from_bytes(self.objects.get(Keys(JOB).job).content)

    def reason(self, job_id: str = JOB) -> str | None:
        """Why a job is shown as failed."""
        return self.jobs.status(job_id, SUBMITTER).reason


def record(body: object, message_id: str = "message-0", receives: int = 1) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {"ApproximateReceiveCount": str(receives)},
        "eventSource": "aws:sqs",
    }


def submission(**changed: Any) -> dict[str, Any]:
    """A submitter's message; None takes a field out."""
    message: dict[str, Any] = {
        "job_id": JOB,
        "model": "churn",
        "rows": [{"customer_id": "C1", "tenure": 1, "monthly_charges": 1.0}],
        "submitted_by": SUBMITTER,
        **changed,
    }
    return {name: value for name, value in message.items() if value is not None}


def failures(answer: Answer) -> list[str]:
    (name,) = answer
    assert name == "batchItemFailures"
    assert all(entry.keys() == {"itemIdentifier"} for entry in answer[name])
    return [entry["itemIdentifier"] for entry in answer[name]]
