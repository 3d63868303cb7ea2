"""Whether a candidate could be served: asked before it gets a version, which is for good."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlops.errors import ArtifactError, ArtifactMissing, DataInvalid, ManifestInvalid
from mlops.inference.golden import golden_from_bytes
from mlops.inference.holdout import holdout_from_bytes
from mlops.inference.loading import ModelLoader
from mlops.inference.manifest import GOLDEN, HOLDOUT, MANIFEST, MODEL, Manifest, digest_of
from mlops.inference.version import ModelVersion, Pin
from mlops.models.contract import Contract
from mlops.training.folder import PROVENANCE, Candidate


def require_servable(candidate: Candidate, contracts: Mapping[str, Contract], source: str) -> None:
    """Load the candidate as a server does, and let it repeat its golden rows.

    source: where it lies. Raises DataInvalid, which names the file.
    """
    version = ModelVersion(candidate.model, 1, 0, 0)  # any will do
    for file in (MODEL, GOLDEN):
        if file not in candidate.files:
            raise DataInvalid(source, None, file, "is missing")
    manifest = _manifest(version, candidate, source)
    with _blaming(source, GOLDEN):
        golden_from_bytes(str(version), candidate.files[GOLDEN])
    if HOLDOUT in candidate.files:
        with _blaming(source, HOLDOUT):
            holdout_from_bytes(str(version), candidate.files[HOLDOUT])
    files = _InMemory({**candidate.files, MANIFEST: manifest})
    with _blaming(source, MODEL):
        served = ModelLoader([files], contracts).load(Pin(version, digest_of(manifest)))
    with _blaming(source, GOLDEN):
        served.check()


def _manifest(version: ModelVersion, candidate: Candidate, source: str) -> bytes:
    """Read again, it must be the same. Of the metrics it is known, so the origin is to blame."""
    with _blaming(source, PROVENANCE):
        written = Manifest.of_files(version, candidate.files, candidate.provenance)
        try:
            content = written.to_bytes()
        except (TypeError, ValueError) as error:
            raise ManifestInvalid(str(version), str(error)) from error
        if Manifest.from_bytes(version, content) != written:
            raise ManifestInvalid(str(version), "an object was expected where there is none")
    return content


@contextmanager
def _blaming(source: str, file: str) -> Iterator[None]:
    try:
        yield
    except ArtifactError as error:
        raise DataInvalid(source, None, file, error.reason) from error


class _InMemory:
    """Implements `ArtifactSource` for a version that is not written yet."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        if file not in self._files:
            raise ArtifactMissing(str(version), file)
        return self._files[file]
