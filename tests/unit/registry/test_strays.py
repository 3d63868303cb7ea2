"""Objects among the registry's own that somebody else has put there."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops.registry.journal import Stage, StageChange
from mlops.registry.objects import ObjectStore
from mlops.registry.registry import Rebuilt, Registry
from tests.unit.fakes import BUCKET, no_pause, opened_store, plain_client
from tests.unit.inference.building import V1, candidate, provenance

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
V2 = V1.next_minor()


def test_what_somebody_put_there_is_no_change_of_a_stage(objects: ObjectStore) -> None:
    registry = Registry(objects, no_pause)
    registry.register(V1, candidate("a"), provenance())
    registry.move(StageChange(V1, Stage.CHAMPION, NOON))
    before = registry.entries()
    for folder in ("releases", f"journal/{V1}", "journal"):
        objects.create(f"registry/{folder}/notes.txt", b"notes")
    registry.move(StageChange(V1, Stage.CHAMPION, NOON))  # once more
    assert registry.rebuild() == Rebuilt(tuple(before), ())
    assert registry.releases() == []


@pytest.mark.parametrize("prefix", ["", "teams/churn/"])
def test_markers_of_folders_are_no_objects(tmp_path: Path, prefix: str) -> None:
    """As S3's console makes them."""
    with opened_store("prefix in a bucket" if prefix else "bucket", tmp_path) as objects:
        registry = Registry(objects, no_pause)
        registry.register(V1, candidate("a"), provenance())
        for folder in ("releases", "journal", f"journal/{V1}"):
            plain_client().put_object(Bucket=BUCKET, Key=f"{prefix}registry/{folder}/", Body=b"")
        plain_client().put_object(Bucket=BUCKET, Key=f"{prefix}models/{V2}/", Body=b"")
        registry.move(StageChange(V1, Stage.CHAMPION, NOON))
        assert registry.rebuild() == Rebuilt((registry.entry(V1),), ())
        assert registry.entry(V1).stage is Stage.CHAMPION
