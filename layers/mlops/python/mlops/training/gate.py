"""Which candidates may be registered."""

from collections.abc import Mapping

import numpy as np

from mlops.models.plan import Dataset, TrainingPlan
from mlops.training.evaluation import CrossValidation

MIN_CLASS_ROWS = 50
"""Of the smaller class; with fewer, a fold has less than ten, and its figures say nothing."""
MAX_PARITY_DIFFERENCE = 1e-5
"""Largest difference of a probability between the ONNX graph and scikit-learn."""


def too_few_rows(data: Dataset) -> list[str]:
    """Why `data` cannot be judged at all; nothing is good."""
    fewest = int(np.bincount(data.labels, minlength=2).min())
    if fewest >= MIN_CLASS_ROWS:
        return []
    return [f"one class has {fewest} rows, too few to judge by: {MIN_CLASS_ROWS} are needed"]


def refusals(
    plan: TrainingPlan, results: Mapping[str, CrossValidation], parity_difference: float
) -> list[str]:
    """Every reason against a candidate; none is good. Written so that NaN is refused."""
    reasons = []
    for view in plan.views:
        found, bounds = results[view.name], view.bounds
        roc_auc, brier = found.mean.roc_auc, found.mean.brier
        if not roc_auc >= bounds.min_roc_auc:
            reasons.append(f"{view.name}: ROC-AUC {roc_auc:.4f} is below {bounds.min_roc_auc}")
        if not brier <= bounds.max_brier:
            reasons.append(f"{view.name}: Brier score {brier:.4f} is above {bounds.max_brier}")
        if bounds.max_ece is not None and not found.ece <= bounds.max_ece:
            reasons.append(
                f"{view.name}: calibration error {found.ece:.4f} is above {bounds.max_ece}"
            )
        if bounds.leak_roc_auc is not None and roc_auc > bounds.leak_roc_auc:
            reasons.append(
                f"{view.name}: ROC-AUC {roc_auc:.4f} is above {bounds.leak_roc_auc}, too good to"
                " be true: does a column give the label away?"
            )
    if not parity_difference <= MAX_PARITY_DIFFERENCE:
        reasons.append(
            f"the ONNX model differs from scikit-learn by {parity_difference:.2g},"
            f" more than {MAX_PARITY_DIFFERENCE:.0e}"
        )
    return reasons
