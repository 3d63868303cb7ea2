"""Reading all that should agree, from wherever it is. What cannot be read is a fact too."""

from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from mlops.errors import (
    ArtifactError,
    ArtifactMissing,
    FunctionGone,
    MlopsError,
    RegistryCorrupt,
    StoreError,
    VersionNotFound,
)
from mlops.inference.loading import read_listed, read_manifest
from mlops.inference.manifest import MANIFEST, digest_of
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.catalog import Entry
from mlops.registry.journal import Journal, Stage
from mlops.registry.objects import ObjectStore
from mlops.registry.registry import Registry
from mlops.registry.releases import ReleaseRecord, ReleaseRecords
from mlops.registry.versions import PREFIX
from mlops.release.doctor.facts import (
    Committed,
    Deployed,
    Facts,
    Kept,
    Side,
    Unmade,
    planned,
    subject,
)
from mlops.release.ports import LATEST, Alarms, Dependencies, Function, FunctionVersion

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Shelf:
    """A store, to be asked. location: a folder, or s3://bucket[/prefix]."""

    location: str
    objects: ObjectStore
    registry: Registry


@dataclass(frozen=True)
class Cloud:
    """A deployed stack, to be asked.

    named: it is not the one that commands take by themselves. status: CloudFormation's.
    api, batch, release: AWS's names of the functions.
    alarms: all of them. holding: names of those that hold releases up.
    """

    stack: str
    named: bool
    status: str
    parameters: Mapping[str, str]
    api: str
    batch: str
    release: str
    deps: Dependencies
    alarms: Alarms
    holding: tuple[str, ...]


def gather(
    committed: Committed,
    models: Mapping[str, str],
    shelf: Shelf,
    cloud: Cloud | None,
    *,
    no_stack: str | None = None,
    unmade: Unmade | None = None,
    local: bool = False,
    unread: Mapping[str, str] | None = None,
) -> Facts:
    """See `Facts`; unread: what the caller could not read. Raises no MlopsError."""
    reading = _Reading(shelf.location, dict(unread or {}))
    kept = reading.kept(shelf)
    facts = Facts(
        committed=committed,
        models=models,
        deployed=None if cloud is None else reading.deployed(cloud, kept.records),
        no_stack=no_stack,
        unmade=unmade,
        local=local,
        kept=kept,
        unread=reading.unread,
    )
    # Which versions matter is known by now.
    return replace(facts, kept=replace(kept, damaged=reading.damaged(shelf, facts)))


