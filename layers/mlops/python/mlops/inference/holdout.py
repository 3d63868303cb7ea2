"""The holdout: labelled rows that a version was not trained on, to compare it with others by."""

import gzip
import io
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops.errors import MalformedJson, ModelUnusable
from mlops.models.strict_json import parse_finite
from mlops.models.tasks import Task

MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Holdout:
    """requests: n dicts as clients would send them. labels: of the task's kind, one for each."""

    requests: tuple[dict[str, Any], ...]
    labels: tuple[Any, ...]

    def numbers(self, version: str, task: Task) -> NDArray[np.float64]:
        """Return the labels as numbers, shape (n,). Raise ModelUnusable, which names the line."""
        found = [task.read_label(label) for label in self.labels]
        if None in found:
            reason = f"its holdout, line {found.index(None) + 1}: the label is none of the contract"
            raise ModelUnusable(version, reason)
        return np.array(found, dtype=np.float64)


def holdout_to_bytes(holdout: Holdout) -> bytes:
    """JSON lines, gzipped. Without the time of writing: the same rows give the same bytes."""
    lines = [
        json.dumps({"request": request, "label": label}, ensure_ascii=False) + "\n"
        for request, label in zip(holdout.requests, holdout.labels, strict=True)
    ]
    return gzip.compress("".join(lines).encode(), mtime=0)


def holdout_from_bytes(version: str, content: bytes) -> Holdout:
    """Raises ModelUnusable, which names the line."""
    try:
        with gzip.open(io.BytesIO(content)) as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ModelUnusable(version, f"its holdout cannot be read: {error}") from error
    if len(text) > MAX_BYTES:
        raise ModelUnusable(version, f"its holdout has more than {MAX_BYTES:,} bytes, unpacked")
    lines = text.splitlines()
    if not lines:
        raise ModelUnusable(version, "its holdout has no rows")
    rows = [_row(version, number, line) for number, line in enumerate(lines, start=1)]
    return Holdout(
        requests=tuple(request for request, _ in rows),
        labels=tuple(label for _, label in rows),
    )


def _row(version: str, number: int, line: bytes) -> tuple[dict[str, Any], Any]:
    try:
        match parse_finite(line):
            case {"request": dict(request), "label": label, **rest} if not rest:
                return request, label
    except MalformedJson as error:
        raise ModelUnusable(version, f"its holdout, line {number}: {error}") from error
    raise ModelUnusable(version, f"its holdout, line {number}: no request with a label")
