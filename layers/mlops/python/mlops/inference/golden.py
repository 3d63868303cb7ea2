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
"""Largest difference of two probabilities that count as the same: float32 on other processors."""

MAX_ROWS = 1_000
"""They are repeated at each readiness check."""


@dataclass(frozen=True)
class GoldenRow:
    request: dict[str, Any]
    prediction: float


def golden_to_bytes(rows: Sequence[GoldenRow]) -> bytes:
    document = [{"request": row.request, "prediction": row.prediction} for row in rows]
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
        case {"request": dict(request), "prediction": int() | float() as prediction, **rest}:
            is_number = abs(prediction) <= sys.float_info.max and not isinstance(prediction, bool)
            if is_number and not rest:
                return GoldenRow(request, float(prediction))
    raise ModelUnusable(
        version, f"its golden rows cannot be read: row {number} is no request with a prediction"
    )


def check_golden(
    version: str, predictor: Predictor, contract: Contract, rows: Sequence[GoldenRow]
) -> None:
    """Raises ModelUnusable where the model does not answer as it did when it was trained."""
    if not rows:
        raise ModelUnusable(version, "it has no golden rows")
    try:
        requests = [contract.request.model_validate(row.request) for row in rows]
    except ValueError as error:  # pydantic's ValidationError is one
        raise ModelUnusable(version, "the contract refuses one of its golden rows") from error
    predictions = predictor.predict(contract.columns(requests))
    # NumPy's maximum, not Python's: one NaN among the differences makes it NaN.
    worst = np.max(np.abs(predictions - [row.prediction for row in rows]))
    if not worst <= TOLERANCE:
        raise ModelUnusable(version, f"a golden row is off by {worst:.2g}")
