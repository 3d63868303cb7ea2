"""A candidate as a folder, between `mlops train` and `mlops register`."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from mlops.errors import DataInvalid
from mlops.inference.manifest import METRICS, Provenance
from mlops.training.candidate import Candidate

_PROVENANCE = "candidate.json"


def save(candidate: Candidate, folder: Path) -> None:
    """Replace what `folder` held; what tells a whole candidate from a half one comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.iterdir():
        stale.unlink()
    for name, content in candidate.files.items():
        (folder / name).write_bytes(content)
    origin = asdict(candidate.provenance) | {
        "model": candidate.model,
        "trained_at": candidate.provenance.trained_at.isoformat(),
    }
    (folder / _PROVENANCE).write_text(json.dumps(origin, indent=1, sort_keys=True) + "\n")


def read(folder: Path) -> Candidate:
    """Raises DataInvalid where the folder holds no whole candidate."""
    try:
        origin = json.loads((folder / _PROVENANCE).read_text())
        files = {
            path.name: path.read_bytes()
            for path in sorted(folder.iterdir())
            if path.name != _PROVENANCE
        }
        return Candidate(
            model=origin.pop("model"),
            files=files,
            provenance=Provenance(
                **origin | {"trained_at": datetime.fromisoformat(origin["trained_at"])}
            ),
            metrics=json.loads(files[METRICS]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataInvalid(str(folder), 0, _PROVENANCE, f"no trained candidate: {error}") from error
