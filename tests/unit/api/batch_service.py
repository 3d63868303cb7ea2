"""The API with batch jobs kept in memory, asked by named callers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from functions.api.batch import Batch
from mlops.batch.job import Keys, Task, Uploads
from mlops.batch.jobs import Jobs
from mlops.batch.ports import Link
from mlops.batch.progress import Outcome, Plan, note
from mlops.errors import StoreUnavailable
from tests.unit.api.service import Answer, FakeSource, Service, service
from tests.unit.fakes import MemoryObjects, WatchedObjects
from tests.unit.inference.building import version_files

BATCH = "/v1/predict/batch"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ROWS = [{"customer_id": "C1", "tenure": 24, "monthly_charges": 79.5}, {"tenure": "many"}]
ROOT = "s3://store/"
ALICE = "arn:aws:iam::123456789012:user/alice"
ALICES_FOLDER = "iam=3aarn=3aaws=3aiam=3a=3a123456789012=3auser=2falice"
BOB = "arn:aws:sts::123456789012:assumed-role/analysts/bob"


class ListQueue:
    """Implements `Queue`; `down` is an outage."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.down = False

    def send(self, bodies: Sequence[str], owner: str) -> None:
        if self.down:
            raise StoreUnavailable("queue", "refused")
        self.sent.extend(map(json.loads, bodies))


class FakeLinks:
    """Implements `Links`; each lives a minute longer than the one before it."""

    def __init__(self) -> None:
        self._made = count(60)

    def upload(self, key: str, size: int) -> Link:
        return self._link("put", key, {"Content-Length": str(size)})

    def download(self, key: str) -> Link:
        return self._link("get", key, {})

    def _link(self, verb: str, key: str, headers: Mapping[str, str]) -> Link:
        expires_at = NOW + timedelta(minutes=next(self._made))
        return Link(f"https://{verb}.example/{key}", expires_at, headers)


@dataclass(frozen=True)
class BatchService:
    """store: what lies in it, whatever is in order. calls: what the API asked the store for."""

    api: Service
    store: MemoryObjects
    queue: ListQueue
    calls: list[str]
    outages: list[Exception] = field(default_factory=list)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        caller: str = ALICE,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """By Lambda's way in, as somebody whose signature the gateway checked."""
        return self.api.through_lambda(
            method,
            path,
            b"" if body is None else json.dumps(body).encode(),
            headers=headers or {},
            authorizer=signed_by(caller),
        )

    def submit(self, *, key: str | None = None, caller: str = ALICE, **changed: object) -> Answer:
        """Submit two rows for the churn model; None leaves a field out."""
        body = {"model": "churn", "rows": ROWS} | changed
        return self.ask(
            "POST",
            BATCH,
            {name: value for name, value in body.items() if value is not None},
            caller=caller,
            headers={} if key is None else {"Idempotency-Key": key},
        )

    def submitted(self, **changed: Any) -> str:
        """Submit a job; return its id."""
        answer = self.submit(**changed)
        assert answer.status == 202, answer.body
        job_id: str = answer.json()["job_id"]
        return job_id

    def upload(self, name: str = "rows.csv", content: bytes = b"customer_id\n") -> str:
        """Put an object into Alice's folder; return its URL."""
        key = f"batch/uploads/{ALICES_FOLDER}/{name}"
        self.store.create(key, content)
        return ROOT + key


def signed_by(arn: str) -> object:
    return {"iam": {"userArn": arn, "accountId": "123456789012"}}


def batch_service(**settings: Any) -> BatchService:
    store, queue = MemoryObjects(), ListQueue()
    calls: list[str] = []
    outages: list[Exception] = []

    def before(operation: str, key: str) -> None:
        calls.append(operation)
        if outages:
            raise outages[0]

    source = FakeSource(version_files())
    pins = {"churn": source.pin}
    jobs = Jobs(WatchedObjects(store, before), queue, Uploads(ROOT), pins, lambda: NOW)
    links, number = FakeLinks(), count(1)
    api = service(
        source,
        batch=Batch(
            lambda: jobs,
            lambda: links,
            lambda: Uploads(ROOT),
            new_job_id=lambda: f"job_{next(number):032x}",
            new_upload_id=lambda: f"{next(number):032x}",
        ),
        **settings,
    )
    return BatchService(api, store, queue, calls, outages)


def assert_problem(answer: Answer, status: int, slug: str) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:mlops-pipeline:problem:{slug}"
    return problem


def both_doors(
    api: Service, path: str, body: bytes, media_type: str = "application/json"
) -> Iterator[Answer]:
    yield api.asgi("POST", path, body, media_type=media_type)
    yield api.through_lambda("POST", path, body, media_type=media_type)
    yield api.through_lambda("POST", path, body, media_type=media_type, as_base64=True)


# --- what a worker leaves -------------------------------------------------------------------------


def started(store: MemoryObjects, job_id: str) -> None:
    note(store, Keys(job_id).started, NOW + timedelta(seconds=1))


def half_done(store: MemoryObjects, job_id: str) -> None:
    """The first of two chunks is done, three of its rows refused."""
    started(store, job_id)
    keys = Keys(job_id)
    store.create(keys.plan, Plan(15_000).to_bytes())
    store.create(keys.done_chunk(0, 9_997, 3), b"")


def failed(store: MemoryObjects, job_id: str) -> None:
    started(store, job_id)
    note(store, Keys(job_id).refused(0), NOW, reason="Line 7: a quote that is never closed")


def chunk_failed(store: MemoryObjects, job_id: str) -> None:
    """The second chunk has used up its tries."""
    note(store, Keys(job_id).failure(Task(job_id, 1)), NOW, reason="No time was left to go on")


def cancelled(store: MemoryObjects, job_id: str) -> None:
    note(store, Keys(job_id).outcome, NOW, outcome=Outcome.CANCELLED)


def succeeded(store: MemoryObjects, job_id: str) -> None:
    started(store, job_id)
    keys = Keys(job_id)
    note(store, keys.outcome, NOW, outcome=Outcome.FINISHED)
    rows = {"total": 2, "done": 1, "failed": 1}
    note(store, keys.summary, NOW + timedelta(seconds=2), rows=rows)
