"""The contract's checks on whole columns: which rows are valid for sure.

They doubt what they must. A row that they do not accept is asked of the request class itself.
"""

import numpy as np
import pyarrow.compute as compute
from numpy.typing import NDArray

from mlops.batch.reading import Rows, number_of
from mlops.models.contract import Contract, RequestField, Rule

_EXACT = 2.0**53
"""From here on, different integers are the same float."""

Mask = NDArray[np.bool_]
"""Of shape (n,): something that some of n rows are."""


def accepted(rows: Rows, contract: Contract) -> Mask:
    """Return the rows that keep the contract for sure; none where its input has no columns."""
    fields = contract.encoder.fields
    if not fields:
        return np.zeros(len(rows), dtype=np.bool_)
    sure = rows.well_formed & _has_subject(rows, contract)
    for field in fields:
        cells = rows.cells[field.name]
        sure &= np.where(cells.given, _allowed(cells.values, field), not field.required)
    values = _Values(rows, contract)
    for rule in contract.rules:
        sure &= ~values.contradict(rule)
    return sure


def _has_subject(rows: Rows, contract: Contract) -> Mask:
    found = rows.subjects
    if contract.subject is None or found is None:
        return np.ones(len(rows), dtype=np.bool_)
    field = contract.by_name[contract.subject]
    given: Mask = compute.is_valid(found).to_numpy(zero_copy_only=False)
    if field.type == "text":
        lengths = compute.fill_null(compute.utf8_length(found), 0).to_numpy(zero_copy_only=False)
        low, high = field.min_length or 0, field.max_length or 0
        fits: Mask = given & (lengths >= low) & (lengths <= high)
        return fits
    numbers = compute.fill_null(found, 0).to_numpy(zero_copy_only=False)
    return given & _within(numbers, field)


def _allowed(values: NDArray[np.float64], field: RequestField) -> Mask:
    # A comparison with NaN is False: what is no value of the field is doubted here.
    if field.type not in ("integer", "number"):
        return ~np.isnan(values) & _within(values, field)
    allowed = np.isin(values, field.choices) if field.choices else _within(values, field)
    if field.type == "integer":
        allowed &= (values == np.floor(values)) & (np.abs(values) < _EXACT)
    return allowed


def _within(values: NDArray[np.float64] | NDArray[np.int64], field: RequestField) -> Mask:
    within = np.ones(len(values), dtype=np.bool_)
    for name, bound in field.bounds.items():
        within &= _KEEPS[name](values, values.dtype.type(bound))
    return within


_KEEPS = {"ge": np.greater_equal, "gt": np.greater, "le": np.less_equal, "lt": np.less}


class _Values:
    """Tells which rows have some value of a field. Rules name the same ones again and again."""

    def __init__(self, rows: Rows, contract: Contract) -> None:
        self._rows = rows
        self._contract = contract
        self._found: dict[tuple[str, tuple[object, ...]], Mask] = {}

    def contradict(self, rule: Rule) -> Mask:
        """Return the rows that break a rule."""
        applies = np.ones(len(self._rows), dtype=np.bool_)
        for name, values in rule.when.items():
            applies &= self._have(name, values)
        broken = np.zeros(len(self._rows), dtype=np.bool_)
        for name, values in rule.then.items():
            broken |= self._rows.cells[name].given & ~self._have(name, values)
        for name, values in rule.then_not.items():
            broken |= self._have(name, values)
        return applies & broken

    def _have(self, name: str, values: tuple[object, ...]) -> Mask:
        found = self._found.get((name, values))
        if found is None:
            field = self._contract.by_name[name]
            numbers = [number_of(field, value) for value in values]
            found = np.isin(self._rows.cells[name].values, numbers)
            self._found[name, values] = found
        return found
