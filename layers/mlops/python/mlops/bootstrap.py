"""The only wiring: makes ports and services from settings. Every entry point starts here."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from mlops.errors import StoreUnavailable
from mlops.inference.loading import ArtifactSource, ModelLoader
from mlops.inference.pinned import PinnedModels
from mlops.inference.version import ModelVersion, Pin
from mlops.local.cache import CachedSource
from mlops.local.files import FolderObjects
from mlops.models.catalogue import CONTRACTS
from mlops.registry.objects import ObjectStore
from mlops.registry.pausing import jittered_pause
from mlops.registry.registry import Registry
from mlops.registry.versions import StoredVersions


def open_objects(location: str) -> ObjectStore:
    """Open a store: a folder, or `s3://bucket[/prefix]`.

    Raises StoreUnavailable where `location` is neither.
    """
    parts = urlsplit(location)
    if parts.scheme == "s3" and parts.netloc:
        # boto3 takes 0.4 s to import; a start that needs no S3 does not pay for it.
        from mlops.aws.s3 import BucketObjects, s3_client

        prefix = parts.path.strip("/")
        return BucketObjects(s3_client(), parts.netloc, f"{prefix}/" if prefix else "")
    if parts.scheme:
        raise StoreUnavailable(location, "a store is a folder or s3://bucket[/prefix]")
    return FolderObjects(Path(location))


class _StoreOnDemand:
    """Opens a store when it is first read: where everything is baked in, that is never."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._versions: StoredVersions | None = None

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        if self._versions is None:
            self._versions = StoredVersions(open_objects(self._location))
        return self._versions.read(version, file, digest)


def open_registry(location: str) -> Registry:
    return Registry(open_objects(location), pause=jittered_pause)


def pinned_models(
    pins: Sequence[Pin], *, baked: Path | None, store: str | None, cache: Path
) -> PinnedModels:
    """The models a server serves: from the image where they are baked in, else from the store.

    baked: a folder with one folder a version.
    cache: what came from a store is kept here; for the process, and for the next one.
    """
    sources: list[ArtifactSource] = []
    if baked is not None:
        sources.append(StoredVersions(FolderObjects(baked), prefix=""))
    if store is not None:
        sources.append(CachedSource(_StoreOnDemand(store), cache))
    return PinnedModels(pins, ModelLoader(sources, CONTRACTS))
