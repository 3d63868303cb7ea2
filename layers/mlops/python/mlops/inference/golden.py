"""Golden rows: requests with the answers that the model gave when it was trained."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops.errors import ModelUnusable
from mlops.inference.predictor import Predictor
from mlops.models.contract import Contract

TOLERANCE = 1e-5
"""Largest difference of two probabilities that count as the same: float32 on other processors."""


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
        return tuple(
            GoldenRow(row["request"], float(row["prediction"])) for row in json.loads(content)
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ModelUnusable(version, f"its golden rows cannot be read: {error}") from error


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
