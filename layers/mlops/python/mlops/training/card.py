"""model_card.md: what a version is for, what it is made of, how good it is and for whom."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlops.models.plan import Dataset, TrainingPlan, View
from mlops.training.evaluation import FOLDS, REPEATS, CrossValidation, Figures, figures

_MIN_SEGMENT_ROWS = 50
# Without the file's name: the same rows give the same card, whatever their file is called.
_OWN_DATA = (
    "Not the sample that the project ships. The digest, of the file before compression, tells"
    " which data it is; whoever trained the model knows where that comes from."
)


def model_card(
    plan: TrainingPlan,
    data: Dataset,
    results: Mapping[str, CrossValidation],
    holdout: Mapping[str, Figures],
    holdout_rows: NDArray[np.intp],
    holdout_predictions: NDArray[np.float64],
) -> bytes:
    """holdout_predictions: of full rows, shape (len(holdout_rows),)."""
    card, sample = plan.card, plan.card.sample
    shipped = data.digest == sample.digest
    lines = [
        f"# {plan.contract.title}",
        "",
        "## What it is for",
        card.purpose,
        "",
        "## Data",
        sample.data if shipped else _OWN_DATA,
        "",
        f"Rows: {len(data.labels):,}, of which {data.labels.mean():.1%} are positive."
        f" Digest: `{data.digest}`.",
        "",
        "## Figures",
        f"Cross-validated, {FOLDS} stratified folds, {REPEATS} times; ± is the standard deviation"
        " over folds. The calibration error is that of all folds' predictions together.",
        "",
        *_table(
            ("view", "ROC-AUC", "Brier score", "calibration error"),
            (_cross_validated(view, results[view.name]) for view in plan.views),
        ),
        "",
        f"Holdout, {len(holdout_rows):,} rows:",
        "",
        *_table(
            ("view", "ROC-AUC", "Brier score", "calibration error"),
            (_row(view.name, holdout[view.name]) for view in plan.views),
        ),
        "",
        "## By segment",
        "Holdout, every field sent.",
        "",
        *_table(
            ("segment", "rows", "leave", "predicted", "ROC-AUC", "Brier score"),
            _segments(data, holdout_rows, holdout_predictions),
        ),
        "",
        "## Limits",
        *(f"- {limit}" for limit in (*(sample.limits if shipped else ()), *card.limits)),
        "",
    ]
    return "\n".join(lines).encode()


def _segments(
    data: Dataset, rows: NDArray[np.intp], predictions: NDArray[np.float64]
) -> Iterable[Sequence[str]]:
    labels = data.labels[rows]
    for heading, groups in data.segments.items():
        of_rows = groups[rows]
        for group in sorted(set(of_rows.tolist())):
            here = of_rows == group
            rates = [
                f"{here.sum():,}",
                f"{labels[here].mean():.1%}",
                f"{predictions[here].mean():.1%}",
            ]
            if here.sum() < _MIN_SEGMENT_ROWS or len(set(labels[here].tolist())) < 2:
                yield f"{heading} {group}", *rates, "too few rows", "too few rows"
            else:
                found = figures(labels[here], predictions[here])
                yield f"{heading} {group}", *rates, f"{found.roc_auc:.3f}", f"{found.brier:.3f}"


def _cross_validated(view: View, found: CrossValidation) -> Sequence[str]:
    mean, spread = found.mean, found.spread
    return (
        f"{view.name}: {view.describe}",
        f"{mean.roc_auc:.4f} ± {spread.roc_auc:.4f}",
        f"{mean.brier:.4f} ± {spread.brier:.4f}",
        f"{found.ece:.4f}",
    )


def _row(name: str, found: Figures) -> Sequence[str]:
    return name, f"{found.roc_auc:.4f}", f"{found.brier:.4f}", f"{found.ece:.4f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
