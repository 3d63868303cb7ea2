"""How good a model is, on rows it has not seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split

from mlops.models.columns import Columns
from mlops.models.plan import Dataset, Estimator, TrainingPlan, View

FOLDS, REPEATS = 5, 5
HOLDOUT_SHARE = 0.2
ECE_BINS = 10
_SEED = 20


@dataclass(frozen=True)
class Figures:
    """roc_auc, brier: as scikit-learn defines them. ece: see `expected_calibration_error`."""

    roc_auc: float
    brier: float
    ece: float

    def rounded(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in vars(self).items()}


@dataclass(frozen=True)
class CrossValidation:
    """Of one view. mean, spread: over folds × repeats; spread is the standard deviation.

    ece: over the pooled predictions of all folds. A single fold's would mostly be noise: with
    1,400 rows even a perfectly calibrated model shows about 0.02.
    """

    mean: Figures
    spread: Figures
    ece: float


def expected_calibration_error(
    labels: NDArray[np.int64], predictions: NDArray[np.float64]
) -> float:
    """Mean distance of predicted from observed rate over ten equal-width bins, by bin size.

    Naeini, Cooper, Hauskrecht: Obtaining Well Calibrated Probabilities Using Bayesian Binning
    (AAAI 2015), with the positive class's probability as the confidence.
    """
    bins = np.minimum((predictions * ECE_BINS).astype(int), ECE_BINS - 1)
    sums = np.bincount(bins, weights=predictions - labels, minlength=ECE_BINS)
    return float(np.abs(sums).sum() / len(labels))


def figures(labels: NDArray[np.int64], predictions: NDArray[np.float64]) -> Figures:
    return Figures(
        roc_auc=float(roc_auc_score(labels, predictions)),
        brier=float(brier_score_loss(labels, predictions)),
        ece=expected_calibration_error(labels, predictions),
    )


def probabilities(estimator: Estimator, columns: Columns) -> NDArray[np.float64]:
    return estimator.predict_proba(columns.values)[:, 1]


def split(data: Dataset) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row numbers to train on, and those held out; stratified by label."""
    rows = np.arange(len(data.labels))
    train, holdout = train_test_split(
        rows, test_size=HOLDOUT_SHARE, stratify=data.labels, random_state=_SEED
    )
    return train, holdout


def cross_validate(
    plan: TrainingPlan, data: Dataset, seed: int, on_fold: Callable[[int, int], None]
) -> Mapping[str, CrossValidation]:
    """By view. on_fold: called with how many of how many folds are done."""
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=_SEED)
    found: dict[str, list[Figures]] = {view.name: [] for view in plan.views}
    pooled: dict[str, list[NDArray[np.float64]]] = {view.name: [] for view in plan.views}
    truth: list[NDArray[np.int64]] = []
    parts = folds.split(np.zeros(len(data.labels)), data.labels)
    for done, (train, test) in enumerate(parts, start=1):
        estimator = plan.fit(data.columns.take(train), data.labels[train], seed)
        truth.append(data.labels[test])
        for view in plan.views:
            predictions = _in_view(estimator, data.columns.take(test), view)
            pooled[view.name].append(predictions)
            found[view.name].append(figures(data.labels[test], predictions))
        on_fold(done, FOLDS * REPEATS)
    labels = np.concatenate(truth)
    return {
        name: CrossValidation(
            mean=_over(np.mean, folds_figures),
            spread=_over(np.std, folds_figures),
            ece=expected_calibration_error(labels, np.concatenate(pooled[name])),
        )
        for name, folds_figures in found.items()
    }


def by_view(
    plan: TrainingPlan, estimator: Estimator, columns: Columns, labels: NDArray[np.int64]
) -> Mapping[str, Figures]:
    return {view.name: figures(labels, _in_view(estimator, columns, view)) for view in plan.views}


def _in_view(estimator: Estimator, columns: Columns, view: View) -> NDArray[np.float64]:
    return probabilities(estimator, view.reduce(columns))


def _over(reduce: Callable[[list[float]], Any], found: list[Figures]) -> Figures:
    return Figures(
        roc_auc=float(reduce([item.roc_auc for item in found])),
        brier=float(reduce([item.brier for item in found])),
        ece=float(reduce([item.ece for item in found])),
    )
