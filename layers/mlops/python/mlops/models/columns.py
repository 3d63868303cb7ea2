"""Rows as a model takes them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What a model sees where a row has no value. Training and serving share them through this file;
# what they mean is up to the model.
MISSING_NUMBER = float("nan")
MISSING_CATEGORY = ""

# Positions from the end: where these stand, `Codes.texts` has its missing categories.
ABSENT, UNKNOWN = -1, -2


@dataclass(frozen=True)
class Columns:
    """`n` rows, unprocessed: all feature engineering is inside the model.

    numeric: float32 of shape (n, numbers), NaN where a value is missing.
    categorical: str objects of shape (n, categories), "" where a value is missing.
    """

    numeric: NDArray[np.float32]
    categorical: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.numeric)

    def take(self, rows: NDArray[np.intp]) -> "Columns":
        return Columns(self.numeric[rows], self.categorical[rows])


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

    def texts(self) -> NDArray[np.object_]:
        """As a model takes them."""
        known = np.array([*self.categories, MISSING_CATEGORY, MISSING_CATEGORY], dtype=object)
        return known[self.codes]


def to_columns(
    rows: Sequence[object], numeric: Sequence[str], categorical: Sequence[str]
) -> Columns:
    """Read the named attributes of `rows`; None becomes the missing value of its kind."""
    return Columns(
        numeric=np.array(
            [_values(row, numeric, MISSING_NUMBER) for row in rows], dtype=np.float32
        ).reshape(len(rows), len(numeric)),
        categorical=np.array(
            [_values(row, categorical, MISSING_CATEGORY) for row in rows], dtype=object
        ).reshape(len(rows), len(categorical)),
    )


def concatenate(parts: Iterable[Columns]) -> Columns:
    parts = list(parts)
    return Columns(
        np.concatenate([part.numeric for part in parts]),
        np.concatenate([part.categorical for part in parts]),
    )


def _values(row: object, names: Sequence[str], missing: object) -> list[object]:
    values = [getattr(row, name) for name in names]
    return [missing if value is None else value for value in values]
