"""The manifest: what a version is made of and where it comes from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mlops.errors import ManifestInvalid, VersionInvalid
from mlops.inference.version import ModelVersion

MANIFEST = "manifest.json"
MODEL = "model.onnx"
GOLDEN = "golden.json"
METRICS = "metrics.json"

_SCHEMA = 1


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class FileEntry:
    digest: str
    bytes: int


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


@dataclass(frozen=True)
class Manifest:
    version: ModelVersion
    provenance: Provenance
    metrics: Mapping[str, Any]
    files: Mapping[str, FileEntry]

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
            document = json.loads(content)
            manifest = cls(
                version=ModelVersion.parse(document["version"]),
                provenance=Provenance(
                    trained_at=datetime.fromisoformat(document["trained_at"]),
                    data_digest=document["data_digest"],
                    code_sha=document["code_sha"],
                    environment=document["environment"],
                ),
                metrics=document["metrics"],
                files={name: FileEntry(**entry) for name, entry in document["files"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, VersionInvalid) as error:
            raise ManifestInvalid(str(version), f"the manifest cannot be read: {error}") from error
        if document["schema"] != _SCHEMA or manifest.version != version:
            raise ManifestInvalid(
                str(version),
                f"the manifest is of {manifest.version}, schema {document['schema']}",
            )
        return manifest
