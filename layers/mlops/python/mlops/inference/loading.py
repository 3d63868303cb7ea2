"""The way from a pin to a model: pin → manifest → file bytes → loaded from those same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mlops.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ContractInvalid,
    ManifestInvalid,
    ModelUnusable,
    PinMismatch,
    VersionNotFound,
)
from mlops.inference.golden import GoldenRow, check_golden, golden_from_bytes
from mlops.inference.manifest import CONTRACT, GOLDEN, MANIFEST, MODEL, Manifest, digest_of
from mlops.inference.predictor import Predictor
from mlops.inference.structure import check_structure
from mlops.inference.version import ModelVersion, Pin
from mlops.models.contract import Contract

SERVED_FILES = (CONTRACT, MODEL, GOLDEN)
"""What is read to serve a version, besides its manifest."""


class ArtifactSource(Protocol):
    """Somewhere that versions lie: in the image, in the store. Nobody trusts what it returns."""

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        """Return the file; `digest` is what the reader expects, and all a cache needs to know.

        Raises VersionNotFound where there is no manifest, ArtifactMissing for any other file.
        """


@dataclass(frozen=True)
class ServedModel:
    """A model that was verified against its pin, ready to predict."""

    pin: Pin
    manifest: Manifest
    contract: Contract
    predictor: Predictor
    golden: tuple[GoldenRow, ...]

    @property
    def version(self) -> str:
        return str(self.pin.version)

    def check(self) -> None:
        """Raises ModelUnusable where the golden rows do not reproduce."""
        check_golden(self.version, self.predictor, self.contract, self.golden)


@dataclass(frozen=True)
class ModelFiles:
    """What a pinned version is served from: verified bytes, not loaded yet."""

    pin: Pin
    manifest: Manifest
    contract: Contract
    model: bytes
    golden: tuple[GoldenRow, ...]

    def load(self) -> ServedModel:
        """Raises ModelUnusable."""
        predictor = Predictor(str(self.pin.version), self.model, self.contract)
        return ServedModel(self.pin, self.manifest, self.contract, predictor, self.golden)


class ModelLoader:
    """Loads pinned versions from the first source that has them."""

    def __init__(self, sources: Sequence[ArtifactSource]) -> None:
        self._sources = sources

    def load(self, pin: Pin) -> ServedModel:
        """Raises VersionNotFound, any ArtifactError, any StoreError.

        A source that has the version but with wrong content is an error and not a reason to ask
        the next one: somebody has to look at it.
        """
        return self.read(pin).load()

    def read(self, pin: Pin) -> ModelFiles:
        """Do the first half of `load`. Raises the same."""
        source, manifest = self._find(pin)
        contract = read_contract(source, manifest)
        model = read_listed(source, manifest, MODEL)
        golden = read_listed(source, manifest, GOLDEN)
        return ModelFiles(
            pin, manifest, contract, model, golden_from_bytes(str(pin.version), golden)
        )

    def _find(self, pin: Pin) -> tuple[ArtifactSource, Manifest]:
        for source in self._sources:
            try:
                return source, read_manifest(source, pin)
            except VersionNotFound:
                continue
        raise VersionNotFound(str(pin.version))


def read_manifest(source: ArtifactSource, pin: Pin) -> Manifest:
    """Raises VersionNotFound, PinMismatch, ManifestInvalid, any StoreError."""
    content = source.read(pin.version, MANIFEST, pin.digest)
    if (found := digest_of(content)) != pin.digest:
        raise PinMismatch(str(pin.version), pin.digest, found)
    return Manifest.from_bytes(pin.version, content)


def read_listed(source: ArtifactSource, manifest: Manifest, file: str) -> bytes:
    """Raises ArtifactMissing, ArtifactCorrupt, any StoreError."""
    entry = manifest.files.get(file)
    if entry is None:
        raise ArtifactMissing(str(manifest.version), file)
    content = source.read(manifest.version, file, entry.digest)
    if (found := digest_of(content)) != entry.digest:
        raise ArtifactCorrupt(str(manifest.version), file, entry.digest, found)
    return content


def read_contract(source: ArtifactSource, manifest: Manifest) -> Contract:
    """Raise ArtifactMissing, ArtifactCorrupt, ModelUnusable, any StoreError."""
    if CONTRACT not in manifest.files:
        reason = f"it has no {CONTRACT}, which versions of an older mlops lack; train it again"
        raise ModelUnusable(str(manifest.version), reason)
    return contract_from_bytes(manifest.version, read_listed(source, manifest, CONTRACT))


def contract_from_bytes(version: ModelVersion, content: bytes) -> Contract:
    """Raise ModelUnusable where it is no contract, or that of another model."""
    try:
        contract = Contract.from_json(content, CONTRACT)
    except ContractInvalid as error:
        raise ModelUnusable(str(version), str(error)) from error
    if contract.model != version.model:
        raise ModelUnusable(str(version), f"its contract is that of the model {contract.model!r}")
    return contract


def read_version(source: ArtifactSource, pin: Pin) -> tuple[Manifest, dict[str, bytes]]:
    """Read a version whole, to hand it on: its manifest, and all files that this lists.

    Raises VersionNotFound, PinMismatch, ManifestInvalid, ArtifactMissing, ArtifactCorrupt, any
    StoreError; ModelUnusable where the model is nothing that could be loaded elsewhere, such as
    one whose weights lie in another file.
    """
    manifest = read_manifest(source, pin)
    if digest_of(manifest.to_bytes()) != pin.digest:  # it would have another pin elsewhere
        raise ManifestInvalid(
            str(pin.version), "the manifest is not in the form of `mlops register`"
        )
    files = {file: read_listed(source, manifest, file) for file in manifest.files}
    if MODEL in files:
        check_structure(str(pin.version), files[MODEL])
    return manifest, files
