"""Registering, moving and reading, with nobody in the way."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mlops.errors import VersionExists, VersionNotFound
from mlops.inference.manifest import digest_of
from mlops.inference.version import ModelVersion
from mlops.registry.journal import Stage, StageChange
from mlops.registry.objects import ObjectStore
from mlops.registry.registry import CATALOG, Registry
from tests.unit.fakes import MemoryObjects, no_pause, overwrite
from tests.unit.inference.building import (
    TRAINED_AT,
    V1,
    candidate,
    manifest_of,
    provenance,
    version_files,
)

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture
def registry(objects: ObjectStore) -> Registry:
    return Registry(objects, no_pause)


def test_a_registered_version_is_there_with_all_that_is_known(registry: Registry) -> None:
    files = version_files()
    pin = registry.register(V1, files, provenance())
    assert pin.digest == digest_of(manifest_of(files).to_bytes())
    entry = registry.entry(V1)
    assert (entry.pin, entry.version) == (pin, V1)
    assert entry.trained_at == TRAINED_AT
    assert entry.metrics == {"holdout": {"roc_auc": 0.84}}
    assert entry.data_digest == digest_of(b"the data")
    assert entry.code_sha == "c0ffee"
    assert (entry.stage, entry.deployed_sha, entry.history) == (Stage.CANDIDATE, None, ())
    assert registry.entries() == [entry]


def test_the_registry_is_a_database_that_anybody_can_query(
    objects: ObjectStore, registry: Registry
) -> None:
    pin = registry.register(V1, version_files(), provenance(code_sha=None))
    registry.move(StageChange(V1, Stage.CHAMPION, NOON, "d00d"))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(objects.get(CATALOG).content)
        versions = connection.execute("SELECT * FROM versions").fetchall()
        stages = connection.execute("SELECT * FROM stages").fetchall()
    assert versions == [
        (
            "churn-model-v1.0.0",
            "churn",
            pin.digest,
            "2026-01-02T03:04:05+00:00",
            json.dumps({"holdout": {"roc_auc": 0.84}}),
            digest_of(b"the data"),
            None,
        )
    ]
    assert stages == [("churn-model-v1.0.0", 0, "champion", "2026-02-01T12:00:00+00:00", "d00d")]


def test_registering_the_same_again_changes_nothing(
    objects: ObjectStore, registry: Registry
) -> None:
    pin = registry.register(V1, version_files(), provenance())
    assert registry.register(V1, version_files(), provenance()) == pin
    assert len(registry.entries()) == 1


def test_other_content_under_a_registered_version_is_refused(registry: Registry) -> None:
    pin = registry.register(V1, version_files(), provenance())
    with pytest.raises(VersionExists):
        registry.register(V1, candidate("other"), provenance())
    with pytest.raises(VersionExists):
        registry.register(V1, version_files(), provenance(code_sha="beef"))
    assert [entry.pin for entry in registry.entries()] == [pin]


@pytest.mark.parametrize("known", ["catalog", "journal"])
def test_a_version_is_taken_also_where_its_files_are_gone(known: str) -> None:
    objects = MemoryObjects()
    registry = Registry(objects, no_pause)
    registry.register(V1, candidate("a"), provenance())
    if known == "journal":
        registry.move(StageChange(V1, Stage.CANARY, NOON))
        objects.remove(CATALOG)
    for key in objects.keys("models/"):
        objects.remove(key)
    with pytest.raises(VersionExists, match=r"another manifest\.json in the registry"):
        registry.register(V1, candidate("b"), provenance())
    assert [*objects.keys("models/")] == []
    assert registry.register_next("churn", candidate("b"), provenance()).version == V1.next_minor()


def test_candidates_get_numbers_one_after_the_other(registry: Registry) -> None:
    names = [
        str(registry.register_next("churn", candidate(name), provenance()).version)
        for name in ("a", "b", "a", "c")
    ]
    assert names == [
        "churn-model-v1.0.0",
        "churn-model-v1.1.0",
        "churn-model-v1.0.0",
        "churn-model-v1.2.0",
    ]
    assert [str(entry.version) for entry in registry.entries("churn")] == sorted(set(names))


def test_numbers_of_other_models_do_not_count(registry: Registry) -> None:
    registry.register(ModelVersion("fraud", 4, 0, 0), version_files(), provenance())
    registry.register_next("churn", version_files(), provenance())
    assert [str(entry.version) for entry in registry.entries("churn")] == [str(V1)]
    assert [entry.version.model for entry in registry.entries()] == ["churn", "fraud"]
    assert registry.entries("unheard-of") == []


def test_a_damaged_version_does_not_keep_others_from_being_registered(
    objects: ObjectStore, registry: Registry
) -> None:
    registry.register_next("churn", candidate("a"), provenance())
    overwrite(objects, f"models/{V1}/manifest.json", b"damaged")
    pin = registry.register_next("churn", candidate("a"), provenance())
    assert pin.version == V1.next_minor()


def test_stages_follow_one_another(registry: Registry) -> None:
    registry.register(V1, version_files(), provenance())
    changes = (
        StageChange(V1, Stage.CANARY, NOON, "d00d"),
        StageChange(V1, Stage.CHAMPION, NOON + timedelta(hours=1), "d00d"),
        StageChange(V1, Stage.RETIRED, NOON + timedelta(days=9)),
    )
    for change in changes:
        registry.move(change)
    entry = registry.entry(V1)
    assert entry.history == changes
    assert (entry.stage, entry.deployed_sha) == (Stage.RETIRED, "d00d")


def test_the_last_move_again_changes_nothing(registry: Registry) -> None:
    registry.register(V1, version_files(), provenance())
    canary = StageChange(V1, Stage.CANARY, NOON, "d00d")
    again = StageChange(V1, Stage.CANARY, NOON + timedelta(days=1), "d00d")
    for change in (canary, canary, again, again):
        registry.move(change)
    assert registry.entry(V1).history == (canary, again)


def test_a_version_that_is_not_there_cannot_be_moved_or_read(registry: Registry) -> None:
    with pytest.raises(VersionNotFound):
        registry.move(StageChange(V1, Stage.CANARY, NOON))
    with pytest.raises(VersionNotFound):
        registry.entry(V1)
    assert registry.entries() == []


def test_a_version_must_say_in_utc_when_it_was_trained() -> None:
    registry = Registry(MemoryObjects(), no_pause)
    for at in (datetime(2026, 1, 2), TRAINED_AT.astimezone(timezone(timedelta(hours=1)))):
        with pytest.raises(ValueError, match="UTC"):
            registry.register(V1, version_files(), provenance(at=at))
