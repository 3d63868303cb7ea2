import pytest

from mlops.errors import MlopsError, ModelNotFound, StoreThrottled, VersionNotFound
from mlops.inference.loading import ModelLoader
from mlops.inference.manifest import digest_of
from mlops.inference.pinned import PinnedModels
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.versions import StoredVersions
from tests.unit.fakes import MemoryObjects
from tests.unit.inference.building import V1, manifest_of, version_files


class Outage:
    """Implements `ArtifactSource`: fails with what is in `errors`, then answers; counts reads."""

    def __init__(self, *errors: MlopsError) -> None:
        files = version_files()
        self._errors = list(errors)
        self._versions = StoredVersions(MemoryObjects())
        self.pin = self._versions.write(manifest_of(files), files)
        self.reads = 0

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        self.reads += 1
        if self._errors:
            raise self._errors.pop(0)
        return self._versions.read(version, file, digest)


def pinned(source: Outage, *more: Pin) -> PinnedModels:
    return PinnedModels([source.pin, *more], ModelLoader([source]))


def test_a_model_is_loaded_at_its_first_use_and_kept() -> None:
    source = Outage()
    models = pinned(source)
    assert list(models) == ["churn"]
    assert source.reads == 0
    first = models.get("churn")
    reads = source.reads
    assert models.get("churn") is first
    assert (source.reads, first.pin) == (reads, source.pin)


def test_what_could_not_be_loaded_is_tried_again() -> None:
    source = Outage(StoreThrottled("key", "slow down"), VersionNotFound(str(V1)))
    models = pinned(source)
    with pytest.raises(StoreThrottled):
        models.get("churn")
    with pytest.raises(VersionNotFound):
        models.get("churn")
    assert models.get("churn") is models.get("churn")


def test_a_model_that_is_not_pinned() -> None:
    source = Outage()
    models = pinned(source, Pin(ModelVersion("fraud", 1, 0, 0), digest_of(b"")))
    with pytest.raises(ModelNotFound) as caught:
        models.get("weather")
    assert (caught.value.model, caught.value.known) == ("weather", ("churn", "fraud"))
    assert source.reads == 0
