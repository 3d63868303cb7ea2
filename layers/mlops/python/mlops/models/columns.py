"""Rows as a model takes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MISSING = float("nan")
"""What a model sees where a row has no value. What it means is up to the model."""

# Positions from the end: where these stand, `Codes.numbers` has its missing values.
ABSENT, UNKNOWN = -1, -2


@dataclass(frozen=True)
class Columns:
    """`n` rows: numbers as they are, then categories, each as its position among the field's.

    Which column is what, the contract says: see `Contract.layout`.

    values: float32 of shape (n, columns), NaN where a value is missing.
    """

    values: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.intp]) -> "Columns":
        return Columns(self.values[rows])


@dataclass(frozen=True)
class Codes:
    """A column of categories, each row's as its position.

    codes: int16 of shape (n,); ABSENT where there is no value, UNKNOWN for any other one.
    """

    codes: NDArray[np.int16]
    categories: tuple[str, ...]

    def are(self, category: str) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.codes == self.categories.index(category)
        return found

    @property
    def absent(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.codes == ABSENT
        return found

    def numbers(self) -> NDArray[np.float32]:
        """As a model takes them."""
        known = np.array([*range(len(self.categories)), MISSING, MISSING], np.float32)
        return known[self.codes]


def to_columns(
    rows: Sequence[object], numeric: Sequence[str], codes: Mapping[str, dict[str, float]]
) -> Columns:
    """Read the named attributes of `rows`: those of `numeric`, then those of `codes`.

    codes: by field, the position of each category. None, or any other category, is missing.
    """
    # numpy makes NaN of None.
    values = [
        [
            *map(attributes.__getitem__, numeric),
            *map(dict.get, codes.values(), map(attributes.__getitem__, codes)),
        ]
        for attributes in map(vars, rows)
    ]
    shape = len(rows), len(numeric) + len(codes)
    return Columns(np.array(values, dtype=np.float32).reshape(shape))


def concatenate(parts: Iterable[Columns]) -> Columns:
    return Columns(np.concatenate([part.values for part in parts]))
