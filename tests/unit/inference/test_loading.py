"""From a pin to a model: every damage has its own error, and nothing unverified is used."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest

from mlops.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ManifestInvalid,
    MlopsError,
    ModelUnusable,
    PinMismatch,
    StoreThrottled,
    StoreUnavailable,
    VersionNotFound,
)
from mlops.inference.loading import ArtifactSource, ModelLoader
from mlops.inference.manifest import CONTRACT, GOLDEN, MANIFEST, MODEL, digest_of
from mlops.inference.version import ModelVersion, Pin
from mlops.models.churn.contract import CHURN
from mlops.registry.objects import ObjectStore
from mlops.registry.versions import StoredVersions
from tests.unit.fakes import MemoryObjects, WatchedObjects, overwrite
from tests.unit.inference.building import (
    JOBLIB,
    V1,
    golden_rows,
    manifest_of,
    onnx_model,
    version_files,
)

FOLDER = f"models/{V1}/"


def written(objects: ObjectStore, version: ModelVersion = V1, **files: bytes) -> Pin:
    content = version_files(**files)
    return StoredVersions(objects).write(manifest_of(content, version), content)


def load(pin: Pin, *sources: ObjectStore) -> None:
    loaded = ModelLoader([StoredVersions(source) for source in sources]).load(pin)
    assert loaded.version == str(pin.version)


def test_a_good_version_is_loaded_and_answers(objects: ObjectStore) -> None:
    pin = written(objects)
    served = ModelLoader([StoredVersions(objects)]).load(pin)
    assert (served.pin, served.version) == (pin, "churn-model-v1.0.0")
    assert served.manifest == manifest_of(version_files())
    assert served.contract == CHURN
    assert served.golden == tuple(golden_rows())
    served.check()


def test_a_model_that_forgot_its_answers_does_not_pass_its_check() -> None:
    objects = MemoryObjects()
    pin = written(objects, model_onnx=onnx_model(slope=0.06))
    served = ModelLoader([StoredVersions(objects)]).load(pin)
    with pytest.raises(ModelUnusable):
        served.check()


def truncate(objects: ObjectStore, file: str) -> None:
    overwrite(objects, FOLDER + file, objects.get(FOLDER + file).content[:-1])


def flip_a_bit(objects: ObjectStore, file: str) -> None:
    content = bytearray(objects.get(FOLDER + file).content)
    content[len(content) // 2] ^= 1
    overwrite(objects, FOLDER + file, bytes(content))


def empty(objects: ObjectStore, file: str) -> None:
    overwrite(objects, FOLDER + file, b"")


def swap(objects: ObjectStore, file: str) -> None:
    other = written(objects, V1.next_minor(), model_onnx=onnx_model(slope=1), golden_json=b"[]")
    overwrite(objects, FOLDER + file, objects.get(f"models/{other.version}/{file}").content)


DAMAGES = [truncate, flip_a_bit, empty, swap]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", [MODEL, GOLDEN])
def test_a_damaged_file(
    objects: ObjectStore, damage: Callable[[ObjectStore, str], None], file: str
) -> None:
    pin = written(objects)
    listed = digest_of(objects.get(FOLDER + file).content)
    damage(objects, file)
    with pytest.raises(ArtifactCorrupt) as caught:
        load(pin, objects)
    error = caught.value
    assert (error.version, error.file, error.listed) == (str(V1), file, listed)
    assert error.found == digest_of(objects.get(FOLDER + file).content)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_manifest(
    objects: ObjectStore, damage: Callable[[ObjectStore, str], None]
) -> None:
    pin = written(objects)
    damage(objects, MANIFEST)
    with pytest.raises(PinMismatch) as caught:
        load(pin, objects)
    found = digest_of(objects.get(FOLDER + MANIFEST).content)
    assert (caught.value.version, caught.value.pinned, caught.value.found) == (
        str(V1),
        pin.digest,
        found,
    )


def test_a_pin_with_the_wrong_digest(objects: ObjectStore) -> None:
    right = written(objects)
    with pytest.raises(PinMismatch):
        load(Pin(V1, digest_of(b"something else")), objects)
    load(right, objects)


def test_a_pin_on_what_is_no_manifest(objects: ObjectStore) -> None:
    objects.create(FOLDER + MANIFEST, b"{}")
    with pytest.raises(ManifestInvalid):
        load(Pin(V1, digest_of(b"{}")), objects)


def test_a_pin_on_the_manifest_of_another_version(objects: ObjectStore) -> None:
    content = manifest_of(version_files(), V1.next_minor()).to_bytes()
    objects.create(FOLDER + MANIFEST, content)
    with pytest.raises(ManifestInvalid):
        load(Pin(V1, digest_of(content)), objects)


@pytest.mark.parametrize("file", [MODEL, GOLDEN])
def test_a_file_that_is_gone(objects: ObjectStore, file: str) -> None:
    files = version_files()
    manifest = manifest_of(files).to_bytes()
    for name, content in (files | {MANIFEST: manifest}).items():
        if name != file:
            objects.create(FOLDER + name, content)
    with pytest.raises(ArtifactMissing) as caught:
        load(Pin(V1, digest_of(manifest)), objects)
    assert (caught.value.version, caught.value.file) == (str(V1), file)


@pytest.mark.parametrize("file", [MODEL, GOLDEN])
def test_a_file_that_the_manifest_does_not_list(objects: ObjectStore, file: str) -> None:
    files = version_files()
    pin = StoredVersions(objects).write(
        manifest_of({name: content for name, content in files.items() if name != file}), files
    )
    with pytest.raises(ArtifactMissing) as caught:
        load(pin, objects)
    assert caught.value.file == file


def test_a_version_that_is_not_there(objects: ObjectStore) -> None:
    written(objects)
    with pytest.raises(VersionNotFound) as caught:
        load(Pin(V1.next_minor(), digest_of(b"")), objects)
    assert caught.value.version == "churn-model-v1.1.0"


def test_a_version_without_a_contract_has_to_be_trained_again() -> None:
    objects = MemoryObjects()
    files = version_files()
    del files[CONTRACT]
    pin = StoredVersions(objects).write(manifest_of(files), files)
    with pytest.raises(ModelUnusable, match=r"it has no contract\.json.*train it again"):
        load(pin, objects)


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        (b"", "contract.json: "),
        (b"{}", "contract.json: .*model: Field required"),
        (CHURN.to_json().replace(b'"binary"', b'"ternary"'), "contract.json: task"),
        (CHURN.to_json().replace(b'"le": 1200', b'"le": -1'), "no number lies between its bounds"),
        (CHURN.to_json().replace(b'"Male"', b'"Males"'), "train it again"),
        (CHURN.to_json().replace(b'"churn"', b'"fraud"', 1), "is that of the model 'fraud'"),
    ],
    ids=["empty", "no fields", "unknown task", "bounds", "other categories", "another model"],
)
def test_a_version_with_an_unusable_contract_is_refused(contract: bytes, reason: str) -> None:
    objects = MemoryObjects()
    pin = written(objects, contract_json=contract)
    with pytest.raises(ModelUnusable, match=reason):
        load(pin, objects)


@pytest.mark.parametrize("model", [b"", b"garbage", onnx_model(columns=3), onnx_model(classes=3)])
def test_the_right_bytes_of_what_is_no_model(objects: ObjectStore, model: bytes) -> None:
    pin = written(objects, model_onnx=model)
    with pytest.raises(ModelUnusable) as caught:
        load(pin, objects)
    assert caught.value.version == str(V1)


def test_golden_rows_that_cannot_be_read() -> None:
    objects = MemoryObjects()
    pin = written(objects, golden_json=b"no rows")
    with pytest.raises(ModelUnusable):
        load(pin, objects)


class Touch:
    """Unpickling this makes a file: it stands for whatever code a bad artifact brings along."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.open, (str(self._path), os.O_CREAT)


