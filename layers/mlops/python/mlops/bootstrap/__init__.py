"""The only wiring: makes ports and services from settings. Every entry point starts here."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlops.batch.job import Limits, Uploads
from mlops.batch.jobs import Jobs
from mlops.batch.ports import Links, Queue
from mlops.errors import ConfigInvalid, StoreUnavailable
from mlops.inference.loading import ArtifactSource, ModelLoader, ServedModel
from mlops.inference.pinned import PinnedModels
from mlops.inference.version import ModelVersion, Pin
from mlops.local.cache import CachedSource
from mlops.local.files import FolderObjects
from mlops.local.queue import FolderQueue
from mlops.models.catalogue import CONTRACTS
from mlops.registry.objects import ObjectStore
from mlops.registry.pausing import jittered_pause
from mlops.registry.registry import Registry
from mlops.registry.versions import StoredVersions

if TYPE_CHECKING:
    from mlops.aws.signing import RequestSigner
    from mlops.batch.worker import Worker

_LINKS_LIVE_SECONDS = 3600


def utc_now() -> datetime:
    return datetime.now(UTC)


def open_objects(location: str, *, patient: bool = False) -> ObjectStore:
    """Open a store: a folder, or `s3://bucket[/prefix]`.

    patient: wait longer for a bucket than somebody who is waiting for an answer would.
    Raises StoreUnavailable where `location` is neither.
    """
    parts = urlsplit(location)
    if parts.scheme == "s3" and parts.netloc:
        # boto3 takes 0.4 s to import; a start that needs no S3 does not pay for it.
        from mlops.aws.s3 import BucketObjects, s3_client

        prefix = parts.path.strip("/")
        client = s3_client(patient=patient)
        return BucketObjects(client, parts.netloc, f"{prefix}/" if prefix else "")
    if parts.scheme:
        raise StoreUnavailable(location, "a store is a folder or s3://bucket[/prefix]")
    return FolderObjects(Path(location))


class _StoreOnDemand:
    """Opens a store when it is first read: where everything is baked in, that is never."""

    def __init__(self, location: str, patient: bool) -> None:
        self._location = location
        self._patient = patient
        self._versions: StoredVersions | None = None

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        if self._versions is None:
            objects = open_objects(self._location, patient=self._patient)
            self._versions = StoredVersions(objects)
        return self._versions.read(version, file, digest)


def open_registry(location: str) -> Registry:
    return Registry(open_objects(location, patient=True), pause=jittered_pause)


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


def request_signer(host: str) -> "RequestSigner":
    """For an API behind IAM. Raises ConfigInvalid."""
    from mlops.aws.signing import RequestSigner

    return RequestSigner(host)


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
    """Whoever only submits jobs does without the columnar reader that a worker imports."""
    from mlops.batch.worker import Worker

    models = open_models(baked, store, cache)
    objects = open_objects(store, patient=True)
    threads = os.cpu_count() or 1
    return Worker(objects, open_queue(queue), models, limits, utc_now, threads)


def open_models(baked: Path | None, store: str, cache: Path) -> Callable[[Pin], ServedModel]:
    """Models for many rows at once, by whatever pin."""
    loader = _loader(baked, store, cache, patient=True)
    # A warm process mostly sees one version; a release and a job from before it make two.
    return lru_cache(maxsize=4)(loader.load)


def _root(store: str) -> str:
    """What the URLs of inputs begin with; a folder's do as if it were a bucket."""
    parts = urlsplit(store)
    prefix = parts.path.strip("/")
    bucket = parts.netloc if parts.scheme == "s3" else "local"
    return f"s3://{bucket}/{prefix}/" if parts.scheme == "s3" and prefix else f"s3://{bucket}/"


def pinned_models(
    pins: Sequence[Pin], *, baked: Path | None, store: str | None, cache: Path
) -> PinnedModels:
    """The models a server serves: from the image where they are baked in, else from the store.

    baked: a folder with one folder a version.
    cache: what came from a store is kept here; for the process, and for the next one.
    """
    return PinnedModels(pins, _loader(baked, store, cache))


def _loader(
    baked: Path | None,
    store: str | None,
    cache: Path,
    *,
    patient: bool = False,
) -> ModelLoader:
    sources: list[ArtifactSource] = []
    if baked is not None:
        sources.append(StoredVersions(FolderObjects(baked), prefix=""))
    if store:  # an empty setting is none
        sources.append(CachedSource(_StoreOnDemand(store, patient), cache))
    return ModelLoader(sources, CONTRACTS)
