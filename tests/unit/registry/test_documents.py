"""Documents that somebody else has changed are left out with the reason; the rest stays usable."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from mlops.errors import DocumentInvalid, RegistryCorrupt
from mlops.inference.version import ModelVersion
from mlops.registry import catalog
from mlops.registry.documents import MAX_BYTES, parse_object, parse_time
from mlops.registry.journal import Journal, Stage, StageChange
from mlops.registry.registry import CATALOG, Registry
from mlops.registry.releases import Ended, Kind, ReleaseRecord, ReleaseRecords
from tests.unit.fakes import MemoryObjects, no_pause, overwrite
from tests.unit.inference.building import V1, candidate, provenance

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
GOOD = ReleaseRecord("good", Kind.RELEASE, Ended.PROMOTED, ("fine",), "ann", NOON, NOON)
BAD = ReleaseRecord("bad", Kind.RELEASE, Ended.PROMOTED, ("fine",), "ann", NOON, NOON)
RELEASE_KEY = "registry/releases/bad.json"
JOURNAL_KEY = f"registry/journal/{V1}/000000.json"
V2 = V1.next_minor()


@pytest.fixture
def objects() -> MemoryObjects:
    """A store with two versions and two releases; tests damage V1 and the release `bad`."""
    objects = MemoryObjects()
    registry = Registry(objects, no_pause)
    for version, name in ((V1, "a"), (V2, "b")):
        registry.register(version, candidate(name), provenance())
        registry.move(StageChange(version, Stage.CHAMPION, NOON, "d00d"))
    registry.record(GOOD)
    registry.record(BAD)
    return objects


@pytest.fixture
def registry(objects: MemoryObjects) -> Registry:
    return Registry(objects, no_pause)


RELEASE_CHANGES = {
    "no time zone": {"ended_at": "2026-02-01T12:00:00"},
    "no time zone at the start": {"started_at": "2026-02-01T12:00:00"},
    "a date only": {"ended_at": "2026-02-01"},
    "a number as time": {"ended_at": 1769947200},
    "the last year there is": {"ended_at": "9999-12-31T23:59:59.999999+00:00"},
    "the first year there is": {"ended_at": "0001-01-01T00:00:00+14:00"},
    "reasons as one text": {"reasons": "fine"},
    "pins as one text": {"pins": "churn"},
    "pins as an object": {"pins": {}},
    "an unknown outcome": {"outcome": "WON"},
    "a list as outcome": {"outcome": []},
    "a number as version": {"candidate": 3},
    "an object as commit": {"deployed_sha": {}},
    "another id": {"id": "good"},
}


@pytest.mark.parametrize("changes", RELEASE_CHANGES.values(), ids=RELEASE_CHANGES)
def test_a_damaged_release_is_left_out_and_the_others_are_read(
    objects: MemoryObjects, registry: Registry, changes: dict[str, object]
) -> None:
    overwrite(objects, RELEASE_KEY, json.dumps({**BAD.to_document(), **changes}).encode())
    (refused,) = registry.rebuild().refused
    assert isinstance(refused, DocumentInvalid)
    assert str(refused).startswith(f"{RELEASE_KEY} is damaged: ")
    assert "rebuild" not in str(refused)
    assert registry.releases() == [GOOD]
    assert registry.ended_at(NOON) == NOON + timedelta(microseconds=1)


def test_a_release_without_time_zone_in_the_catalog_is_healed_by_a_rebuild(
    objects: MemoryObjects, registry: Registry
) -> None:
    naive = {"ended_at": "2026-02-01T12:00:00"}
    overwrite(objects, RELEASE_KEY, json.dumps({**BAD.to_document(), **naive}).encode())
    overwrite(
        objects,
        CATALOG,
        with_statement(
            objects.get(CATALOG).content,
            "UPDATE releases SET ended_at = '2026-02-01T12:00:00' WHERE id = 'bad'",
        ),
    )
    with pytest.raises(RegistryCorrupt, match=r"no time zone.*mlops registry rebuild"):
        registry.releases()
    assert len(registry.rebuild().refused) == 1
    assert registry.releases() == [GOOD]


JOURNAL_CHANGES = {
    "no time zone": {"at": "2026-02-01T12:00:00"},
    "an object as commit": {"deployed_sha": {"a": 1}},
    "a list as digest": {"digest": []},
    "no digest": {"digest": None},
    "an unknown stage": {"stage": "hero"},
}


@pytest.mark.parametrize("changes", JOURNAL_CHANGES.values(), ids=JOURNAL_CHANGES)
def test_a_version_whose_journal_is_damaged_is_left_out_and_the_others_are_read(
    objects: MemoryObjects, registry: Registry, changes: dict[str, object]
) -> None:
    document = json.loads(objects.get(JOURNAL_KEY).content)
    overwrite(objects, JOURNAL_KEY, json.dumps({**document, **changes}).encode())
    rebuilt = registry.rebuild()
    assert [entry.version for entry in rebuilt.entries] == [V2]
    (refused,) = rebuilt.refused
    assert str(refused).startswith(f"{JOURNAL_KEY} is damaged: ")


CONTENTS = {
    "empty": b"",
    "no object": b"[]",
    "not UTF-8": b'{"id": "\xff"}',
    "half a character": b'{"id": "bad", "by": "\\ud800"}',
    "a key twice": b'{"id": "bad", "id": "bad"}',
    "deeply nested": b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number without end": b'{"id": ' + b"9" * 100_000 + b"}",
    "no number": b'{"id": NaN}',
    "too large": b'{"id": "' + b"x" * MAX_BYTES + b'"}',
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("key", [RELEASE_KEY, JOURNAL_KEY, f"models/{V1}/manifest.json"])
def test_bytes_that_are_no_document_are_left_out(
    objects: MemoryObjects, registry: Registry, key: str, content: bytes
) -> None:
    overwrite(objects, key, content)
    rebuilt = registry.rebuild()
    (refused,) = rebuilt.refused
    assert (RELEASE_KEY if key == RELEASE_KEY else str(V1)) in str(refused)
    assert len(rebuilt.entries) + len(registry.releases()) == 3


def test_a_time_in_another_zone_is_read_as_utc() -> None:
    found = parse_time("2026-02-01T14:00:00+02:00")
    assert found == NOON
    assert found.tzinfo == UTC


def test_a_document_of_the_largest_size_is_read() -> None:
    text = "x" * (MAX_BYTES - len('{"a": ""}'))
    assert parse_object(json.dumps({"a": text}).encode()) == {"a": text}


def test_the_journal_and_the_records_name_the_damaged_document(objects: MemoryObjects) -> None:
    overwrite(objects, JOURNAL_KEY, b"{}")
    overwrite(objects, RELEASE_KEY, b"{}")
    with pytest.raises(DocumentInvalid, match="it has no 'stage'"):
        list(Journal(objects).read(V1))
    with pytest.raises(DocumentInvalid, match="it has no 'id'"):
        ReleaseRecords(objects).read("bad")


def with_statement(content: bytes, *statements: str) -> bytes:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(content)
        for statement in statements:
            connection.execute(statement)
        return connection.serialize()


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
HOSTILE: dict[str, tuple[str, ...]] = {
    "a view in place of a table": (
        "ALTER TABLE versions RENAME TO old",
        "CREATE VIEW versions AS SELECT * FROM old UNION ALL"  # noqa: S608 -- our own attack
        f" SELECT i, i, i, i, i, i, i FROM ({ENDLESS})",
    ),
    "a trigger on releases": (
        "CREATE TRIGGER t AFTER INSERT ON releases BEGIN DELETE FROM versions; END",
    ),
    "a trigger that fails": (
        "CREATE TRIGGER t BEFORE DELETE ON stages BEGIN SELECT RAISE(ABORT, 'no'); END",
    ),
    "a trigger that never ends": (
        "CREATE TRIGGER t AFTER INSERT ON versions BEGIN"  # noqa: S608 -- our own attack
        f" DELETE FROM stages WHERE number IN ({ENDLESS}); END",
    ),
    "a generated column": (
        "ALTER TABLE versions ADD COLUMN more TEXT AS (hex(zeroblob(1000000000)))",
    ),
    "another column": ("ALTER TABLE versions ADD COLUMN more TEXT",),
    "an index of an expression": ("CREATE INDEX i ON versions (hex(zeroblob(length(version))))",),
    "another table": ("CREATE TABLE more (x)",),
    "a virtual table": ("CREATE VIRTUAL TABLE more USING fts5(x)",),
    "a table without types": (
        "CREATE TABLE loose AS SELECT * FROM versions",
        "DROP TABLE versions",
        "ALTER TABLE loose RENAME TO versions",
    ),
    "statistics": ("ANALYZE",),
    "a schema edited by hand": (
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'stages'",
    ),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("statements", HOSTILE.values(), ids=HOSTILE)
def test_a_catalog_that_is_more_than_data_is_refused_and_rebuilt(
    objects: MemoryObjects, registry: Registry, statements: tuple[str, ...]
) -> None:
    before = registry.entries(), registry.releases()
    overwrite(objects, CATALOG, with_statement(objects.get(CATALOG).content, *statements))
    reads: list[Callable[[], object]] = [
        registry.entries,
        registry.releases,
        registry.left_out,
        lambda: registry.entry(V1),
        lambda: registry.record(GOOD),
        lambda: registry.register(ModelVersion("churn", 3, 0, 0), candidate("c"), provenance()),
    ]
    for read in reads:
        with pytest.raises(RegistryCorrupt, match="mlops registry rebuild"):
            read()
    assert registry.rebuild().refused == ()
    assert (registry.entries(), registry.releases()) == before


def test_a_catalog_of_more_bytes_than_a_registry_has_is_refused(
    objects: MemoryObjects, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MAX_BYTES", len(objects.get(CATALOG).content) - 1)
    with pytest.raises(RegistryCorrupt, match="bytes"):
        registry.entries()


def test_a_catalog_in_another_encoding_or_of_another_application_is_data_all_the_same(
    objects: MemoryObjects, registry: Registry
) -> None:
    before = registry.entries()
    content = with_statement(
        objects.get(CATALOG).content, "PRAGMA application_id = 7", "PRAGMA user_version = 9"
    )
    overwrite(objects, CATALOG, content)
    assert registry.entries() == before
