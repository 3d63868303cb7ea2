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
from mlops.models.series import DAY, DAYS, KIND, KINDS
from mlops.models.tasks import Forecast, Numbers, forecast_of
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
    aimed: it should be near a value, so that more is no leak.
    """

    name: str
    title: str
    more_is_better: bool
    leak: float | None = None
    pooled: bool = False
    share: bool = True
    aimed: bool = False

    def format(self, value: float) -> str:
        return f"{value:.4f}" if self.share else f"{value:,.5g}"

    def round(self, value: float) -> float:
        return round(value, 4) if self.share else float(f"{value:.5g}")


@dataclass(frozen=True)
class Breakdown:
    """A table of figures. by: what its parts are. parts: the figures of each part, as text."""

    by: str
    heads: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]


class Evaluation(Protocol):
    """How the models of one task are evaluated.

    folds_text, fold_count: describe `folds`.
    """

    folds_text: ClassVar[str]
    fold_count: ClassVar[int]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures of the task, the most telling one first."""

    def compute(self, labels: Labels, numbers: Numbers) -> Figures:
        """Return all figures of predictions."""

    def split(self, data: Dataset) -> Split:
        """Return the rows to train on, and the holdout."""

    def folds(self, data: Dataset, repeats: int = REPEATS) -> Iterable[Split]:
        """Return the `fold_count` × `repeats` parts of a cross-validation."""

    def find_shortages(self, labels: Labels) -> list[str]:
        """Return why there is too little data to judge a model by."""

    def summarize(self, labels: Labels) -> str:
        """Return a clause about the labels for the model card, such as "26 % are positive"."""

    def compare_levels(self, labels: Labels, numbers: Numbers) -> Mapping[str, str]:
        """Return what happened and what was predicted on the whole, by column of the card."""

    def breakdown(self, data: Dataset, rows: Rows, numbers: Numbers) -> Sequence[Breakdown]:
        """Return figures by parts of the predictions, for the model card.

        rows: some of the data. numbers: what was predicted for these.
        """


@dataclass(frozen=True)
class BinaryEvaluation:
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("roc_auc", "ROC-AUC", more_is_better=True, leak=0.999),
        Figure("brier", "Brier score", more_is_better=False),
        Figure("ece", "calibration error", more_is_better=False, pooled=True),
    )
    folds_text: ClassVar[str] = f"{FOLDS} stratified folds"
    fold_count: ClassVar[int] = FOLDS

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

    def breakdown(self, data: Dataset, rows: Rows, numbers: Numbers) -> Sequence[Breakdown]:
        return ()

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
    fold_count: ClassVar[int] = FOLDS

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

    def breakdown(self, data: Dataset, rows: Rows, numbers: Numbers) -> Sequence[Breakdown]:
        return ()

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
    fold_count: ClassVar[int] = FOLDS

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

    def breakdown(self, data: Dataset, rows: Rows, numbers: Numbers) -> Sequence[Breakdown]:
        return ()

    def compare_levels(self, labels: Labels, numbers: Numbers) -> Mapping[str, str]:
        return {"mean": f"{labels.mean():,.5g}", "predicted": f"{numbers[:, 0].mean():,.5g}"}


HOLDOUT_FORECASTS = 17
"""They follow one another at the end of the data, each of as many days as are forecast by default.

They do not overlap, so that their losses are independent of each other.
"""
ORIGIN_STEP = 4
"""Days from one forecast to the next in training data. All weekdays begin one."""
MIN_DAYS = 6 * 365
_FORECAST_FOLDS, _FOLD_DAYS = 3, 182


