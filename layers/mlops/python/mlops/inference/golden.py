"""Golden rows: requests with the answers that the model gave when it was trained."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops.errors import MalformedJson, ModelUnusable
from mlops.inference.predictor import Predictor
from mlops.models.contract import Contract
from mlops.models.strict_json import parse

TOLERANCE = 1e-5
"""Largest difference of two numbers that count as the same: float32 on other processors.

It is a share of the number where that is above 1.
"""

MAX_ROWS = 1_000
"""They are repeated at each readiness check."""


@dataclass(frozen=True)
class GoldenRow:
    """numbers: as `Predictor.predict` returns them for this request alone."""

    request: dict[str, Any]
    numbers: tuple[float, ...]


def golden_to_bytes(rows: Sequence[GoldenRow]) -> bytes:
    document = [{"request": row.request, "numbers": list(row.numbers)} for row in rows]
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def golden_from_bytes(version: str, content: bytes) -> tuple[GoldenRow, ...]:
    """Raises ModelUnusable."""
    try:
        document = parse(content)
    except MalformedJson as error:
        raise ModelUnusable(version, f"its golden rows cannot be read: {error}") from error
    if not isinstance(document, list):
        raise ModelUnusable(version, "its golden rows cannot be read: they are no list")
    if len(document) > MAX_ROWS:
        raise ModelUnusable(version, f"it has more than {MAX_ROWS:,} golden rows")
    return tuple(_row(version, number, row) for number, row in enumerate(document, start=1))


def _row(version: str, number: int, row: object) -> GoldenRow:
    match row:
        case {"request": dict(request), "numbers": [*numbers], **rest}:
            if numbers and not rest and all(map(_is_finite, numbers)):
                return GoldenRow(request, tuple(map(float, numbers)))
    raise ModelUnusable(
        version, f"its golden rows cannot be read: row {number} is no request with its numbers"
    )


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def check_golden(
    version: str, predictor: Predictor, contract: Contract, rows: Sequence[GoldenRow]
) -> None:
    """Raise ModelUnusable where the model does not predict what it did when it was trained."""
    if not rows:
        raise ModelUnusable(version, "it has no golden rows")
    try:
        requests = [contract.request.model_validate(row.request) for row in rows]
    except ValueError as error:  # pydantic's ValidationError is one
        raise ModelUnusable(version, "the contract refuses one of its golden rows") from error
    found = predictor.predict(contract.encoder.tensors(requests))
    if any(len(row.numbers) != found.shape[1] for row in rows):
        raise ModelUnusable(version, f"its golden rows do not have {found.shape[1]} numbers each")
    expected = np.array([row.numbers for row in rows])
    off = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    # NumPy's maximum, not Python's: one NaN among the differences makes it NaN.
    worst = np.max(off)
    if not worst <= TOLERANCE:
        raise ModelUnusable(version, f"a golden row is off by {worst:.2g}")
