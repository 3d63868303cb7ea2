"""Labelled rows: what a model is trained on, and what its figures are computed on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops.models.contract import Contract, RequestField, View
from mlops.models.inputs import Tensors
from mlops.models.views import as_sent

Rows = NDArray[np.intp]
"""Positions of rows in a data set."""

_EVERY_FIELD = View(name="full", description="every field is sent")


@dataclass(frozen=True)
class Dataset:
    """Rows of which it is known what happened.

    requests: as clients would send them.
    labels: JSON values that the contract's task reads, one for each request.
    digest: of the data's bytes, uncompressed.
    ratings: numbers that the labels were made of, shape (n,), if they were.
    """

    contract: Contract
    requests: Sequence[Mapping[str, Any]]
    labels: Sequence[Any]
    digest: str
    ratings: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def targets(self) -> NDArray[Any]:
        """The labels as numbers, shape (n,): positions of classes are int64, others float64.

        Of forecasts they have shape (n, days), NaN where a day is not known.
        """
        numbers = np.array([self.contract.outcome.read_label(label) for label in self.labels])
        kind = np.int64 if self.contract.task in ("binary", "multiclass") else np.float64
        return numbers.astype(kind)

    @property
    def fitted(self) -> NDArray[Any]:
        """What a fit gets of the labels, shape (n,)."""
        return self.targets if self.ratings is None else self.ratings

    @cached_property
    def tensors(self) -> Tensors:
        """The inputs of the graph for all rows, with all fields that they have."""
        return self._encode(self.requests)

    @cached_property
    def by_view(self) -> Mapping[str, Tensors]:
        """The inputs of the graph for clients that send the fields of a view alone, by its name."""
        return {view.name: self._in_view(view) for view in views_of(self.contract)}

    def groups(self, field: str) -> NDArray[np.str_]:
        """Return the value of a field in each row as text, shape (n,)."""
        values = (row.get(field) for row in self.requests)
        return np.array(["missing" if value is None else str(value) for value in values])

    def _in_view(self, view: View) -> Tensors:
        if view.is_whole:
            return self.tensors
        return self._encode([as_sent(self.contract, view, row) for row in self.requests])

    def _encode(self, requests: Sequence[Mapping[str, Any]]) -> Tensors:
        parse = self.contract.request.model_validate
        return self.contract.encoder.tensors([parse(request) for request in requests])


def views_of(contract: Contract) -> tuple[View, ...]:
    """Return the views that figures are computed for, the main one first."""
    return contract.views or (_EVERY_FIELD,)


def take(tensors: Tensors, rows: Rows) -> Tensors:
    """Return some rows of the inputs of a graph."""
    return {name: values[rows] for name, values in tensors.items()}


def stand_in(field: RequestField, row: int) -> str | int:
    """Return a subject that the contract allows, and that says nothing but the row's number."""
    if field.type == "integer":
        bounds = field.bounds
        low = int(bounds["ge"] if "ge" in bounds else bounds["gt"] + 1)
        high = int(bounds["le"] if "le" in bounds else bounds["lt"] - 1)
        return row if low <= row <= high else low + row % (high - low + 1)
    text = f"row {row}".rjust(field.min_length or 0, ".")
    return text[-field.max_length :] if field.max_length else text
