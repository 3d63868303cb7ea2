"""A candidate, which is a model that is not registered yet, and its folder.

This module imports no scikit-learn: registering a candidate does not wait for the seconds of that.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops.errors import ConfigInvalid, DataInvalid, MalformedJson
from mlops.inference.manifest import FILE_NAME, MANIFEST, METRICS, Provenance
from mlops.models.strict_json import parse_finite

PROVENANCE = "candidate.json"


@dataclass(frozen=True)
class Candidate:
    """The files of a version, by name, before it has a name of its own."""

    model: str
    files: Mapping[str, bytes]
    provenance: Provenance
    metrics: Mapping[str, Any]


def save(candidate: Candidate, folder: Path) -> None:
    """Write the candidate in place of the one that was there. Raise ConfigInvalid."""
    require_replaceable(folder)
    origin = asdict(candidate.provenance) | {
        "model": candidate.model,
        "trained_at": candidate.provenance.trained_at.isoformat(),
        "files": sorted(candidate.files),
    }
    with replacing(folder) as new:
        for name, content in candidate.files.items():
            (new / name).write_bytes(content)
        text = json.dumps(origin, indent=1, sort_keys=True) + "\n"
        (new / PROVENANCE).write_text(text, encoding="utf-8")


def require_candidate(path: Path, model: str) -> None:
    """Raise ConfigInvalid, which says what to do, where `path` is no folder of a candidate."""
    if (path / PROVENANCE).is_file():
        return
    importing = f"mlops import PIPELINE.joblib SAMPLE.csv --model {model}"
    make = f"make one with mlops train {model}, or import a trained model: {importing}"
    if path.is_file() and (path.parent / PROVENANCE).is_file():
        reason = f"this is a file of a candidate; name its folder: {path.parent}"
    elif path.is_file():
        reason = (
            "this is a file, but a candidate is a folder. A model file alone cannot be registered:"
            " a version also has its contract, ONNX export, golden rows, metrics and model card."
            f" The command that makes them all is: {importing}"
        )
    elif not path.exists():
        reason = f"there is no candidate here; {make}"
    elif (path / MANIFEST).is_file():
        reason = "this version is registered already; to copy it to another store: mlops copy"
    elif (path / model / PROVENANCE).is_file():
        reason = f"this folder holds several candidates; name one of them: {path / model}"
    else:
        reason = f"this folder holds no candidate, since it has no {PROVENANCE}; {make}"
    raise ConfigInvalid(str(path), reason)


def read(folder: Path) -> Candidate:
    """Read a candidate. Raise DataInvalid where the folder holds no whole one."""
    try:
        origin = parse_finite((folder / PROVENANCE).read_bytes())
        files = {_plain(name): (folder / name).read_bytes() for name in origin.pop("files")}
        model = origin.pop("model")
        trained_at = datetime.fromisoformat(origin.pop("trained_at"))
        provenance = Provenance(trained_at=trained_at, **origin)
        metrics = files[METRICS]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, MalformedJson) as error:
        again = "make it again with mlops train or mlops import"
        reason = f"this is no whole candidate ({_cause(error)}); {again}"
        raise DataInvalid(str(folder), None, PROVENANCE, reason) from error
    return Candidate(model, files, provenance, _object(metrics, str(folder)))


def _cause(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{Path(error.filename or PROVENANCE).name}: {error.strerror}"
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, ValueError | MalformedJson):
        return str(error)
    return "it has another structure"


def _plain(name: str) -> str:
    """Return a name that a file of a version may have; it leads nowhere else."""
    if FILE_NAME.fullmatch(name) is None or name == MANIFEST:
        raise ValueError(f"{name!r} is no name for a file of a version")
    return name


def _object(content: bytes, source: str) -> dict[str, Any]:
    try:
        found = parse_finite(content)
    except MalformedJson as error:
        raise DataInvalid(source, None, METRICS, str(error)) from error
    if not isinstance(found, dict):
        raise DataInvalid(source, None, METRICS, "is no JSON object")
    return found


def require_replaceable(folder: Path) -> None:
    """Raise ConfigInvalid where `folder` holds anything but a candidate: it is not ours."""
    if folder.is_dir():
        if (folder / PROVENANCE).is_file() or not any(folder.iterdir()):
            return
    elif not folder.exists():
        return
    raise ConfigInvalid(str(folder), "it exists and holds no candidate; name another folder")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a new folder, which takes the place of `folder` at the end unless there was an error.

    A symbolic link stays one, and the folder that it leads to is replaced. Raise OSError.
    """
    folder = Path(os.path.realpath(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as temporary:
        new, old = Path(temporary, "new"), Path(temporary, "old")
        new.mkdir()
        yield new
        if not folder.exists():
            new.rename(folder)
            return
        folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            old.rename(folder)  # or it would be deleted with the temporary folder
            raise
