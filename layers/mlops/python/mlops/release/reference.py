"""The bins in which a canary's predictions are compared: those of the stable version's profile."""

from itertools import pairwise
from typing import Any

from mlops.errors import MalformedJson, ModelUnusable
from mlops.inference.loading import ArtifactSource, read_listed, read_manifest
from mlops.inference.version import Pin
from mlops.models.strict_json import parse_finite
from mlops.release.ports import Edges

REFERENCE = "reference.json"


def read_edges(source: ArtifactSource, pin: Pin) -> Edges | None:
    """Return the inner edges of the bins of a version's predictions, or None without a profile.

    Raises VersionNotFound, any ArtifactError, any StoreError.
    """
    manifest = read_manifest(source, pin)
    if REFERENCE not in manifest.files:
        return None
    content = read_listed(source, manifest, REFERENCE)
    try:
        match parse_finite(content):
            case {"prediction": {"edges": [*edges]}} if _rise(edges):
                return tuple(map(float, edges))
            case {"prediction": {"categories": [_, *others]}}:  # counted by their positions
                return tuple(map(float, range(1, len(others) + 1)))
    except MalformedJson as error:
        raise ModelUnusable(str(pin.version), f"its {REFERENCE}: {error}") from error
    raise ModelUnusable(str(pin.version), f"its {REFERENCE} has no bins of its predictions")


def _rise(edges: list[Any]) -> bool:
    are_numbers = all(type(edge) in (int, float) for edge in edges)
    return are_numbers and len(edges) > 0 and all(low < high for low, high in pairwise(edges))