class _Reading:
    """unread: see `Facts`; what is out of reach as a whole stands there once."""

    def __init__(self, location: str, unread: dict[str, str]) -> None:
        self._location = location
        self.unread = unread

    def kept(self, shelf: Shelf) -> Kept:
        entries, left_out, listed, corrupt = None, None, None, None
        try:
            entries = self._read(shelf.location, lambda: _entries(shelf.registry))
            left_out = self._read(shelf.location, lambda: _left_out(shelf.registry))
            listed = self._read(shelf.location, shelf.registry.releases)
        except RegistryCorrupt as error:
            corrupt = error.reason
        unlisted: list[str] = []
        if entries is not None:
            told = {*entries, *(pin.version for pin in left_out or ())}
            unlisted += self._read(shelf.location, lambda: _unlisted(shelf.registry, told)) or []
        known = {record.id for record in listed or ()}
        found = self._read(shelf.location, lambda: _lacking(shelf.objects, known))
        lacking, damaged_records = found or ({}, {})
        if listed is not None:
            unlisted += lacking
        records = [*(listed or ()), *lacking.values()]
        return Kept(
            location=shelf.location,
            entries=entries,
            records=(*sorted(records, key=lambda record: (record.ended_at, record.id)),),
            corrupt=corrupt,
            unlisted=tuple(unlisted),
            damaged_records=damaged_records,
            left_out=tuple(left_out or ()),
            stages=self._read(shelf.location, lambda: _stages(shelf.objects)) or {},
            damaged={},
        )

    def deployed(self, cloud: Cloud, records: Iterable[ReleaseRecord]) -> Deployed:
        last = planned(records)
        tried, batch_tried = (None, None) if last is None else subject(last)
        api = self._read(cloud.api, partial(_side, cloud.api, cloud.deps.api, tried))
        batch = self._read(cloud.batch, partial(_side, cloud.batch, cloud.deps.batch, batch_tried))
        over = {record.id for record in records}
        notes = [
            it.traffic.note for it in (api, batch) if it is not None and it.traffic is not None
        ]
        open_notes = [note for note in notes if note is not None and note.by not in over]
        release = open_notes[0].release if open_notes else None
        execution = None
        if release is not None:
            execution = self._read(release, partial(cloud.deps.executions.find, release))
        return Deployed(
            stack=cloud.stack,
            named=cloud.named,
            status=cloud.status,
            parameters=cloud.parameters,
            release_function=cloud.release,
            api=api,
            batch=batch,
            release=release,
            is_running=release in self.unread or bool(execution and execution.is_running),
            alarms=self._read("The alarms", cloud.alarms.raised) or (),
            holding=cloud.holding,
        )

    def damaged(self, shelf: Shelf, facts: Facts) -> Mapping[Pin, MlopsError]:
        needed = facts.uses().keys()
        registered = facts.kept.registered
        keys = self._read(shelf.location, lambda: {*shelf.objects.keys(PREFIX)})
        damaged = {}
        for pin in sorted(needed | registered, key=str) if keys is not None else ():
            check = partial(_damage, shelf.registry, pin, None if pin in needed else keys)
            damage = self._read(shelf.location, check)
            if damage is not None:
                damaged[pin] = damage
        return damaged

    def _read(self, what: str, read: Callable[[], _Read]) -> _Read | None:
        """Raises RegistryCorrupt: that can be mended."""
        try:
            return read()
        except RegistryCorrupt:
            raise
        except StoreError as error:
            self.unread.setdefault(self._location, str(error))
        except MlopsError as error:
            self.unread.setdefault(what, str(error))
        return None


def _entries(registry: Registry) -> Mapping[ModelVersion, Entry]:
    return {entry.version: entry for entry in registry.entries()}


def _unlisted(registry: Registry, told: Container[ModelVersion]) -> list[str]:
    occupied = registry.versions.occupied()
    return [str(version) for version, whole in occupied if whole and version not in told]


def _left_out(registry: Registry) -> list[Pin]:
    """Those that no rebuild enters; one that is as it was registered again is only unlisted."""
    found = []
    for pin in registry.left_out():
        with suppress(VersionNotFound):
            if digest_of(registry.versions.read(pin.version, MANIFEST)) != pin.digest:
                found.append(pin)
    return found


def _lacking(
    objects: ObjectStore, known: Container[str]
) -> tuple[Mapping[str, ReleaseRecord], Mapping[str, str]]:
    """Return the records that the registry lacks, and why others of them cannot be read."""
    records = ReleaseRecords(objects)
    found, damaged = {}, {}
    for id in records.ids():
        if id not in known:
            try:
                found[id] = records.read(id)
            except RegistryCorrupt as error:
                damaged[id] = error.reason
    return found, damaged


def _stages(objects: ObjectStore) -> Mapping[ModelVersion, Stage]:
    with suppress(RegistryCorrupt):  # a rebuild says which entry of the journal it is
        return {change.version: change.stage for change in Journal(objects).read()}
    return {}


def _damage(registry: Registry, pin: Pin, keys: set[str] | None) -> MlopsError | None:
    """keys: of all files there are, where their names will do. Raises any StoreError."""
    versions = registry.versions
    try:
        manifest = read_manifest(versions, pin)
        for file in manifest.files:
            if keys is None:
                read_listed(versions, manifest, file)
            elif f"{PREFIX}{pin.version}/{file}" not in keys:
                raise ArtifactMissing(str(pin.version), file)
    except (VersionNotFound, ArtifactError) as error:
        return error
    return None


def _side(name: str, function: Function, tried: str | None) -> Side:
    """Raises CloudUnavailable, PinInvalid."""
    traffic = _there(function.traffic)

    def describe(number: str | None) -> FunctionVersion | None:
        return None if number is None else _there(partial(function.describe, number))

    live = None if traffic is None else traffic.version
    return Side(name, describe(LATEST), traffic, describe(live), describe(tried))


def _there(ask: Callable[[], _Read]) -> _Read | None:
    with suppress(FunctionGone):
        return ask()
    return None
