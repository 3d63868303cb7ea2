"""Versions in an object store: written once, visible when their manifest is, read by digest."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from mlops.errors import (
    ArtifactMissing,
    ObjectExists,
    ObjectNotFound,
    VersionExists,
    VersionInvalid,
    VersionNotFound,
)
from mlops.inference.manifest import MANIFEST, Manifest, digest_of
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.objects import ObjectStore

PREFIX = "models/"


class StoredVersions:
    """The versions below `prefix`, one folder each."""

    def __init__(self, objects: ObjectStore, prefix: str = PREFIX) -> None:
        self._objects = objects
        self._prefix = prefix

    def read(self, version: ModelVersion, file: str, digest: str = "") -> bytes:
        """See `ArtifactSource.read`; the digest is of no use here."""
        try:
            return self._objects.get(self._key(version, file)).content
        except ObjectNotFound as error:
            if file == MANIFEST:
                raise VersionNotFound(str(version)) from error
            raise ArtifactMissing(str(version), file) from error

    def manifest(self, version: ModelVersion) -> tuple[Pin, Manifest]:
        """A version as it lies here. Raises VersionNotFound, ManifestInvalid."""
        content = self.read(version, MANIFEST)
        return Pin(version, digest_of(content)), Manifest.from_bytes(version, content)

    def write(self, manifest: Manifest, files: Mapping[str, bytes]) -> Pin:
        """Write a version; the manifest comes last, so a crash leaves nothing that can be seen.

        Doing it again with the same content is no error: that is how a crash is repaired.
        Raises VersionExists where other content is there already.
        """
        version = manifest.version
        content = manifest.to_bytes()
        for file in sorted(files):
            self._create(version, file, files[file])
        self._create(version, MANIFEST, content)
        return Pin(version, digest_of(content))

    def occupied(self, model: str | None = None) -> Iterator[tuple[ModelVersion, bool]]:
        """Each version of `model`, or of all, that has any file, and whether it is complete."""
        files: dict[ModelVersion, set[str]] = {}
        start = self._prefix if model is None else f"{self._prefix}{model}-model-v"
        for key in self._objects.keys(start):
            name, _, file = key.removeprefix(self._prefix).partition("/")
            with suppress(VersionInvalid):  # then it is not one of ours
                files.setdefault(ModelVersion.parse(name), set()).add(file)
        for version in sorted(files):
            if model in (None, version.model):
                yield version, MANIFEST in files[version]

    def _create(self, version: ModelVersion, file: str, content: bytes) -> None:
        key = self._key(version, file)
        try:
            self._objects.create(key, content)
        except ObjectExists as error:
            if self._objects.get(key).content != content:
                raise VersionExists(str(version), file) from error

    def _key(self, version: ModelVersion, file: str) -> str:
        return f"{self._prefix}{version}/{file}"
