"""The wiring: from settings to a registry, and to the models a server serves."""

from pathlib import Path

import pytest

from mlops.aws.s3 import BucketObjects
from mlops.bootstrap import open_objects, pinned_models
from mlops.bootstrap.registry import open_registry
from mlops.errors import ArtifactCorrupt, StoreUnavailable, VersionNotFound
from mlops.inference.manifest import MANIFEST, MODEL
from mlops.inference.version import Pin
from mlops.local.files import FolderObjects
from tests.unit.inference.building import V1, manifest_of, provenance, version_files


def register(location: str) -> Pin:
    return open_registry(location).register_next("churn", version_files(), provenance())


def bake(folder: Path) -> None:
    files = version_files()
    (folder / str(V1)).mkdir(parents=True)
    for name, content in (files | {MANIFEST: manifest_of(files).to_bytes()}).items():
        (folder / str(V1) / name).write_bytes(content)


def test_a_store_is_a_folder_or_a_bucket(aws_settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert isinstance(open_objects(str(tmp_path)), FolderObjects)
    assert isinstance(open_objects("s3://bucket"), BucketObjects)


@pytest.mark.parametrize(
    "location", ["s3://", "s3:/bucket", "https://bucket/x", "file:///tmp", "s3://[x"]
)
def test_a_location_that_is_neither(location: str) -> None:
    with pytest.raises(StoreUnavailable, match="a store is a folder or"):
        open_objects(location)


def test_a_prefix_keeps_stores_in_one_bucket_apart(bucket_location: str) -> None:
    one = open_objects(f"{bucket_location}/one/")
    one.create("key", b"content")
    assert list(one.keys("")) == ["key"]
    assert list(open_objects(f"{bucket_location}/other").keys("")) == []
    assert list(open_objects(bucket_location).keys("")) == ["one/key"]


def test_a_registered_version_is_served(location: str, tmp_path: Path) -> None:
    pin = register(location)
    served = pinned_models([pin], baked=None, store=location, cache=tmp_path / "cache").get("churn")
    assert served.version == "churn-model-v1.0.0"
    served.check()


def test_what_is_in_the_cache_is_served_without_the_store(location: str, tmp_path: Path) -> None:
    pin, cache = register(location), tmp_path / "cache"
    pinned_models([pin], baked=None, store=location, cache=cache).get("churn")
    nowhere = str(tmp_path / "nowhere")
    pinned_models([pin], baked=None, store=nowhere, cache=cache).get("churn").check()


def test_what_is_baked_in_is_served_without_opening_the_store(tmp_path: Path) -> None:
    pin, baked = register(str(tmp_path / "store")), tmp_path / "baked"
    bake(baked)
    models = pinned_models([pin], baked=baked, store="no://store", cache=tmp_path / "cache")
    assert models.get("churn").pin == pin


def test_what_is_not_baked_in_comes_from_the_store(tmp_path: Path) -> None:
    store, baked = str(tmp_path / "store"), tmp_path / "baked"
    pin = register(store)
    for folder in (baked, None):
        models = pinned_models([pin], baked=folder, store=store, cache=tmp_path / "cache")
        assert models.get("churn").pin == pin


def test_what_is_baked_in_but_damaged_is_an_error(tmp_path: Path) -> None:
    store, baked = str(tmp_path / "store"), tmp_path / "baked"
    pin = register(store)
    bake(baked)
    (baked / str(V1) / MODEL).write_bytes(b"")
    with pytest.raises(ArtifactCorrupt):
        pinned_models([pin], baked=baked, store=store, cache=tmp_path / "cache").get("churn")


def test_a_version_that_is_nowhere(tmp_path: Path) -> None:
    pin = register(str(tmp_path / "store"))
    for store in (None, str(tmp_path / "other")):
        with pytest.raises(VersionNotFound):
            pinned_models([pin], baked=tmp_path, store=store, cache=tmp_path / "c").get("churn")


def test_an_empty_store_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the folder that one happens to be in."""
    monkeypatch.chdir(tmp_path)
    pin = register(str(tmp_path))
    with pytest.raises(VersionNotFound):
        pinned_models([pin], baked=None, store="", cache=tmp_path / "cache").get("churn")
