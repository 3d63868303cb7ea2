"""How good a model is: the figures of each task, and the rows that they are computed on.

A task is evaluated by one class here, as its numbers have one meaning in `models/tasks.py`. All
else in training, from the gate to the model card, knows the names of no figure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, r2_score, roc_auc_score
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, train_test_split

from mlops.models.contract import Contract
from mlops.models.tasks import Numbers
from mlops.training.data import Dataset, Rows

FOLDS, REPEATS = 5, 5
HOLDOUT_SHARE = 0.2
ECE_BINS = 10
MIN_CLASS_ROWS = 50
"""Of the smallest class; with fewer, a fold has less than ten, and its figures say nothing."""
MIN_ROWS = 200
"""Of data whose labels are numbers."""
_SEED = 20

Labels = NDArray[Any]
"""Shape (n,), as `Dataset.targets` has them."""
Figures = Mapping[str, float]
"""By the name of the figure."""
Split = tuple[Rows, Rows]
"""Rows to train on, and rows to compute figures on."""


@dataclass(frozen=True)
class Figure:
    """One number that says how good a model is.

    name: in metrics.json. title: for people.
    leak: a better value is too good to be true, unless a plan says otherwise.
    pooled: it is computed over the predictions of all folds together, since that of one fold would
        mostly be noise: with 1,400 rows even a perfectly calibrated model shows a calibration error
        of about 0.02.
    share: it has a scale of its own, unlike a figure in the unit of the label.
    """

    name: str
    title: str
    more_is_better: bool
    leak: float | None = None
    pooled: bool = False
    share: bool = True

    def format(self, value: float) -> str:
        return f"{value:.4f}" if self.share else f"{value:,.5g}"

    def round(self, value: float) -> float:
        return round(value, 4) if self.share else float(f"{value:.5g}")


class Evaluation(Protocol):
    """How the models of one task are evaluated.

    folds_text: describes `folds` in the model card.
    """

    figures: ClassVar[tuple[Figure, ...]]
    folds_text: ClassVar[str]

    def compute(self, labels: Labels, numbers: Numbers) -> Figures:
        """Return all figures of predictions."""

    def split(self, data: Dataset) -> Split:
        """Return the rows to train on, and the holdout."""

    def folds(self, data: Dataset, repeats: int = REPEATS) -> Iterable[Split]:
        """Return the FOLDS × `repeats` parts of a cross-validation."""

    def find_shortages(self, labels: Labels) -> list[str]:
        """Return why there is too little data to judge a model by."""

    def summarize(self, labels: Labels) -> str:
        """Return a clause about the labels for the model card, such as "26 % are positive"."""

    def compare_levels(self, labels: Labels, numbers: Numbers) -> Mapping[str, str]:
        """Return what happened and what was predicted on the whole, by column of the card."""


@dataclass(frozen=True)
class BinaryEvaluation:
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("roc_auc", "ROC-AUC", more_is_better=True, leak=0.999),
        Figure("brier", "Brier score", more_is_better=False),
        Figure("ece", "calibration error", more_is_better=False, pooled=True),
    )
    folds_text: ClassVar[str] = f"{FOLDS} stratified folds"

    def compute(self, labels: Labels, numbers: Numbers) -> Figures:
        probability = numbers[:, 0]
        return {
            "roc_auc": float(roc_auc_score(labels, probability)),
            "brier": float(brier_score_loss(labels, probability)),
            "ece": expected_calibration_error(labels, probability),
        }

    def split(self, data: Dataset) -> Split:
        return _stratified_split(data)

    def folds(self, data: Dataset, repeats: int = REPEATS) -> Iterable[Split]:
        return _stratified_folds(data, repeats)

    def find_shortages(self, labels: Labels) -> list[str]:
        return _rare_classes(labels, ("negative", "positive"))

    def summarize(self, labels: Labels) -> str:
        return f"{labels.mean():.1%} are positive"

    def compare_levels(self, labels: Labels, numbers: Numbers) -> Mapping[str, str]:
        return {"positive": f"{labels.mean():.1%}", "predicted": f"{numbers[:, 0].mean():.1%}"}


@dataclass(frozen=True)
class MulticlassEvaluation:
    classes: Sequence[str]

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("accuracy", "accuracy", more_is_better=True, leak=0.999),
        Figure("brier", "Brier score", more_is_better=False),
        Figure("roc_auc", "ROC-AUC (mean of the classes)", more_is_better=True),
    )
    folds_text: ClassVar[str] = f"{FOLDS} stratified folds"

    def compute(self, labels: Labels, numbers: Numbers) -> Figures:
        truth = np.eye(len(self.classes))[labels]
        # A segment may lack a class, or have no other one: there is no curve of that class then.
        curves = [place for place in range(len(self.classes)) if 0 < truth[:, place].mean() < 1]
        areas = [roc_auc_score(truth[:, place], numbers[:, place]) for place in curves]
        return {
            "accuracy": float((numbers.argmax(axis=1) == labels).mean()),
            "brier": float(((numbers - truth) ** 2).sum(axis=1).mean()),
            "roc_auc": float(np.mean(areas)) if areas else float("nan"),
        }

    def split(self, data: Dataset) -> Split:
        return _stratified_split(data)

    def folds(self, data: Dataset, repeats: int = REPEATS) -> Iterable[Split]:
        return _stratified_folds(data, repeats)

    def find_shortages(self, labels: Labels) -> list[str]:
        return _rare_classes(labels, self.classes)

    def summarize(self, labels: Labels) -> str:
        shares = np.bincount(labels, minlength=len(self.classes)) / len(labels)
        common = sorted(zip(shares, self.classes, strict=True), key=lambda found: -found[0])[:5]
        return ", ".join(f"{share:.1%} are {name}" for share, name in common)

    def compare_levels(self, labels: Labels, numbers: Numbers) -> Mapping[str, str]:
        return {}


@dataclass(frozen=True)
class RegressionEvaluation:
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("mae", "mean absolute error", more_is_better=False, share=False),
        Figure("rmse", "root mean squared error", more_is_better=False, share=False),
        Figure("r2", "R²", more_is_better=True, leak=0.9999),
    )
    folds_text: ClassVar[str] = f"{FOLDS} folds"

    def compute(self, labels: Labels, numbers: Numbers) -> Figures:
        errors = numbers[:, 0] - labels
        return {
            "mae": float(np.abs(errors).mean()),
            "rmse": float(np.sqrt((errors**2).mean())),
            "r2": float(r2_score(labels, numbers[:, 0])),
        }

    def split(self, data: Dataset) -> Split:
        return _split(data)

    def folds(self, data: Dataset, repeats: int = REPEATS) -> Iterable[Split]:
        parts = RepeatedKFold(n_splits=FOLDS, n_repeats=repeats, random_state=_SEED)
        yield from parts.split(np.zeros(len(data)))

    def find_shortages(self, labels: Labels) -> list[str]:
        if len(labels) < MIN_ROWS:
            return [f"it has {len(labels)} rows, too few to judge by: {MIN_ROWS} are needed"]
        if np.ptp(labels) == 0:
            return ["all labels are the same number, so there is nothing to predict"]
        return []

    def summarize(self, labels: Labels) -> str:
        return f"the label is {labels.mean():,.5g} on average"

    def compare_levels(self, labels: Labels, numbers: Numbers) -> Mapping[str, str]:
        return {"mean": f"{labels.mean():,.5g}", "predicted": f"{numbers[:, 0].mean():,.5g}"}


def evaluation_of(contract: Contract) -> Evaluation:
    """Return how models of the contract's task are evaluated."""
    match contract.task:
        case "binary":
            return BinaryEvaluation()
        case "multiclass":
            return MulticlassEvaluation(contract.answer.classes)
        case "regression":
            return RegressionEvaluation()


