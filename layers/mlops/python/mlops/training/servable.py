"""Whether a candidate could be served: asked before it gets a version, which is for good."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlops.errors import (
    ArtifactError,
    ContractInvalid,
    DataInvalid,
    GoldenRowsFailed,
    ManifestInvalid,
    ModelUnusable,
)
from mlops.inference.golden import golden_from_bytes
from mlops.inference.holdout import holdout_from_bytes
from mlops.inference.loading import contract_from_bytes
from mlops.inference.manifest import CONTRACT, GOLDEN, HOLDOUT, MODEL, Manifest
from mlops.inference.trial import BUDGET, Budget, try_model
from mlops.inference.version import ModelVersion
from mlops.models.contract import Contract
from mlops.models.validation import validate
from mlops.training.folder import PROVENANCE, Candidate


def require_servable(candidate: Candidate, source: str, budget: Budget = BUDGET) -> None:
    """Let the candidate repeat its golden rows within `budget`, in a process of its own.

    Args:
        source: Where the candidate lies.

    Raises:
        DataInvalid: It could not be served; the error names the file.
    """
    version = ModelVersion(candidate.model, 1, 0, 0)  # any will do
    for file in (CONTRACT, MODEL, GOLDEN):
        if file not in candidate.files:
            raise DataInvalid(source, None, file, "is missing")
    _require_manifest(version, candidate, source)
    contract = _read_contract(version, candidate.files[CONTRACT], source)
    with _blaming(source, GOLDEN):
        golden = golden_from_bytes(str(version), candidate.files[GOLDEN])
    if HOLDOUT in candidate.files:
        with _blaming(source, HOLDOUT):
            _require_holdout(str(version), candidate.files[HOLDOUT], contract)
    try:
        try_model(str(version), candidate.files[MODEL], contract, golden, budget)
    except GoldenRowsFailed as error:
        raise DataInvalid(source, None, GOLDEN, error.reason) from error
    except ModelUnusable as error:
        raise DataInvalid(source, None, MODEL, error.reason) from error


def _read_contract(version: ModelVersion, content: bytes, source: str) -> Contract:
    with _blaming(source, CONTRACT):
        contract = contract_from_bytes(version, content)
    try:
        contract.require_examples(CONTRACT)
    except ContractInvalid as error:
        raise DataInvalid(source, None, CONTRACT, "; ".join(error.reasons)) from error
    return contract


def _require_holdout(version: str, content: bytes, contract: Contract) -> None:
    """Require rows that the gate can compare versions by. Raise ModelUnusable."""
    holdout = holdout_from_bytes(version, content)
    holdout.numbers(version, contract.outcome)
    for line, request in enumerate(holdout.requests, start=1):
        found = validate(contract, request)
        if isinstance(found, tuple):
            reason = f"its holdout, line {line}, {found[0].field}: {found[0].detail}"
            raise ModelUnusable(version, reason)


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
