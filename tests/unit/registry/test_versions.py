"""Versions: written once, visible when complete, damage never hidden."""

import pytest

from mlops.errors import ArtifactMissing, ManifestInvalid, VersionExists, VersionNotFound
from mlops.inference.manifest import MANIFEST, METRICS, MODEL, digest_of
from mlops.inference.version import ModelVersion
from mlops.registry.objects import ObjectStore
from mlops.registry.versions import StoredVersions
from tests.unit.fakes import overwrite
from tests.unit.inference.building import V1, candidate, manifest_of, version_files


def test_a_written_version_is_read_back(objects: ObjectStore) -> None:
    versions, files = StoredVersions(objects), version_files()
    pin = versions.write(manifest_of(files), files)
    assert {file: versions.read(V1, file) for file in files} == files
    assert versions.manifest(V1) == (pin, manifest_of(files))
    assert pin.digest == digest_of(objects.get(f"models/{V1}/{MANIFEST}").content)
    assert list(objects.keys("")) == sorted(f"models/{V1}/{file}" for file in [*files, MANIFEST])


def test_writing_the_same_again_changes_nothing(objects: ObjectStore) -> None:
    versions, files = StoredVersions(objects), version_files()
    first = versions.write(manifest_of(files), files)
    before = {key: objects.get(key) for key in objects.keys("")}
    assert versions.write(manifest_of(files), files) == first
    assert {key: objects.get(key) for key in objects.keys("")} == before


@pytest.mark.parametrize("file", [MODEL, METRICS])
def test_a_version_is_written_once(objects: ObjectStore, file: str) -> None:
    versions, files = StoredVersions(objects), version_files()
    versions.write(manifest_of(files), files)
    other = files | {file: b'{"other": 1}'}
    with pytest.raises(VersionExists) as caught:
        versions.write(manifest_of(other), other)
    assert (caught.value.version, caught.value.file) == (str(V1), file)
    assert {name: versions.read(V1, name) for name in files} == files


def test_what_is_not_there_has_its_own_error(objects: ObjectStore) -> None:
    versions = StoredVersions(objects)
    with pytest.raises(VersionNotFound) as unknown:
        versions.manifest(V1)
    assert unknown.value.version == str(V1)
    with pytest.raises(ArtifactMissing) as missing:
        versions.read(V1, MODEL)
    assert (missing.value.version, missing.value.file) == (str(V1), MODEL)


def test_a_manifest_in_the_wrong_folder_is_refused(objects: ObjectStore) -> None:
    versions, files = StoredVersions(objects), version_files()
    other = V1.next_minor()
    versions.write(manifest_of(files), files)
    versions.write(manifest_of(files, other), files)
    overwrite(objects, f"models/{V1}/{MANIFEST}", versions.read(other, MANIFEST))
    with pytest.raises(ManifestInvalid):
        versions.manifest(V1)


def test_versions_are_listed_in_their_order_with_the_incomplete_ones(objects: ObjectStore) -> None:
    versions = StoredVersions(objects)
    for number in (10, 9, 2):
        files = candidate(str(number))
        version = ModelVersion("churn", 1, number, 0)
        versions.write(manifest_of(files, version), files)
    objects.create("models/churn-model-v1.11.0/model.onnx", b"")
    for stranger in (
        "churn-model-v1/x",
        "churn-model-v1.0.0.bak/x",
        "churn-model-v1-model-v2.0.0/x",
    ):
        objects.create(f"models/{stranger}", b"")
    objects.create("models/fraud-model-v7.0.0/manifest.json", b"")
    assert [(str(version), complete) for version, complete in versions.occupied("churn")] == [
        ("churn-model-v1.2.0", True),
        ("churn-model-v1.9.0", True),
        ("churn-model-v1.10.0", True),
        ("churn-model-v1.11.0", False),
    ]