def expected_calibration_error(labels: Labels, predictions: NDArray[np.float64]) -> float:
    """Return the mean distance of predicted from observed rate over ten equal-width bins.

    Each bin counts by its rows. Naeini, Cooper, Hauskrecht: Obtaining Well Calibrated
    Probabilities Using Bayesian Binning (AAAI 2015), with the positive class's probability as the
    confidence.
    """
    bins = np.minimum((predictions * ECE_BINS).astype(int), ECE_BINS - 1)
    sums = np.bincount(bins, weights=predictions - labels, minlength=ECE_BINS)
    return float(np.abs(sums).sum() / len(labels))


def _stratified_split(data: Dataset) -> Split:
    return _split(data, stratify=data.targets)


def _split(data: Dataset, stratify: Labels | None = None) -> Split:
    train, holdout = train_test_split(
        np.arange(len(data)), test_size=HOLDOUT_SHARE, stratify=stratify, random_state=_SEED
    )
    return train, holdout


def _stratified_folds(data: Dataset, repeats: int) -> Iterable[Split]:
    parts = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=repeats, random_state=_SEED)
    yield from parts.split(np.zeros(len(data)), data.targets)


def _rare_classes(labels: Labels, names: Sequence[str]) -> list[str]:
    counts = np.bincount(labels, minlength=len(names)).tolist()
    rare = [
        f"{name} has {count}"
        for name, count in zip(names, counts, strict=True)
        if count < MIN_CLASS_ROWS
    ]
    if not rare:
        return []
    return [f"too few rows to judge by: {', '.join(rare)}; each class needs {MIN_CLASS_ROWS}"]
