"""What a rebuild leaves out, and what is remembered of it."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from mlops.errors import ManifestInvalid, VersionExists
from mlops.inference.manifest import MANIFEST, digest_of
from mlops.registry.catalog import opened, serialized
from mlops.registry.journal import Journal, Stage, StageChange
from mlops.registry.registry import CATALOG, Registry
from tests.unit.fakes import MemoryObjects, no_pause, overwrite
from tests.unit.inference.building import V1, candidate, manifest_of, provenance

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
V2 = V1.next_minor()


@pytest.mark.parametrize("moved", [True, False], ids=["the journal knows", "the catalog knows"])
def test_a_version_that_is_not_what_was_registered_is_left_out(moved: bool) -> None:
    objects = MemoryObjects()
    registry = Registry(objects, no_pause)
    pin = registry.register(V1, candidate("a"), provenance())
    registry.register(V2, candidate("b"), provenance())
    if moved:
        registry.move(StageChange(V1, Stage.CANARY, NOON, "d00d"))
        overwrite(objects, CATALOG, b"damaged")
    other = manifest_of(candidate("other")).to_bytes()
    overwrite(objects, f"models/{V1}/{MANIFEST}", other)

    for _ in range(3):  # what was registered is known ever after, not only the first time
        rebuilt = registry.rebuild()
        assert [entry.version for entry in rebuilt.entries] == [V2]
        assert [str(error) for error in rebuilt.refused] == [
            f"{V1}: its manifest is {digest_of(other)}, registered was {pin.digest}"
        ]
        assert registry.left_out() == [pin]
    with pytest.raises(VersionExists):
        registry.register(V1, candidate("other"), provenance())
    with pytest.raises(ManifestInvalid, match=pin.digest):
        registry.move(StageChange(V1, Stage.CHAMPION, NOON))
    assert [entry.version for entry in registry.entries()] == [V2]
    assert Journal(objects).digests(V1) == ({pin.digest} if moved else set())


def spoil(objects: MemoryObjects) -> None:
    overwrite(objects, f"models/{V1}/{MANIFEST}", b"{}")


def remove(objects: MemoryObjects) -> None:
    for key in objects.keys(f"models/{V1}/"):
        objects.remove(key)


@pytest.mark.parametrize("lose", [spoil, remove])
def test_what_was_registered_is_known_until_it_is_there_again(
    lose: Callable[[MemoryObjects], None],
) -> None:
    objects = MemoryObjects()
    registry = Registry(objects, no_pause)
    pin = registry.register(V1, candidate("a"), provenance())
    lose(objects)
    registry.rebuild()
    assert (registry.entries(), registry.left_out()) == ([], [pin])
    with pytest.raises(VersionExists):
        registry.register(V1, candidate("b"), provenance())
    remove(objects)
    registry.register(V1, candidate("a"), provenance())
    assert ([entry.pin for entry in registry.entries()], registry.left_out()) == ([pin], [])
    assert registry.rebuild().refused == ()


def test_a_catalog_from_before_versions_were_left_out() -> None:
    objects = MemoryObjects()
    registry = Registry(objects, no_pause)
    pin = registry.register(V1, candidate("a"), provenance())
    before = objects.get(CATALOG).content
    with opened(before) as (_, connection):
        connection.execute("DROP TABLE left_out")
        overwrite(objects, CATALOG, serialized(connection))
    spoil(objects)
    assert registry.left_out() == []
    registry.rebuild()
    assert registry.left_out() == [pin]
