"""The input format `tabular-1`: one matrix, numbers as they are, categories by their positions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops.models.inputs import Tensors

if TYPE_CHECKING:
    from mlops.models.contract import Contract, RequestField
    from mlops.models.formats import TabularFormat

INPUT = "columns"
"""Name of the matrix among the inputs of the graph."""

MISSING = float("nan")
"""What a model sees where a row has no value. What it means is up to the model."""

_EPOCH = date(1970, 1, 1).toordinal()


def days_since_1970(day: date) -> float:
    """Return a date as models see it."""
    return float(day.toordinal() - _EPOCH)


class TabularInputs:
    """Turns requests into a matrix of shape (n, columns), NaN where a value is missing.

    Its columns are the numeric fields of the contract, then the categories, each in the order of
    the contract.
    """

    def __init__(self, contract: Contract, format: TabularFormat) -> None:
        self.fields: tuple[RequestField, ...] = (
            *(field for field in contract.features if field.is_numeric),
            *(field for field in contract.features if not field.is_numeric),
        )
        self.dtype = np.dtype(format.dtype)
        self._numeric = [field.name for field in self.fields if field.is_numeric]
        self._dates = [field.name for field in self.fields if field.type == "date"]
        self._positions: Mapping[str, dict[str | int, float]] = {
            field.name: {choice: float(place) for place, choice in enumerate(field.choices)}
            for field in self.fields
            if not field.is_numeric
        }

    @property
    def signature(self) -> Mapping[str, tuple[str, int | None]]:
        """By name, ONNX Runtime's type and the last dimension of each input of the graph."""
        kind = "float" if self.dtype == np.float32 else "double"
        return {INPUT: (f"tensor({kind})", len(self.fields))}

    @cached_property
    def layout(self) -> str:
        """Which column is what, and which category has which position; JSON.

        It is written into a model when it is trained, and compared when it is loaded: a category
        that moved would otherwise be taken for another one, and nobody would notice.
        """
        categories = {field.name: field.choices for field in self.fields if not field.is_numeric}
        return json.dumps({"numeric": self._numeric, "categorical": categories})

    def tensors(self, requests: Sequence[object]) -> Tensors:
        """Return the inputs of the graph for validated requests."""
        # NumPy makes NaN of None.
        rows = [
            [
                *map(attributes.__getitem__, self._numeric),
                *map(
                    dict.get, self._positions.values(), map(attributes.__getitem__, self._positions)
                ),
            ]
            for attributes in map(self._attributes, requests)
        ]
        shape = len(rows), len(self.fields)
        return {INPUT: np.array(rows, dtype=self.dtype).reshape(shape)}

    def _attributes(self, request: object) -> Mapping[str, Any]:
        attributes = vars(request)
        if not self._dates:
            return attributes
        days = {
            name: days_since_1970(attributes[name])
            for name in self._dates
            if attributes[name] is not None
        }
        return attributes | days
