"""Train a candidate: evaluate, export, gate, and write everything down."""

import importlib.metadata
import io
import json
import platform
from collections.abc import Callable
from datetime import datetime
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mlops.errors import GateRefused
from mlops.inference.golden import GoldenRow, golden_to_bytes
from mlops.inference.holdout import Holdout, holdout_to_bytes
from mlops.inference.manifest import GOLDEN, HOLDOUT, METRICS, MODEL, Provenance
from mlops.inference.predictor import Predictor
from mlops.models.plan import Dataset, TrainingPlan
from mlops.monitoring.reference import reference_profile
from mlops.training.card import model_card
from mlops.training.evaluation import by_view, cross_validate, probabilities, split
from mlops.training.export import to_onnx
from mlops.training.folder import Candidate
from mlops.training.gate import refusals, too_few_rows

SEED = 7
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")
_GOLDEN_ROWS = 24


def train(
    plan: TrainingPlan,
    data: Dataset,
    *,
    at: datetime,
    code_sha: str | None,
    on_fold: Callable[[int, int], None] = lambda done, of: None,
) -> Candidate:
    """Train on all rows but the holdout, judge, and write everything down.

    The files depend on data, code and libraries only; `at` and `code_sha` go into the provenance.
    Raises GateRefused.
    """
    contract = plan.contract
    if reasons := too_few_rows(data):
        raise GateRefused(contract.model, reasons)
    train_rows, holdout_rows = split(data)
    # One thread: the estimator remembers how many it was fitted with, and the trees are so small
    # that on a busy machine more of them mostly wait for one another.
    with threadpool_limits(limits=1):
        results = cross_validate(plan, data, SEED, on_fold)
        estimator = plan.fit(data.columns.take(train_rows), data.labels[train_rows], SEED)
    held_out = data.columns.take(holdout_rows)
    expected = probabilities(estimator, held_out)
    holdout = by_view(plan, estimator, held_out, data.labels[holdout_rows])

    model = to_onnx(estimator, contract)
    predictor = Predictor(f"the {contract.model} candidate", model, contract)
    reduced = [view.reduce(held_out) for view in plan.views]
    # NumPy's maximum, not Python's: one NaN among the differences makes it NaN.
    parity = float(
        np.max([np.abs(predictor.predict(it) - probabilities(estimator, it)) for it in reduced])
    )
    if reasons := refusals(plan, results, parity):
        raise GateRefused(contract.model, reasons)

    metrics = {
        "cross_validation": {
            name: {
                "mean": found.mean.rounded(),
                "spread": found.spread.rounded(),
                "ece": round(found.ece, 4),
            }
            for name, found in results.items()
        },
        "holdout": {name: found.rounded() for name, found in holdout.items()},
        "onnx_parity": {"max_difference": float(f"{parity:.1e}")},
        "rows": {"train": len(train_rows), "holdout": len(holdout_rows)},
    }
    return Candidate(
        model=contract.model,
        files={
            MODEL: model,
            "model.joblib": _dumped(estimator),
            GOLDEN: _golden(plan, data, predictor),
            HOLDOUT: _holdout(plan, data, holdout_rows),
            "reference.json": reference_profile(
                contract, data.columns, predictor.predict(data.columns)
            ),
            METRICS: (json.dumps(metrics, indent=1, sort_keys=True) + "\n").encode(),
            "model_card.md": model_card(plan, data, results, holdout, holdout_rows, expected),
        },
        provenance=Provenance(
            trained_at=at,
            data_digest=data.digest,
            code_sha=code_sha,
            environment={
                "python": platform.python_version(),
                **{name: importlib.metadata.version(name) for name in _LIBRARIES},
            },
        ),
        metrics=metrics,
    )


def _dumped(estimator: object) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()


def _unnamed(plan: TrainingPlan, data: Dataset, row: int) -> dict[str, Any]:
    """The row, about its number: files are kept and sent on, and none needs to know whom."""
    return data.requests[row] | {plan.contract.subject_field: f"row {row}"}


def _holdout(plan: TrainingPlan, data: Dataset, rows: NDArray[np.intp]) -> bytes:
    requests = tuple(_unnamed(plan, data, row) for row in rows.tolist())
    return holdout_to_bytes(Holdout(requests, data.labels[rows]))


def _golden(plan: TrainingPlan, data: Dataset, predictor: Predictor) -> bytes:
    """The contract's examples, and rows from all over the data: full ones and sparse ones."""
    contract = plan.contract
    requests = [dict(example) for example in contract.examples.values()]
    required = [
        name for name, field in contract.request.model_fields.items() if field.is_required()
    ]
    rows = np.linspace(0, len(data.labels) - 1, _GOLDEN_ROWS, dtype=int)
    for number, row in enumerate(rows.tolist()):
        request = _unnamed(plan, data, row)
        requests.append({name: request[name] for name in required} if number % 3 else request)
    parsed = [contract.request.model_validate(request) for request in requests]
    predictions = predictor.predict(contract.columns(parsed)).tolist()
    return golden_to_bytes(
        [
            GoldenRow(request, prediction)
            for request, prediction in zip(requests, predictions, strict=True)
        ]
    )
