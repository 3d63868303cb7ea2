"""The only wiring: makes ports and services from settings. Every entry point starts here.

Here is what serves predictions. What else there is has a module each, so that no cold start of the
API waits for it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlops.errors import StoreUnavailable
from mlops.inference.loading import ArtifactSource, ModelLoader, ServedModel
from mlops.inference.pinned import PinnedModels
from mlops.inference.version import ModelVersion, Pin
from mlops.local.cache import CachedSource
from mlops.local.files import FolderObjects
from mlops.registry.objects import ObjectStore
from mlops.registry.versions import StoredVersions

if TYPE_CHECKING:
    from mlops.aws.signing import RequestSigner

_STORE = "a store is a folder or s3://bucket[/prefix]"


def utc_now() -> datetime:
    return datetime.now(UTC)


def open_objects(location: str, *, patient: bool = False) -> ObjectStore:
    """Open a store: a folder, or `s3://bucket[/prefix]`.

    patient: wait longer for a bucket than somebody who is waiting for an answer would.
    Raises StoreUnavailable where `location` is neither.
    """
    try:
        parts = urlsplit(location)
    except ValueError as error:  # of brackets around what is no address
        raise StoreUnavailable(location, _STORE) from error
    if parts.scheme == "s3" and parts.netloc:
        # boto3 takes 0.4 s to import; a start that needs no S3 does not pay for it.
        from mlops.aws.s3 import BucketObjects, s3_client

        prefix = parts.path.strip("/")
        client = s3_client(patient=patient)
        return BucketObjects(client, parts.netloc, f"{prefix}/" if prefix else "")
    if parts.scheme:
        raise StoreUnavailable(location, _STORE)
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


def request_signer(host: str) -> "RequestSigner":
    """For an API behind IAM. Raises ConfigInvalid."""
    from mlops.aws.signing import RequestSigner

    return RequestSigner(host)


def open_models(baked: Path | None, store: str, cache: Path) -> Callable[[Pin], ServedModel]:
    """Models for many rows at once, by whatever pin."""
    loader = _loader(baked, store, cache, patient=True)
    # A warm process mostly sees one version; a release and a job from before it make two.
    return lru_cache(maxsize=4)(loader.load)


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
    return ModelLoader(sources)
