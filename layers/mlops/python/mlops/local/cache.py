"""Versions read from elsewhere, kept on this disk by digest."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from mlops.inference.loading import ArtifactSource
from mlops.inference.manifest import digest_of
from mlops.inference.version import ModelVersion


class CachedSource:
    """Implements `ArtifactSource` on another one.

    The disk is only a help: what it lost, damaged or cannot hold is read from the source.
    """

    def __init__(self, source: ArtifactSource, folder: Path) -> None:
        self._source = source
        self._folder = folder

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        path = self._folder / digest.replace(":", "-")
        with suppress(OSError):
            content = path.read_bytes()
            if digest_of(content) == digest:
                return content
        content = self._source.read(version, file, digest)
        if digest_of(content) == digest:
            with suppress(OSError):
                _write(path, content)
        return content


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