@dataclass(frozen=True)
class ForecastEvaluation:
    """Forecasts are evaluated on days after those that a model was fitted to."""

    task: Forecast

    folds_text: ClassVar[str] = (
        f"{_FORECAST_FOLDS} folds with rolling origins, of {_FOLD_DAYS} days each, all of them"
        " after the days that the model was fitted to"
    )
    fold_count: ClassVar[int] = _FORECAST_FOLDS

    @property
    def figures(self) -> tuple[Figure, ...]:
        intervals = self.task.contract_answer.intervals
        score = Figure("interval_score", "interval score", more_is_better=False, share=False)
        return (
            Figure("mae", "mean absolute error", more_is_better=False, share=False),
            *([score] if intervals else []),
            *(
                Figure(
                    f"coverage_{percent}",
                    f"days in the {percent} % interval",
                    more_is_better=True,
                    pooled=True,
                    aimed=True,
                )
                for percent in intervals
            ),
        )

    def compute(self, labels: Labels, numbers: Numbers) -> Figures:
        """Return the means over all days that were asked for and are known."""
        days = self._days(labels, numbers)
        return {name: float(np.nanmean(values)) for name, values in days.items()}

    def split(self, data: Dataset) -> Split:
        begin = self._holdout_begin(data)
        first, last = _asked(data)
        return np.flatnonzero(last < begin), np.flatnonzero(first >= begin)

    def folds(self, data: Dataset, repeats: int = 1) -> Iterable[Split]:
        begin = self._holdout_begin(data)
        first, last = _asked(data)
        for place in range(_FORECAST_FOLDS, 0, -1):
            origin = begin - place * _FOLD_DAYS
            tested = (first >= origin) & (first < origin + _FOLD_DAYS) & (last < begin)
            yield np.flatnonzero(last < origin), np.flatnonzero(tested)

    def find_shortages(self, labels: Labels) -> list[str]:
        days = len(labels) * ORIGIN_STEP
        if days < MIN_DAYS:
            return [f"it has about {days:,} days, too few to judge by: {MIN_DAYS:,} are needed"]
        if np.nanmax(labels) == np.nanmin(labels):
            return ["all labels are the same number, so there is nothing to predict"]
        return []

    def summarize(self, labels: Labels) -> str:
        return f"a day has {np.nanmean(labels):,.5g} on average"

    def compare_levels(self, labels: Labels, numbers: Numbers) -> Mapping[str, str]:
        return {}

    def breakdown(self, data: Dataset, rows: Rows, numbers: Numbers) -> Sequence[Breakdown]:
        days = self._days(data.targets[rows], numbers)
        kinds = data.tensors[DAYS][rows, :, KIND]
        longest = kinds.shape[1]
        horizons = np.broadcast_to(np.arange(1, longest + 1), kinds.shape)
        heads = ("days", *(figure.title for figure in self.figures))

        def part(name: str, here: NDArray[np.bool_]) -> tuple[str, ...] | None:
            known = int((~np.isnan(days["mae"][here])).sum())
            if known == 0:
                return None
            means = (
                figure.format(float(np.nanmean(days[figure.name][here]))) for figure in self.figures
            )
            return name, f"{known:,}", *means

        def table(by: str, parts: Iterable[tuple[str, NDArray[np.bool_]]]) -> Breakdown:
            found = (part(name, here) for name, here in parts)
            return Breakdown(by, heads, tuple(it for it in found if it is not None))

        return (
            table("horizon", ((f"{day}", horizons == day) for day in range(1, longest + 1))),
            table("kind of day", ((name, kinds == place) for place, name in enumerate(KINDS))),
        )

    def _days(self, labels: Labels, numbers: Numbers) -> Mapping[str, NDArray[np.float64]]:
        """Return the figures of each day, shape (n, days); NaN where one is not known."""
        losses = self.task.day_losses(labels, numbers)
        names = {"absolute error": "mae", "interval score": "interval_score"}
        covered = self.task.covered(labels, numbers)
        return {
            **{names[name]: found for name, found in losses.items()},
            **{f"coverage_{percent}": found for percent, found in covered.items()},
        }

    def _holdout_begin(self, data: Dataset) -> int:
        _, last = _asked(data)
        return int(last.max()) + 1 - HOLDOUT_FORECASTS * self.task.default_days


def _asked(data: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last day that each row asks for, as ordinals."""
    days = data.tensors[DAYS][:, :, DAY].astype(np.int64)
    return days[:, 0], days.max(axis=1)


def evaluation_of(contract: Contract) -> Evaluation:
    """Return how models of the contract's task are evaluated."""
    match contract.task:
        case "binary":
            return BinaryEvaluation()
        case "multiclass":
            return MulticlassEvaluation(contract.answer.classes)
        case "regression":
            return RegressionEvaluation()
        case "forecast":
            return ForecastEvaluation(forecast_of(contract))


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
