"""Releases in the registry: written once, and found again when it is rebuilt."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlops.errors import RegistryCorrupt
from mlops.inference.manifest import digest_of
from mlops.inference.version import Pin
from mlops.registry.objects import ObjectStore
from mlops.registry.registry import CATALOG, Registry
from mlops.registry.releases import Ended, Kind, ReleaseRecord, ReleaseRecords
from tests.unit.fakes import MemoryObjects, no_pause, overwrite
from tests.unit.inference.building import V1, candidate, provenance

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
FIRST = ReleaseRecord(
    id="first-1",
    kind=Kind.FIRST,
    outcome=Ended.PROMOTED,
    reasons=(),
    by="the stack",
    started_at=NOON,
    ended_at=NOON,
    candidate="1",
    batch_candidate="1",
)
RELEASE = ReleaseRecord(
    id="release-1",
    kind=Kind.RELEASE,
    outcome=Ended.ROLLED_BACK,
    reasons=("errors: 3 of 4", "it was slow"),
    by="ann",
    started_at=NOON,
    ended_at=NOON + timedelta(minutes=30),
    champion="1",
    candidate="2",
    batch_champion="1",
    batch_candidate="2",
    pins=(Pin(V1, digest_of(b"a manifest")),),
    deployed_sha="d00d",
)
KEY = "registry/releases/release-1.json"


@pytest.fixture
def registry(objects: ObjectStore) -> Registry:
    registry = Registry(objects, no_pause)
    registry.record(RELEASE)
    registry.record(FIRST)
    return registry


def test_releases_are_there_the_last_one_last(registry: Registry) -> None:
    assert registry.releases() == [FIRST, RELEASE]


def test_there_are_none_at_first() -> None:
    assert Registry(MemoryObjects(), no_pause).releases() == []


def test_what_ends_now_ends_after_all_others_by_whichever_clock(registry: Registry) -> None:
    later = RELEASE.ended_at + timedelta(hours=1)
    assert registry.ended_at(later) == later
    for now in (NOON, RELEASE.ended_at):
        assert registry.ended_at(now) == RELEASE.ended_at + timedelta(microseconds=1)


def test_and_then_where_nobody_knows_of_others() -> None:
    objects = MemoryObjects()
    assert Registry(objects, no_pause).ended_at(NOON) == NOON
    objects.create(CATALOG, b"oops")
    assert Registry(objects, no_pause).ended_at(NOON) == NOON


def test_what_was_recorded_first_stays(registry: Registry) -> None:
    registry.record(replace(RELEASE, outcome=Ended.PROMOTED))
    assert registry.releases() == [FIRST, RELEASE]


def test_they_can_be_queried(objects: ObjectStore, registry: Registry) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(objects.get(CATALOG).content)
        rows = connection.execute(
            "SELECT id, candidate, reasons FROM releases WHERE outcome = 'ROLLED_BACK'"
        ).fetchall()
    assert rows == [("release-1", "2", json.dumps(RELEASE.reasons))]


def test_a_registry_that_was_lost_finds_them_again(
    objects: ObjectStore, registry: Registry
) -> None:
    overwrite(objects, CATALOG, b"damaged")
    with pytest.raises(RegistryCorrupt):
        registry.releases()
    assert registry.rebuild().refused == ()
    assert registry.releases() == [FIRST, RELEASE]


def test_a_catalog_from_before_there_were_releases(objects: ObjectStore) -> None:
    registry = Registry(objects, no_pause)
    registry.register(V1, candidate("a"), provenance())
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(objects.get(CATALOG).content)
        connection.execute("DROP TABLE releases")
        connection.commit()
        overwrite(objects, CATALOG, connection.serialize())
    assert registry.releases() == []
    registry.record(RELEASE)
    assert registry.releases() == [RELEASE]
    assert len(registry.entries()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "LOST"},
        {"kind": None},
        {"id": "release-2"},
        {"ended_at": "noon"},
        {"reasons": [1]},
        {"reasons": None},
        {"pins": ["churn"]},
        {"candidate": 2},
        {"by": None},
    ],
)
def test_a_record_that_cannot_be_read_is_left_out_and_named(
    objects: ObjectStore, registry: Registry, changes: dict[str, object]
) -> None:
    document = {**RELEASE.to_document(), **changes}
    overwrite(objects, KEY, json.dumps(document).encode())
    (refused,) = registry.rebuild().refused
    assert isinstance(refused, RegistryCorrupt)
    assert KEY in str(refused)
    assert registry.releases() == [FIRST]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{}", b"[" * 100_000])
def test_an_object_that_is_no_record(content: bytes) -> None:
    objects = MemoryObjects()
    objects.create(KEY, content)
    with pytest.raises(RegistryCorrupt, match="release-1"):
        ReleaseRecords(objects).read("release-1")


def test_a_row_that_cannot_be_read(objects: ObjectStore, registry: Registry) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(objects.get(CATALOG).content)
        connection.execute("UPDATE releases SET reasons = '{'")
        connection.commit()
        overwrite(objects, CATALOG, connection.serialize())
    with pytest.raises(RegistryCorrupt):
        registry.releases()


def test_which_releases_moved_what_is_live() -> None:
    assert FIRST.moved
    assert not RELEASE.moved
    assert replace(RELEASE, outcome=Ended.PROMOTED).moved
    assert replace(RELEASE, kind=Kind.ROLLBACK).moved
    assert not replace(RELEASE, kind=Kind.ROLLBACK, outcome=Ended.REFUSED).moved
