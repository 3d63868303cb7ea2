"""Train a candidate: cross-validate, fit, export, and let it through the gate."""

import io
from collections.abc import Callable, Mapping
from datetime import datetime

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from mlops.errors import GateRefused
from mlops.inference.manifest import Provenance
from mlops.inference.predictor import Predictor
from mlops.models.inputs import Tensors
from mlops.models.plan import Bounds, TrainingPlan
from mlops.models.tasks import Numbers
from mlops.training.candidate import build_candidate, environment
from mlops.training.data import Dataset, take
from mlops.training.evaluation import evaluation_of
from mlops.training.evidence import CrossValidation, Evidence, cross_validate, figures_by_view
from mlops.training.export import predict_numbers, to_onnx
from mlops.training.folder import Candidate
from mlops.training.gate import find_refusals, parity_difference, propose_bounds

SEED = 7
ESTIMATOR = "model.joblib"
"""The estimator as it was trained, for people; nothing loads it."""

OnFold = Callable[[int, int], None]
"""Called with how many of how many folds are done."""


def train(
    plan: TrainingPlan,
    data: Dataset,
    *,
    at: datetime,
    code_sha: str | None,
    on_fold: OnFold = lambda done, of: None,
) -> Candidate:
    """Train on all rows but the holdout, and judge the candidate.

    Its files depend on data, code and libraries only; `at` and `code_sha` are its provenance.

    Raises:
        GateRefused: Its figures are outside the bounds of the plan, or there are too few rows.
    """
    contract = plan.contract
    results = _cross_validate(plan, data, on_fold)
    train_rows, holdout_rows = evaluation_of(contract).split(data)
    with _one_thread():
        estimator = plan.fit(take(data.tensors, train_rows), data.fitted[train_rows], SEED)

    def predict(tensors: Tensors) -> Numbers:
        return predict_numbers(estimator, contract, tensors)

    graph = to_onnx(estimator, contract)
    predictor = Predictor(f"the {contract.model} candidate", graph, contract)
    held_out = [take(tensors, holdout_rows) for tensors in data.by_view.values()]
    parity = parity_difference(
        np.concatenate([predictor.predict(tensors) for tensors in held_out]),
        np.concatenate([predict(tensors) for tensors in held_out]),
        contract.outcome.output.decimals,
    )
    if reasons := find_refusals(plan, results, parity):
        raise GateRefused(contract.model, reasons)
    evidence = Evidence(
        holdout_rows=holdout_rows,
        holdout_numbers=predict(take(data.tensors, holdout_rows)),
        holdout=figures_by_view(data, holdout_rows, predict),
        parity=parity,
        cross_validation=results,
        repeats=plan.repeats,
    )
    provenance = Provenance(
        trained_at=at, data_digest=data.digest, code_sha=code_sha, environment=environment()
    )
    return build_candidate(
        data,
        graph,
        predictor,
        evidence,
        plan.card_text(data.digest),
        provenance,
        {ESTIMATOR: _dump(estimator)},
    )


def find_bounds(
    plan: TrainingPlan, data: Dataset, on_fold: OnFold = lambda done, of: None
) -> Mapping[str, Bounds]:
    """Return bounds, by view, for a plan that has none yet. Raise GateRefused for too few rows."""
    return propose_bounds(plan, _cross_validate(plan, data, on_fold))


def _cross_validate(
    plan: TrainingPlan, data: Dataset, on_fold: OnFold
) -> Mapping[str, CrossValidation]:
    if reasons := evaluation_of(plan.contract).find_shortages(data.targets):
        raise GateRefused(plan.contract.model, reasons)
    with _one_thread():
        return cross_validate(plan, data, SEED, on_fold)


def _one_thread() -> threadpool_limits:
    """Limit the threads of a fit.

    An estimator remembers how many it was fitted with. And small trees on a busy machine mostly
    make threads wait for one another.
    """
    return threadpool_limits(limits=1)


def _dump(estimator: object) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()
