"""The manifest: what a version is made of and where it comes from."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from mlops.errors import MalformedJson, ManifestInvalid, VersionInvalid
from mlops.inference.version import DIGEST, ModelVersion
from mlops.models.strict_json import parse_finite

MANIFEST = "manifest.json"
MODEL = "model.onnx"
CONTRACT = "contract.json"
GOLDEN = "golden.json"
METRICS = "metrics.json"
HOLDOUT = "holdout.jsonl.gz"
REFERENCE = "reference.json"
CARD = "model_card.md"

MAX_MANIFEST_BYTES = 2**20
_SCHEMA = 1
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class FileEntry:
    digest: str
    bytes: int

    def __post_init__(self) -> None:
        if DIGEST.fullmatch(self.digest) is None:
            raise ValueError("a file's digest is not sha256:<64 hex digits>")


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from.

    trained_at: aware, UTC, whole seconds.
    data_digest: of the training data's bytes, uncompressed.
    code_sha: the git commit, with `-dirty` where it does not tell the whole story; None
        where there was no repository.
    environment: versions of Python and of the libraries that shape the model.
    """

    trained_at: datetime
    data_digest: str
    code_sha: str | None
    environment: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.trained_at.utcoffset() != timedelta(0):
            raise ValueError("trained_at is not in UTC")


@dataclass(frozen=True)
class Manifest:
    version: ModelVersion
    provenance: Provenance
    metrics: Mapping[str, Any]
    files: Mapping[str, FileEntry]

    def __post_init__(self) -> None:
        if not all(map(FILE_NAME.fullmatch, self.files)):
            raise ValueError("a file's name is not a plain one")

    @classmethod
    def of_files(
        cls, version: ModelVersion, files: Mapping[str, bytes], provenance: Provenance
    ) -> "Manifest":
        return cls(
            version=version,
            provenance=provenance,
            metrics=json.loads(files[METRICS]),
            files={
                name: FileEntry(digest_of(content), len(content)) for name, content in files.items()
            },
        )

    def to_bytes(self) -> bytes:
        """Canonical: equal manifests give equal bytes, hence equal digests."""
        document = {
            "schema": _SCHEMA,
            "version": str(self.version),
            "trained_at": self.provenance.trained_at.isoformat(),
            "data_digest": self.provenance.data_digest,
            "code_sha": self.provenance.code_sha,
            "environment": dict(self.provenance.environment),
            "metrics": self.metrics,
            "files": {name: asdict(entry) for name, entry in self.files.items()},
        }
        return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def from_bytes(cls, version: ModelVersion, content: bytes) -> "Manifest":
        """Raises ManifestInvalid, also where it is the manifest of another version."""
        try:
            if len(content) > MAX_MANIFEST_BYTES:
                raise ValueError(f"it has more than {MAX_MANIFEST_BYTES:,} bytes")
            document = _object(parse_finite(content))
            if document["schema"] != _SCHEMA:
                raise ValueError("it has another schema")
            manifest = cls(
                version=ModelVersion.parse(_text(document["version"])),
                provenance=Provenance(
                    trained_at=datetime.fromisoformat(_text(document["trained_at"])),
                    data_digest=_text(document["data_digest"]),
                    code_sha=None if document["code_sha"] is None else _text(document["code_sha"]),
                    environment={
                        name: _text(value)
                        for name, value in _object(document["environment"]).items()
                    },
                ),
                metrics=_object(document["metrics"]),
                files={
                    name: FileEntry(_text(entry["digest"]), _size(entry["bytes"]))
                    for name, entry in _object(document["files"]).items()
                },
            )
        except (ValueError, KeyError, TypeError, MalformedJson, VersionInvalid) as error:
            raise ManifestInvalid(str(version), f"the manifest cannot be read: {error}") from error
        if manifest.version != version:
            raise ManifestInvalid(str(version), f"the manifest is of {manifest.version}")
        return manifest


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value


def _size(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("a file's size is not a whole number of bytes")
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"an object was expected, not {type(value).__name__}")
    return value