def bomb(path: Path) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(Touch(path), buffer)
    return buffer.getvalue()


def test_the_bomb_works(tmp_path: Path) -> None:
    os.close(joblib.load(io.BytesIO(bomb(tmp_path / "ran"))))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("file", [MODEL, GOLDEN, JOBLIB])
def test_code_inside_an_artifact_is_never_run(
    objects: ObjectStore, tmp_path: Path, file: str
) -> None:
    mark, files = tmp_path / "ran", version_files()
    files[file] = bomb(mark)
    pin = StoredVersions(objects).write(manifest_of(files), files)
    read: list[str] = []
    watched = WatchedObjects(objects, lambda operation, key: read.append(key))
    if file == JOBLIB:
        load(pin, watched)
    else:
        with pytest.raises(ModelUnusable):
            load(pin, watched)
    assert not mark.exists()
    assert read == [FOLDER + MANIFEST, FOLDER + CONTRACT, FOLDER + MODEL, FOLDER + GOLDEN]


def test_bytes_are_verified_before_anything_is_made_of_them() -> None:
    # Both are wrong: of the model's bytes ONNX Runtime would say ModelUnusable.
    objects = MemoryObjects()
    pin = written(objects)
    overwrite(objects, FOLDER + MODEL, b"garbage")
    overwrite(objects, FOLDER + GOLDEN, b"garbage")
    with pytest.raises(ArtifactCorrupt) as caught:
        load(pin, objects)
    assert caught.value.file == MODEL


class Untouchable:
    """Implements `ArtifactSource`; nobody is to ask it."""

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        raise AssertionError(f"{version}/{file} was asked for here")


class Failing:
    """Implements `ArtifactSource` by failing."""

    def __init__(self, error: MlopsError) -> None:
        self._error = error

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        raise self._error


def test_the_first_source_that_has_the_version_is_the_only_one_asked() -> None:
    baked = MemoryObjects()
    pin = written(baked)
    sources: list[ArtifactSource] = [StoredVersions(baked), Untouchable()]
    assert ModelLoader(sources).load(pin).pin == pin


def test_the_next_source_is_asked_where_the_version_is_not_in_the_first() -> None:
    baked, store = MemoryObjects(), MemoryObjects()
    written(baked)
    pin = written(store, V1.next_minor())
    load(pin, baked, store)


@pytest.mark.parametrize("file", [MANIFEST, MODEL, GOLDEN])
def test_damage_in_the_first_source_is_not_papered_over_by_the_next(file: str) -> None:
    baked, store = MemoryObjects(), MemoryObjects()
    pin = written(baked)
    written(store)
    flip_a_bit(baked, file)
    with pytest.raises(PinMismatch if file == MANIFEST else ArtifactCorrupt):
        load(pin, baked, store)


@pytest.mark.parametrize(
    "error", [StoreThrottled("key", "slow down"), StoreUnavailable("key", "refused")]
)
def test_a_source_that_fails_is_an_error(error: MlopsError) -> None:
    store = MemoryObjects()
    pin = written(store)
    with pytest.raises(type(error)):
        ModelLoader([Failing(error), StoredVersions(store)]).load(pin)
