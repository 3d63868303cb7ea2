"""Whether a candidate could be served: asked before it gets a version, which is for good."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlops.errors import (
    ArtifactError,
    DataInvalid,
    GoldenRowsFailed,
    ManifestInvalid,
    ModelUnusable,
)
from mlops.inference.golden import golden_from_bytes
from mlops.inference.holdout import holdout_from_bytes
from mlops.inference.manifest import GOLDEN, HOLDOUT, MODEL, Manifest
from mlops.inference.trial import BUDGET, Budget, try_model
from mlops.inference.version import ModelVersion
from mlops.models.contract import Contract
from mlops.training.folder import PROVENANCE, Candidate


def require_servable(
    candidate: Candidate,
    contracts: Mapping[str, Contract],
    source: str,
    budget: Budget = BUDGET,
) -> None:
    """Let the candidate repeat its golden rows within `budget`, in a process of its own.

    source: where it lies. Raises DataInvalid, which names the file.
    """
    version = ModelVersion(candidate.model, 1, 0, 0)  # any will do
    for file in (MODEL, GOLDEN):
        if file not in candidate.files:
            raise DataInvalid(source, None, file, "is missing")
    _require_manifest(version, candidate, source)
    with _blaming(source, GOLDEN):
        golden = golden_from_bytes(str(version), candidate.files[GOLDEN])
    if HOLDOUT in candidate.files:
        with _blaming(source, HOLDOUT):
            holdout_from_bytes(str(version), candidate.files[HOLDOUT])
    contract = contracts[candidate.model]
    try:
        try_model(str(version), candidate.files[MODEL], contract, golden, budget)
    except GoldenRowsFailed as error:
        raise DataInvalid(source, None, GOLDEN, error.reason) from error
    except ModelUnusable as error:
        raise DataInvalid(source, None, MODEL, error.reason) from error


def _require_manifest(version: ModelVersion, candidate: Candidate, source: str) -> None:
    """Require that the manifest says the same when it is read again.

    That its metrics do is known, so the origin is to blame.
    """
    with _blaming(source, PROVENANCE):
        written = Manifest.of_files(version, candidate.files, candidate.provenance)
        try:
            content = written.to_bytes()
        except (TypeError, ValueError) as error:
            raise ManifestInvalid(str(version), str(error)) from error
        if Manifest.from_bytes(version, content) != written:
            raise ManifestInvalid(str(version), "an object was expected where there is none")


@contextmanager
def _blaming(source: str, file: str) -> Iterator[None]:
    try:
        yield
    except ArtifactError as error:
        raise DataInvalid(source, None, file, error.reason) from error
