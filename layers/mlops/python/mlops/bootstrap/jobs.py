"""Wiring of batch jobs: submitting them, and working on them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlops.batch.job import Limits, Uploads
from mlops.batch.jobs import Jobs
from mlops.batch.ports import Links, Queue
from mlops.bootstrap import open_models, open_objects, utc_now
from mlops.errors import ConfigInvalid, StoreUnavailable
from mlops.inference.version import Pin
from mlops.local.queue import FolderQueue

if TYPE_CHECKING:
    from mlops.batch.worker import Worker

_LINKS_LIVE_SECONDS = 3600


def open_queue(location: str) -> Queue:
    """Open a queue: a folder, or the URL of an SQS queue.

    Raises StoreUnavailable where `location` is neither.
    """
    scheme = urlsplit(location).scheme
    if scheme in ("http", "https"):
        from mlops.aws.sqs import SqsQueue, sqs_client

        return SqsQueue(sqs_client(), location)
    if scheme:
        raise StoreUnavailable(location, "a queue is a folder or the URL of an SQS queue")
    return FolderQueue(Path(location), utc_now)


def open_inbox(location: str, max_receives: int) -> FolderQueue:
    """Open the receiving end of a queue in a folder; SQS has pollers of its own.

    Raises ConfigInvalid where it is no folder.
    """
    if urlsplit(location).scheme:
        raise ConfigInvalid("MLOPS_QUEUE", "only a folder can be received from here")
    return FolderQueue(Path(location), utc_now, max_receives)


def open_jobs(store: str, queue: str, pins: Sequence[Pin]) -> Jobs:
    """Raises StoreUnavailable, ConfigInvalid."""
    return Jobs(
        open_objects(store),
        open_queue(queue),
        open_uploads(store),
        {pin.version.model: pin for pin in pins},
        utc_now,
    )


def open_uploads(store: str) -> Uploads:
    """Where inputs may lie. Asks nobody."""
    return Uploads(_root(store))


def open_links(store: str, served_at: str | None) -> Links:
    """Links to the objects of a store.

    served_at: URL of the server that serves a folder's objects; a bucket serves its own.
    """
    if urlsplit(store).scheme == "s3":
        from mlops.aws.links import PresignedLinks, presigning_client

        parts = urlsplit(store)
        prefix = parts.path.strip("/")
        return PresignedLinks(
            presigning_client(),
            parts.netloc,
            f"{prefix}/" if prefix else "",
            seconds=_LINKS_LIVE_SECONDS,
            now=utc_now,
        )
    if served_at is None:
        raise ConfigInvalid("MLOPS_SERVED_AT", "a folder's objects have no links without it")
    from mlops.local.links import ServedLinks

    return ServedLinks(served_at, seconds=_LINKS_LIVE_SECONDS, now=utc_now)


def open_worker(
    store: str, queue: str, *, baked: Path | None, cache: Path, limits: Limits
) -> "Worker":
    """Open a worker. It imports the columnar reader, which submitting jobs does not need."""
    from mlops.batch.worker import Worker

    models = open_models(baked, store, cache)
    objects = open_objects(store, patient=True)
    threads = os.cpu_count() or 1
    return Worker(objects, open_queue(queue), models, limits, utc_now, threads)


def _root(store: str) -> str:
    """What the URLs of inputs begin with; a folder's do as if it were a bucket."""
    parts = urlsplit(store)
    prefix = parts.path.strip("/")
    bucket = parts.netloc if parts.scheme == "s3" else "local"
    return f"s3://{bucket}/{prefix}/" if parts.scheme == "s3" and prefix else f"s3://{bucket}/"
