"""From what the import has proved to the files of a candidate."""

from datetime import datetime
from pathlib import Path

import numpy as np

from mlops.importing.process import Imported
from mlops.inference.manifest import CONTRACT, Provenance
from mlops.inference.predictor import Predictor
from mlops.models.contract import Contract
from mlops.models.plan import CardText
from mlops.training.candidate import build_candidate, environment
from mlops.training.data import Dataset
from mlops.training.evaluation import evaluation_of
from mlops.training.evidence import Evidence, figures_by_view
from mlops.training.folder import Candidate
from mlops.training.gate import find_leaks

ESTIMATOR = "model.joblib"


def candidate_of(
    imported: Imported, graph: bytes, pipeline: Path, *, at: datetime, code_sha: str | None
) -> tuple[Candidate, list[str]]:
    """Return the candidate, and warnings about its figures.

    at: when the estimator's file was imported; when it was trained is not known.
    """
    contract = Contract.from_json(imported.contract.encode(), CONTRACT)
    predictor = Predictor(f"the {contract.model} candidate", graph, contract)
    data = Dataset(contract, imported.requests, imported.labels, imported.digest)
    rows = np.arange(len(data))
    evaluation = evaluation_of(contract)
    figures = figures_by_view(data, rows, predictor.predict)
    evidence = Evidence(rows, predictor.predict(data.tensors), figures, imported.parity)
    candidate = build_candidate(
        data,
        graph,
        predictor,
        evidence,
        CardText(
            purpose=contract.description,
            data=(
                f"A {imported.estimator} that was trained elsewhere and imported without fitting it"
                f" again. In {imported.rows:,} rows, the sample and rows made to tell them apart,"
                " the ONNX graph and the estimator differ by"
                f" {imported.parity:.1e} at most. The figures are of the sample alone; whether the"
                " model has seen these rows in training is known to the person who imported it."
            ),
            limits=tuple(imported.notes),
        ),
        Provenance(
            trained_at=at,
            data_digest=imported.digest,
            code_sha=code_sha,
            environment=environment(),
        ),
        {ESTIMATOR: pipeline.read_bytes()},
    )
    warnings = [*evaluation.find_shortages(data.targets)]
    for found in figures.values():
        warnings += find_leaks(evaluation, found)
    return candidate, list(dict.fromkeys(warnings))
