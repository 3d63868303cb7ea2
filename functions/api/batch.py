"""What the batch routes need: ids of jobs, and ports that open when they are first used."""

import hashlib
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fastapi import Request, Response

from functions.api.body import StrictJsonRoute
from functions.api.errors import BatchUnavailable
from functions.api.settings import Settings
from mlops.batch.job import Uploads
from mlops.batch.jobs import Jobs
from mlops.batch.ports import Links
from mlops.bootstrap.jobs import open_jobs, open_links, open_uploads
from mlops.errors import ConfigInvalid, StoreError, StoreFull


def new_job_id() -> str:
    return f"job_{uuid.uuid4().hex}"


def new_upload_id() -> str:
    return uuid.uuid4().hex


def job_id_of(owner: str, idempotency_key: str) -> str:
    """Return the same id for the same owner and key, and another for any others."""
    text = f"{owner}\0{idempotency_key}"  # neither has a NUL
    return f"job_{hashlib.sha256(text.encode()).hexdigest()[:32]}"


@dataclass(frozen=True)
class Batch:
    """jobs, links, uploads: raise ConfigInvalid or StoreUnavailable where they cannot be opened."""

    jobs: Callable[[], Jobs]
    links: Callable[[], Links]
    uploads: Callable[[], Uploads]
    new_job_id: Callable[[], str] = field(default=new_job_id)
    new_upload_id: Callable[[], str] = field(default=new_upload_id)


def batch_on_demand(settings: Settings) -> Batch:
    """Return ports that are not open yet: a process that only predicts never waits for boto3."""

    @cache
    def jobs() -> Jobs:
        queue = _given("MLOPS_QUEUE", settings.queue)
        return open_jobs(_given("MLOPS_STORE", settings.store), queue, settings.parsed_pins())

    @cache
    def links() -> Links:
        return open_links(_given("MLOPS_STORE", settings.store), settings.served_at)

    def uploads() -> Uploads:
        return open_uploads(_given("MLOPS_STORE", settings.store))

    return Batch(jobs, links, uploads)


def _given(variable: str, value: str | None) -> str:
    if not value:
        raise ConfigInvalid(variable, "it is not set, and batch jobs need it")
    return value


class BatchRoute(StrictJsonRoute):
    """A route that answers 503 where the store or the queue fails, while models still work."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_batch(request: Request) -> Response:
            try:
                return await handle(request)
            except StoreFull:
                raise
            except (ConfigInvalid, StoreError) as error:
                raise BatchUnavailable(str(error)) from error

        return handle_batch


class SubmissionRoute(BatchRoute):
    """A route that takes as large a body as Lambda does: 6 MB with the event's other fields."""

    max_bytes = 6_000_000
