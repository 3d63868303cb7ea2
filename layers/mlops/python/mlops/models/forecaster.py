"""A forecaster: trees for the ratio of a day to its level, and intervals as wide as past errors.

The intervals are those of split conformal prediction (Vovk, Gammerman, Shafer: Algorithmic Learning
in a Random World, 2005): the errors of a model on days after its training, by the kind of day.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlops.models.series import COLUMNS, DAY, FEATURES, KIND, KINDS, LEVEL

FIRST_FEATURE = len(COLUMNS) - len(FEATURES)


class Trees(Protocol):
    """A scikit-learn regressor of ratios."""

    def fit(self, features: Any, ratios: Any, sample_weight: Any) -> Any: ...

    def predict(self, features: Any) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Forecaster:
    """trees: predict the ratio of a day to its level from the FEATURES.

    widths: how far the ends of the intervals lie from the forecast, as shares of the level; shape
    (kinds, intervals).
    """

    trees: Trees
    widths: NDArray[np.float64]

    def predict(self, days: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the numbers of the task `Forecast`, shape (n, days * numbers of a day).

        days: shape (n, days, columns), as `SeriesInputs` returns them.
        """
        flat = days.reshape(-1, days.shape[2])
        level = flat[:, LEVEL, None].astype(np.float64)
        ratio = self.trees.predict(flat[:, FIRST_FEATURE:])[:, None]
        widths = self.widths[flat[:, KIND].astype(np.intp)]
        ends = np.stack([-widths, widths], axis=2).reshape(len(flat), -1)
        found = np.maximum(np.hstack([ratio, ratio + ends]) * level, 0)
        return np.hstack([flat[:, DAY, None], found, level]).reshape(len(days), -1)


@dataclass(frozen=True)
class DayRows:
    """The days of many requests, of which it is known what happened.

    days: of each, its ordinal. origins: the last known day of its request. ratios: of what happened
    to the level. All have shape (n,), features (n, FEATURES).
    """

    features: NDArray[np.float32]
    days: NDArray[np.int64]
    origins: NDArray[np.int64]
    kinds: NDArray[np.int64]
    levels: NDArray[np.float64]
    ratios: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.days)

    def where(self, rows: NDArray[Any]) -> "DayRows":
        return DayRows(**{name: values[rows] for name, values in vars(self).items()})


def day_rows(days: NDArray[np.float32], labels: NDArray[np.float64]) -> DayRows:
    """Return the days that were asked for, whose level is not 0, and whose label is known.

    days: shape (n, days, columns). labels: shape (n, days).
    """
    origins = np.broadcast_to(days[:, :1, DAY] - 1, labels.shape)
    known = (days[:, :, DAY] > 0) & ~np.isnan(labels) & (days[:, :, LEVEL] > 0)
    flat = days[known]
    levels = flat[:, LEVEL].astype(np.float64)
    return DayRows(
        features=flat[:, FIRST_FEATURE:],
        days=flat[:, DAY].astype(np.int64),
        origins=origins[known].astype(np.int64),
        kinds=flat[:, KIND].astype(np.int64),
        levels=levels,
        ratios=labels[known] / levels,
    )


def fit_forecaster(
    rows: DayRows,
    trained: NDArray[np.bool_],
    fit_trees: Callable[[DayRows], Trees],
    intervals: Sequence[int],
    *,
    calibration_days: int,
    refits: int,
) -> Forecaster:
    """Fit trees to rows, and intervals to the errors of trees that had not seen the last days.

    Args:
        rows: In any order.
        trained: Which of the rows trees are fitted to; errors are measured on all. Shape (n,).
        intervals: In percent.
        calibration_days: The last days, on which errors are measured.
        refits: In so many parts; the trees of each part were fitted to all days before it.
    """
    end = int(rows.days.max()) + 1
    step = calibration_days // refits
    errors, kinds = [], []
    for begin in range(end - step * refits, end, step):
        trees = fit_trees(rows.where(trained & (rows.days < begin)))
        seen = (rows.origins >= begin - 1) & (rows.days < begin + step)
        part = rows.where(seen)
        errors.append(np.abs(part.ratios - trees.predict(part.features)))
        kinds.append(part.kinds)
    error, kind = np.concatenate(errors), np.concatenate(kinds)
    widths = np.array(
        [
            [_quantile(error[kind == place], percent / 100) for percent in intervals]
            for place in range(len(KINDS))
        ]
    )
    return Forecaster(fit_trees(rows.where(trained)), widths)


def _quantile(errors: NDArray[np.float64], share: float) -> float:
    """Return the error that holds `share` of as many errors and one more; the largest at most."""
    rank = int(np.ceil((len(errors) + 1) * share)) - 1
    return float(np.sort(errors)[min(rank, len(errors) - 1)])
