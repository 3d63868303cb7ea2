"""Jobs and a worker on a store and a queue in memory, with the smallest model."""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from mlops.batch.job import NO_RENAMES, Format, Keys, Limits, Renames, Task, Uploads
from mlops.batch.jobs import Jobs, Submission
from mlops.batch.progress import Status
from mlops.batch.worker import Attempt, Worker
from mlops.errors import StoreUnavailable
from mlops.inference.loading import ModelLoader, ServedModel
from mlops.inference.manifest import MANIFEST, digest_of
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.objects import ObjectStore
from tests.unit.fakes import MemoryObjects, WatchedObjects, overwrite
from tests.unit.inference.building import V1, manifest_of, version_files

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWNER = "ann"
ROOT = "s3://store/"
HEADER = "customer_id,tenure,monthly_charges\n"


class Killed(BaseException):
    """What no handler catches: the process is gone."""


class Clock:
    """Moves by a millisecond at each look, and whenever it is told to."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time


class MemoryQueue:
    """Implements `Queue`; hands out what was sent, in order."""

    def __init__(self) -> None:
        self.waiting: deque[str] = deque()
        self.refuse_after: int | None = None
        self.fault: BaseException = StoreUnavailable("queue", "refused")

    def send(self, bodies: Sequence[str], owner: str) -> None:
        self.waiting.extend(bodies[: self.refuse_after])
        if self.refuse_after is not None:
            raise self.fault


class HeldVersion:
    """Implements `ArtifactSource` for one version."""

    def __init__(self) -> None:
        files = version_files()
        manifest = manifest_of(files).to_bytes()
        self._files = {**files, MANIFEST: manifest}
        self.pin = Pin(V1, digest_of(manifest))

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        return self._files[file]


VERSION = HeldVersion()


def load(pin: Pin) -> ServedModel:
    assert pin == VERSION.pin
    return ModelLoader([VERSION]).load(pin)


@dataclass
class Bench:
    """before: see `WatchedObjects`. The test's own looks at the store do not call it."""

    limits: Limits = Limits()
    before: Callable[[str, str], None] = lambda operation, key: None
    model: Callable[[Pin], ServedModel] = load
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    clock: Clock = field(default_factory=Clock)
    pins: dict[str, Pin] = field(default_factory=lambda: {"churn": VERSION.pin})

    @property
    def store(self) -> ObjectStore:
        return WatchedObjects(self.objects, lambda operation, key: self.before(operation, key))

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.store, self.queue, Uploads(ROOT), self.pins, self.clock)

    @property
    def worker(self) -> Worker:
        return Worker(self.store, self.queue, self.model, self.limits, self.clock)

    def submit(
        self,
        content: bytes,
        format: Format = Format.CSV,
        output: Format | None = None,
        job_id: str = "job-1",
        pin: Pin | None = None,
        rename: Renames = NO_RENAMES,
        escape_formulas: bool = True,
    ) -> str:
        """Put an input into the store and submit a job for it; its id."""
        key = f"batch/uploads/{OWNER}/{job_id}.{format}"
        self.objects.create(key, content)
        self.jobs.submit(
            job_id,
            Submission(
                owner=OWNER,
                model="churn",
                pin=pin,
                input_format=format,
                output_format=output or format,
                input=ROOT + key,
                rename=rename,
                escape_formulas=escape_formulas,
            ),
        )
        return job_id

    def replace_input(self, content: bytes, job_id: str = "job-1") -> None:
        overwrite(self.objects, f"batch/uploads/{OWNER}/{job_id}.csv", content)

    def attempt(self, *, last: bool = False, seconds: float = 120) -> Attempt:
        return Attempt(last, self.clock.time + timedelta(seconds=seconds))

    def step(self, *, last: bool = False, seconds: float = 120) -> None:
        """Work on the next message. One that fails goes back to the queue's end."""
        body = self.queue.waiting.popleft()
        try:
            self.worker.run(task_of(body), self.attempt(last=last, seconds=seconds))
        except BaseException:
            self.queue.waiting.append(body)
            raise

    def drain(self) -> None:
        while self.queue.waiting:
            self.step()

    def status(self, job_id: str = "job-1") -> Status:
        jobs = Jobs(self.objects, self.queue, Uploads(ROOT), {}, self.clock)
        return jobs.status(job_id, OWNER)

    def results(self, format: Format = Format.CSV, job_id: str = "job-1") -> bytes:
        return self.objects.get(Keys(job_id).results(format)).content

    def errors(self, format: Format = Format.CSV, job_id: str = "job-1") -> bytes:
        return self.objects.get(Keys(job_id).errors(format)).content

    def written(self) -> dict[str, bytes]:
        """What the submitter gets; not when."""
        return {
            key: self.objects.get(key).content
            for key in self.objects.keys("batch/jobs/")
            if "/results." in key or "/errors." in key
        }


def failing_on(operation: str, key: str, fault: BaseException) -> Callable[[str, str], None]:
    """For `Bench.before`."""

    def before(found: str, of: str) -> None:
        if (found, of) == (operation, key):
            raise fault

    return before


def task_of(body: str) -> Task:
    document: Any = json.loads(body)
    return Task(document["job_id"], document["chunk"], document.get("generation", 0))


def csv_of(rows: int, *, bad: Sequence[int] = ()) -> bytes:
    """A file of that many rows; those whose numbers (from 1) are named have no tenure."""
    lines = (
        f"C{row},{'' if row in bad else row % 73},{row % 120}.5\n" for row in range(1, rows + 1)
    )
    return (HEADER + "".join(lines)).encode()
