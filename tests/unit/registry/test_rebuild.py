"""A registry that was lost or damaged is made anew from manifests and journal."""

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime

import pytest

from mlops.errors import DocumentInvalid, ManifestInvalid, RegistryBusy, RegistryCorrupt
from mlops.inference.manifest import MANIFEST, digest_of
from mlops.inference.version import ModelVersion
from mlops.registry.journal import Journal, Stage, StageChange
from mlops.registry.objects import ObjectStore
from mlops.registry.registry import CATALOG, Registry
from tests.unit.fakes import MemoryObjects, WatchedObjects, no_pause, overwrite
from tests.unit.inference.building import V1, candidate, provenance, version_files

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
V2 = V1.next_minor()
DIGEST = digest_of(b"a manifest")


@pytest.fixture
def registry(objects: ObjectStore) -> Registry:
    """Two versions with a history, and one of another model."""
    registry = Registry(objects, no_pause)
    registry.register(V1, candidate("a"), provenance())
    registry.register(V2, candidate("b"), provenance(code_sha=None))
    registry.register(ModelVersion("fraud", 1, 0, 0), candidate("c"), provenance())
    registry.move(StageChange(V1, Stage.CANARY, NOON, "d00d"))
    registry.move(StageChange(V1, Stage.CHAMPION, NOON, "d00d"))
    registry.move(StageChange(V1, Stage.RETIRED, NOON))
    registry.move(StageChange(V2, Stage.CHAMPION, NOON, "beef"))
    return registry


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_statement(content: bytes, statement: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(content)
        connection.execute(statement)
        connection.commit()
        return connection.serialize()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "truncated": truncated,
    "no database": lambda content: b"<html>Bad gateway</html>" * 500,
    "a page of zeros": lambda content: content[:4096] + bytes(4096) + content[8192:],
    "an index of other rows": lambda content: (
        content[:8192] + content[8192:12288].replace(b"churn", b"churm") + content[12288:]
    ),
    "no tables": lambda content: with_statement(content, "DROP TABLE versions"),
    "no version": lambda content: with_statement(
        content, "UPDATE versions SET version = 'X' || version"
    ),
    "no time": lambda content: with_statement(content, "UPDATE versions SET trained_at = 'x'"),
    "a metric that is infinite": lambda content: with_statement(
        content, """UPDATE versions SET metrics = '{"roc_auc": 1e999}'"""
    ),
    "no metrics": lambda content: with_statement(content, "UPDATE versions SET metrics = '{'"),
    "metrics that are no object": lambda content: with_statement(
        content, "UPDATE versions SET metrics = '3'"
    ),
    "no digest": lambda content: with_statement(content, "UPDATE versions SET digest = 'x'"),
    "no stage": lambda content: with_statement(content, "UPDATE stages SET stage = 'x'"),
    "no text": lambda content: with_statement(
        content, "UPDATE versions SET code_sha = CAST(x'ff' AS TEXT)"
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_registry_is_an_error_until_it_is_rebuilt_and_nothing_is_lost(
    objects: ObjectStore, registry: Registry, damage: str
) -> None:
    before = registry.entries()
    overwrite(objects, CATALOG, DAMAGES[damage](objects.get(CATALOG).content))
    with pytest.raises(RegistryCorrupt) as caught:
        registry.entries()
    assert "mlops registry rebuild" in str(caught.value)

    rebuilt = registry.rebuild()
    assert list(rebuilt.entries) == before
    assert rebuilt.refused == ()
    assert registry.entries() == before


def test_a_lost_registry_is_rebuilt() -> None:
    complete, without = MemoryObjects(), MemoryObjects()
    registry = Registry(complete, no_pause)
    registry.register(V1, candidate("a"), provenance())
    registry.move(StageChange(V1, Stage.CHAMPION, NOON, "d00d"))
    for key in complete.keys(""):
        if key != CATALOG:
            without.create(key, complete.get(key).content)
    assert Registry(without, no_pause).entries() == []
    assert list(Registry(without, no_pause).rebuild().entries) == registry.entries()


def test_nobody_registers_into_a_damaged_registry(objects: ObjectStore, registry: Registry) -> None:
    overwrite(objects, CATALOG, b"damaged")
    with pytest.raises(RegistryCorrupt):
        registry.register_next("churn", candidate("d"), provenance())
    assert objects.get(CATALOG).content == b"damaged"
    # Nobody can tell whether its name is taken, so nothing was written.
    assert len(registry.rebuild().entries) == 3


def test_what_is_refused_is_named_and_the_rest_is_there(
    objects: ObjectStore, registry: Registry
) -> None:
    overwrite(objects, f"models/{V1}/{MANIFEST}", b"{}")
    overwrite(objects, f"registry/journal/{V2}/000000.json", b"{}")
    rebuilt = registry.rebuild()
    assert [str(entry.version) for entry in rebuilt.entries] == ["fraud-model-v1.0.0"]
    assert [type(error) for error in rebuilt.refused] == [ManifestInvalid, DocumentInvalid]
    assert str(V1) in str(rebuilt.refused[0])
    assert str(V2) in str(rebuilt.refused[1])


def test_a_half_written_version_is_left_out_and_said(
    objects: ObjectStore, registry: Registry
) -> None:
    objects.create("models/churn-model-v1.2.0/model.onnx", b"")
    rebuilt = registry.rebuild()
    assert len(rebuilt.entries) == 3
    assert [str(error) for error in rebuilt.refused] == [
        "churn-model-v1.2.0: its manifest is missing: never finished, or damaged"
    ]


def test_a_stage_is_noted_where_the_catalog_cannot_be_read() -> None:
    objects = MemoryObjects()
    registry = Registry(objects, no_pause)
    registry.register(V1, candidate("a"), provenance())
    overwrite(objects, CATALOG, b"damaged")
    with pytest.raises(RegistryCorrupt):
        registry.move(StageChange(V1, Stage.CHAMPION, NOON))
    registry.rebuild()
    assert registry.entry(V1).stage is Stage.CHAMPION


def test_damage_of_any_kind_is_a_corrupt_registry_and_no_other_error(registry_bytes: bytes) -> None:
    """Entries may be wrong where a digit is, but they are entries."""
    outcomes = Counter(map(outcome, damaged(registry_bytes)))
    assert outcomes.keys() == {"entries", "corrupt"}
    assert min(outcomes.values()) > 20


@pytest.fixture
def registry_bytes() -> bytes:
    objects = MemoryObjects()
    registry = Registry(objects, no_pause)
    version = V1
    for number in range(12):
        registry.register(version, candidate(str(number)), provenance())
        registry.move(StageChange(version, Stage.CANARY, NOON, "d00d"))
        version = version.next_minor()
    return objects.get(CATALOG).content


def damaged(content: bytes) -> Iterator[bytes]:
    """Two hundred ways: bytes replaced, bits turned where there is something, an end cut off."""
    written = [position for position, byte in enumerate(content) if byte]
    for seed in range(200):
        chance = random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret
        changed = bytearray(content)
        if seed % 4 == 0:
            start = chance.randrange(len(changed))
            changed[start : start + 64] = chance.randbytes(64)
        elif seed % 4 == 1:
            del changed[chance.randrange(len(changed)) :]
        else:
            for _ in range(chance.choice((1, 5))):
                changed[chance.choice(written)] ^= 1 << chance.randrange(8)
        yield bytes(changed)


def outcome(content: bytes) -> str:
    objects = MemoryObjects()
    objects.create(CATALOG, content)
    try:
        entries = Registry(objects, no_pause).entries()
    except RegistryCorrupt:
        return "corrupt"
    assert all(isinstance(entry.metrics, Mapping) for entry in entries)
    return "entries"


def test_who_registers_during_a_rebuild_is_not_lost() -> None:
    objects, pauses = MemoryObjects(), list[int]()
    other = Registry(objects, no_pause)
    other.register(V1, candidate("a"), provenance())
    objects.create("models/churn-model-v1.9.0/manifest.json", b"damaged")
    during = [lambda: other.register(V2, candidate("b"), provenance())]

    def before(operation: str, key: str) -> None:
        if (operation, key) == ("replace", CATALOG) and during:
            during.pop()()

    rebuilt = Registry(WatchedObjects(objects, before), pauses.append).rebuild()
    assert [entry.version for entry in rebuilt.entries] == [V1, V2]
    assert len(rebuilt.refused) == 1
    assert pauses == [0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"stage": "champion", "at": "2026-02-01T12:00:00+00:00"}',
        b'{"stage": "unheard-of", "at": "2026-02-01T12:00:00+00:00", "deployed_sha": null}',
        b'{"stage": "champion", "at": "noon", "deployed_sha": null}',
        b'{"stage": "champion", "at": 12, "deployed_sha": null}',
        b'{"stage": "champion", "at": "2026-02-01", "deployed_sha": null, "digest": "x"}',
        b'{"stage": "champion", "at": "2026-02-01", "deployed_sha": null, "digest": null}',
    ],
)
def test_a_journal_that_cannot_be_read_is_an_error(content: bytes) -> None:
    objects = MemoryObjects()
    objects.create(f"registry/journal/{V1}/000000.json", content)
    with pytest.raises(RegistryCorrupt):
        list(Journal(objects).read())


