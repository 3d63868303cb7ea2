"""How good a candidate is: its figures on rows that it has not seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlops.models.inputs import Tensors
from mlops.models.plan import TrainingPlan
from mlops.models.tasks import Numbers
from mlops.training.data import Dataset, Rows, take
from mlops.training.evaluation import REPEATS, Figures, evaluation_of
from mlops.training.export import predict_numbers


@dataclass(frozen=True)
class CrossValidation:
    """The figures of one view.

    figures: means over all folds; those that are pooled are of all folds' predictions together.
    spread: the standard deviations over folds.
    rows, numbers: of all folds together: what was predicted, and for which rows.
    """

    figures: Figures
    spread: Figures
    rows: Rows = field(default_factory=lambda: np.zeros(0, np.intp))
    numbers: Numbers = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True)
class Evidence:
    """What a version says of its quality.

    holdout_rows: rows of the data that the model has not seen.
    holdout_numbers: its predictions for these rows with all their fields, shape (n, k).
    holdout: figures of these rows, by view.
    parity: the largest difference between the ONNX graph and scikit-learn.
    cross_validation: by view; empty for a model that was trained elsewhere.
    repeats: how often the rows were dealt out into folds for it.
    """

    holdout_rows: Rows
    holdout_numbers: Numbers
    holdout: Mapping[str, Figures]
    parity: float
    cross_validation: Mapping[str, CrossValidation] = field(default_factory=dict)
    repeats: int = REPEATS

    def metrics(self, data: Dataset) -> dict[str, Any]:
        """Return the content of metrics.json."""
        figures = evaluation_of(data.contract).figures

        def rounded(found: Figures, *, pooled: bool | None = None) -> dict[str, float]:
            return {
                figure.name: figure.round(found[figure.name])
                for figure in figures
                if pooled in (None, figure.pooled)
            }

        document: dict[str, Any] = {
            "task": data.contract.task,
            "holdout": {name: rounded(found) for name, found in self.holdout.items()},
            "onnx_parity": {"max_difference": float(f"{self.parity:.1e}")},
            "rows": {
                "train": len(data) - len(self.holdout_rows),
                "holdout": len(self.holdout_rows),
            },
        }
        if self.cross_validation:
            document["cross_validation"] = {
                name: {
                    "mean": rounded(found.figures, pooled=False),
                    "pooled": rounded(found.figures, pooled=True),
                    "spread": rounded(found.spread, pooled=False),
                }
                for name, found in self.cross_validation.items()
            }
        return document


def cross_validate(
    plan: TrainingPlan, data: Dataset, seed: int, on_fold: Callable[[int, int], None]
) -> Mapping[str, CrossValidation]:
    """Return the figures by view. on_fold: called with how many of how many folds are done."""
    contract = data.contract
    evaluation = evaluation_of(contract)
    found: dict[str, list[Figures]] = {name: [] for name in data.by_view}
    predicted: dict[str, list[Numbers]] = {name: [] for name in data.by_view}
    held_out: list[Rows] = []
    for done, (train, test) in enumerate(evaluation.folds(data, plan.repeats), start=1):
        estimator = plan.fit(take(data.tensors, train), data.fitted[train], seed)
        held_out.append(test)
        for name, tensors in data.by_view.items():
            fold = predict_numbers(estimator, contract, take(tensors, test))
            predicted[name].append(fold)
            found[name].append(evaluation.compute(data.targets[test], fold))
        on_fold(done, evaluation.fold_count * plan.repeats)
    tested = np.concatenate(held_out)
    numbers = {name: np.concatenate(predicted[name]) for name in data.by_view}
    pooled = {
        name: evaluation.compute(data.targets[tested], numbers[name]) for name in data.by_view
    }
    return {
        name: CrossValidation(
            figures={
                figure.name: pooled[name][figure.name]
                if figure.pooled
                else float(np.mean([fold[figure.name] for fold in found[name]]))
                for figure in evaluation.figures
            },
            spread={
                figure.name: float(np.std([fold[figure.name] for fold in found[name]]))
                for figure in evaluation.figures
            },
            rows=tested,
            numbers=numbers[name],
        )
        for name in data.by_view
    }


def figures_by_view(
    data: Dataset, rows: Rows, predict: Callable[[Tensors], Numbers]
) -> Mapping[str, Figures]:
    """Return the figures of some rows for each view of the contract."""
    evaluation = evaluation_of(data.contract)
    return {
        name: evaluation.compute(data.targets[rows], predict(take(tensors, rows)))
        for name, tensors in data.by_view.items()
    }
