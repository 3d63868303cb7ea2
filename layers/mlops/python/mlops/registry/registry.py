"""The registry: versions, their journal, releases, and the catalog that is made from them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlops.errors import (
    ArtifactError,
    ManifestInvalid,
    MlopsError,
    ObjectBlocked,
    ObjectChanged,
    ObjectNotFound,
    RegistryBusy,
    RegistryCorrupt,
    StoreUnavailable,
    VersionExists,
    VersionNotFound,
)
from mlops.inference.manifest import MANIFEST, Manifest, Provenance, digest_of
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.catalog import Catalog, Entry, opened, serialized
from mlops.registry.journal import Journal, StageChange
from mlops.registry.objects import ObjectStore
from mlops.registry.pausing import tries
from mlops.registry.releases import ReleaseRecord, ReleaseRecords
from mlops.registry.versions import StoredVersions

CATALOG = "registry/registry.sqlite"
_TRIES = 20


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuilt registry holds, and why the versions and releases it lacks were refused."""

    entries: tuple[Entry, ...]
    refused: tuple[MlopsError, ...]


class Registry:
    """Reads and changes the registry in an object store. Writers may be many.

    pause: called with the number of the try that failed, before the next one.
    """

    def __init__(self, objects: ObjectStore, pause: Callable[[int], None]) -> None:
        self._objects = objects
        self._pause = pause
        self._journal = Journal(objects)
        self._releases = ReleaseRecords(objects)
        self.versions = StoredVersions(objects)

    def register(
        self, version: ModelVersion, files: Mapping[str, bytes], provenance: Provenance
    ) -> Pin:
        """Write a version and enter it. Repeating it with the same content changes nothing.

        Raises VersionExists, RegistryCorrupt, RegistryBusy.
        """
        manifest = Manifest.of_files(version, files, provenance)
        pin = Pin(version, digest_of(manifest.to_bytes()))

        def enter(catalog: Catalog) -> None:
            self._require_free(pin, catalog)
            catalog.put_version(pin, manifest)

        # The files may be gone, and the version is taken all the same: so it is asked before any
        # is written, and again when it is entered.
        with opened(self._read()[0]) as (catalog, _):
            self._require_free(pin, catalog)
        self.versions.write(manifest, files)
        self._update(enter)
        return pin

    def register_next(self, model: str, files: Mapping[str, bytes], provenance: Provenance) -> Pin:
        """Register under the next free version, or find that this very candidate is registered.

        Raises RegistryCorrupt, RegistryBusy.
        """
        for _ in tries(_TRIES, self._pause):
            version = self.next_version(model)
            for known, complete in self.versions.occupied(model):
                if complete and self._is(known, files, provenance):
                    version = known
            with suppress(VersionExists):  # somebody else took the number meanwhile
                return self.register(version, files, provenance)
        raise RegistryBusy(_TRIES)

    def next_version(self, model: str) -> ModelVersion:
        """One minor version after the highest that left any trace: a file, an entry, a change.

        Raises RegistryCorrupt.
        """
        found = {version for version, _ in self.versions.occupied(model)} | self._journal.versions()
        with opened(self._read()[0]) as (catalog, _):
            found |= catalog.digests().keys()
        taken = [version for version in found if version.model == model]
        return max(taken).next_minor() if taken else ModelVersion(model, 1, 0, 0)

    def move(self, change: StageChange) -> None:
        """Note that a version entered a stage.

        Raises VersionNotFound; ManifestInvalid, also where it is not what was registered;
        RegistryCorrupt, RegistryBusy.
        """
        pin, manifest = self.versions.manifest(change.version)
        # What is in the journal counts as registered: no other digest may come into it. A catalog
        # that cannot be read stops no release from noting its end.
        if others := self._others(pin, _digests(self._read()[0])):
            raise _changed(pin, min(others))
        self._journal.append(change, pin.digest)

        def note(catalog: Catalog) -> None:
            catalog.put_version(pin, manifest)
            catalog.put_history(change.version, self._journal.read(change.version))

        self._update(note)

    def record(self, release: ReleaseRecord) -> ReleaseRecord:
        """Write how a release ended. What was written first stays; return that."""
        self._releases.write(release)
        kept = self._releases.read(release.id)
        self._update(lambda catalog: catalog.put_release(kept))
        return kept

    def has_release(self, id: str) -> bool:
        """Tell whether a release is over: written down, and entered where a catalog can be read."""
        try:
            return any(release.id == id for release in self.releases())
        except RegistryCorrupt:
            return self._releases.has(id)

    def releases(self) -> list[ReleaseRecord]:
        """Releases that have ended, the last one last. Raises RegistryCorrupt."""
        with opened(self._read()[0]) as (catalog, _):
            return catalog.releases()

    def ended_at(self, now: datetime) -> datetime:
        """When a release has ended that ends now: after all others, by whichever clock they did.

        Laptops and Lambda note it, and a clock may be minutes wrong; what came after what decides
        where a rollback goes, and what a deployment does not bring back. Where the registry cannot
        be read, it is `now`.
        """
        with suppress(RegistryCorrupt):
            releases = self.releases()
            if releases:
                return max(now, releases[-1].ended_at + timedelta(microseconds=1))
        return now

    def entries(self, model: str | None = None) -> list[Entry]:
        """Registered versions, the newest last. Raises RegistryCorrupt."""
        with opened(self._read()[0]) as (catalog, _):
            return catalog.entries(model)

    def left_out(self) -> list[Pin]:
        """Versions that the last rebuild did not enter, as registered. Raises RegistryCorrupt."""
        with opened(self._read()[0]) as (catalog, _):
            return catalog.left_out()

    def entry(self, version: ModelVersion) -> Entry:
        """Raises VersionNotFound, RegistryCorrupt."""
        for entry in self.entries(version.model):
            if entry.version == version:
                return entry
        raise VersionNotFound(str(version))

    def rebuild(self) -> Rebuilt:
        """Make the catalog from manifests, journal and release records; replace the old one."""
        refused = self._update(lambda catalog: None, rebuild=True)
        return Rebuilt(tuple(self.entries()), tuple(refused))

    def _fill(self, catalog: Catalog, before: bytes | None) -> Iterator[MlopsError]:
        """Enter what the store holds; yield why a version, or a release, is left out.

        before: the catalog until now, which may know with what content versions were registered.
        """
        registered = _digests(before)
        for version, digest in registered.items():
            catalog.leave_out(Pin(version, digest))  # those that are entered below are not
        for version, complete in self.versions.occupied():
            try:
                if not complete:
                    reason = "its manifest is missing: never finished, or damaged"
                    raise ManifestInvalid(str(version), reason)
                pin, manifest = self.versions.manifest(version)
                history = list(self._journal.read(version))
                if others := self._others(pin, registered):
                    catalog.leave_out(Pin(version, min(others)))
                    raise _changed(pin, min(others))
            except (ArtifactError, RegistryCorrupt) as error:
                yield error
                continue
            catalog.put_version(pin, manifest)
            catalog.put_history(version, history)
        for id in self._releases.ids():
            try:
                catalog.put_release(self._releases.read(id))
            except RegistryCorrupt as error:
                yield error

    def _require_free(self, pin: Pin, catalog: Catalog) -> None:
        """Raises VersionExists where it is registered with other content, RegistryCorrupt."""
        if self._others(pin, catalog.digests()):
            raise VersionExists(str(pin.version), MANIFEST, "registry")

    def _others(self, pin: Pin, registered: Mapping[ModelVersion, str]) -> set[str]:
        """Digests with which the version was registered, or moved, other than the pin's.

        registered: as a catalog has it. Raises RegistryCorrupt.
        """
        known = self._journal.digests(pin.version) | {registered.get(pin.version, pin.digest)}
        return known - {pin.digest}

    def _is(
        self, version: ModelVersion, files: Mapping[str, bytes], provenance: Provenance
    ) -> bool:
        try:
            _, manifest = self.versions.manifest(version)
            return manifest == Manifest.of_files(version, files, provenance)
        except ArtifactError:
            return False

    def _update(
        self, change: Callable[[Catalog], None], *, rebuild: bool = False
    ) -> list[MlopsError]:
        """Return why something was left out, where the catalog had to be rebuilt."""
        for _ in tries(_TRIES, self._pause):
            content, tag = self._read()
            left_out: list[MlopsError] = []
            with opened(None if rebuild else content) as (catalog, connection):
                if rebuild or content is None:
                    # A catalog that got lost must not come back with a single version.
                    left_out = list(self._fill(catalog, content))
                change(catalog)
                changed = serialized(connection)
            with suppress(ObjectChanged):
                self._objects.replace(CATALOG, changed, tag)
                return left_out
        raise RegistryBusy(_TRIES)

    def _read(self) -> tuple[bytes | None, str | None]:
        """Return the catalog and its tag; None, None where there is none yet.

        Raises StoreUnavailable, also where something else lies in its place: there may be versions.
        """
        try:
            stamped = self._objects.get(CATALOG)
        except ObjectBlocked as error:
            raise StoreUnavailable(error.key, error.reason) from error
        except ObjectNotFound:
            return None, None
        return stamped.content, stamped.tag


def _changed(pin: Pin, registered: str) -> ManifestInvalid:
    reason = f"its manifest is {pin.digest}, registered was {registered}"
    return ManifestInvalid(str(pin.version), reason)


def _digests(content: bytes | None) -> Mapping[ModelVersion, str]:
    """What a catalog knows, if it can be read at all."""
    if content is not None:
        with suppress(RegistryCorrupt), opened(content) as (catalog, _):
            return catalog.digests()
    return {}