def test_the_journal_of_all_versions() -> None:
    journal = Journal(MemoryObjects())
    changes = [StageChange(V2, Stage.CANARY, NOON), StageChange(V1, Stage.CHAMPION, NOON, "d00d")]
    for change in changes:
        journal.append(change, DIGEST)
    assert list(journal.read()) == changes[::-1]


def test_a_journal_in_which_every_number_is_taken() -> None:
    objects = MemoryObjects()

    def take(operation: str, key: str) -> None:
        if operation == "create":
            objects.create(key, b"the other's")

    with pytest.raises(RegistryBusy):
        Journal(WatchedObjects(objects, take)).append(StageChange(V1, Stage.CANARY, NOON), DIGEST)


def test_the_registry_of_a_store_that_holds_versions_only() -> None:
    objects = MemoryObjects()
    registry = Registry(objects, no_pause)
    registry.register(V1, version_files(), provenance())
    assert len(registry.rebuild().entries) == 1


def test_registering_after_the_registry_was_lost_brings_all_of_it_back() -> None:
    kept = MemoryObjects()
    first = Registry(kept, no_pause)
    first.register(V1, candidate("a"), provenance())
    first.move(StageChange(V1, Stage.CHAMPION, NOON, "d00d"))
    without = MemoryObjects()
    for key in kept.keys(""):
        if key != CATALOG:
            without.create(key, kept.get(key).content)

    registry = Registry(without, no_pause)
    registry.register(V2, candidate("b"), provenance())

    assert [(entry.version, entry.stage) for entry in registry.entries()] == [
        (V1, Stage.CHAMPION),
        (V2, Stage.CANDIDATE),
    ]
