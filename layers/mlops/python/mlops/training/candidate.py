"""The files of a candidate, made of a graph, its contract and labelled rows.

Training and `mlops import` both end here, so that their versions have the same files.
"""

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlops.inference.golden import GoldenRow, golden_to_bytes
from mlops.inference.holdout import Holdout, holdout_to_bytes
from mlops.inference.manifest import (
    CARD,
    CONTRACT,
    GOLDEN,
    HOLDOUT,
    METRICS,
    MODEL,
    REFERENCE,
    Provenance,
)
from mlops.inference.predictor import Predictor
from mlops.models.plan import CardText
from mlops.monitoring.reference import reference_profile
from mlops.training.card import model_card
from mlops.training.data import Dataset, stand_in
from mlops.training.evidence import Evidence
from mlops.training.folder import Candidate

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")
_GOLDEN_ROWS, _FEWEST_GOLDEN_ROWS = 24, 6
_GOLDEN_BYTES = 40_000
"""Each start of a server reads them, so rows that are long are fewer."""


def build_candidate(
    data: Dataset,
    graph: bytes,
    predictor: Predictor,
    evidence: Evidence,
    text: CardText,
    provenance: Provenance,
    others: Mapping[str, bytes] | None = None,
) -> Candidate:
    """Return a candidate with all files of a version.

    Args:
        data: All labelled rows. They give the golden rows, the reference profile and the holdout.
        graph: The ONNX model of the data's contract.
        predictor: Of that graph.
        others: Further files by name, such as the estimator itself.

    Raises:
        ContractInvalid: The contract refuses one of its own examples.
    """
    contract = data.contract
    contract.require_examples(CONTRACT)
    metrics = evidence.metrics(data)
    by_view = {name: predictor.predict(tensors) for name, tensors in data.by_view.items()}
    files = {
        CONTRACT: contract.to_json(),
        MODEL: graph,
        GOLDEN: _golden_rows(data, predictor),
        HOLDOUT: _holdout(data, evidence),
        REFERENCE: reference_profile(
            contract, data.tensors, predictor.predict(data.tensors), by_view
        ),
        METRICS: (json.dumps(metrics, indent=1, sort_keys=True) + "\n").encode(),
        CARD: model_card(data, text, evidence),
    }
    return Candidate(contract.model, files | dict(others or {}), provenance, metrics)


def environment() -> dict[str, str]:
    """Return the versions of Python and of the libraries that shape a model."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **versions}


def _holdout(data: Dataset, evidence: Evidence) -> bytes:
    rows = evidence.holdout_rows.tolist()
    return holdout_to_bytes(
        Holdout(
            requests=tuple(_without_subject(data, row) for row in rows),
            labels=tuple(data.labels[row] for row in rows),
        )
    )


def _golden_rows(data: Dataset, predictor: Predictor) -> bytes:
    """Return the contract's examples, and rows from all over the data: full and sparse ones."""
    contract = data.contract
    requests = [dict(example) for example in contract.examples.values()]
    size = max(len(json.dumps(data.requests[row])) for row in (0, -1))
    count = min(_GOLDEN_ROWS, len(data), max(_FEWEST_GOLDEN_ROWS, _GOLDEN_BYTES // size))
    rows = np.linspace(0, len(data) - 1, count, dtype=int)
    for number, row in enumerate(rows.tolist()):
        request = _without_subject(data, row)
        if number % 3:
            request = {name: request[name] for name in request if name in contract.required}
        requests.append(request)
    parsed = [contract.request.model_validate(request) for request in requests]
    numbers = predictor.predict(contract.encoder.tensors(parsed)).tolist()
    return golden_to_bytes(
        [GoldenRow(request, tuple(found)) for request, found in zip(requests, numbers, strict=True)]
    )


def _without_subject(data: Dataset, row: int) -> dict[str, Any]:
    """Return a request about the number of its row: files are sent on, and none names anybody."""
    contract = data.contract
    request = dict(data.requests[row])
    if contract.subject is not None:
        request[contract.subject] = stand_in(contract.by_name[contract.subject], row)
    return request
