"""Every pipeline of a long list is reproduced or refused; none is imported and predicts wrong.

The rows here are drawn independently of those that the import itself compares.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
import pytest
from threadpoolctl import threadpool_limits

from mlops.errors import ImportRefused
from mlops.importing.importer import import_estimator
from mlops.importing.process import Order
from mlops.inference.predictor import Predictor
from mlops.models.contract import Contract, RequestField
from tests.integration.imports.cases import Case, cases
from tests.integration.imports.samples import LABEL

CASES = [*cases()]
DRAWN = 600


@pytest.mark.imports
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=pytest.mark.xdist_group(f"imports {place % 4}"))
        for place, case in enumerate(CASES)
    ],
)
def test_a_pipeline_is_reproduced_or_refused(
    case: Case, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    result, detail = run(case, tmp_path)
    record_property("imports", result)
    assert result != "wrong", detail
    assert result == "reproduced" or not case.fits, detail


def run(case: Case, folder: Path) -> tuple[str, str]:
    """Return what becomes of a case: reproduced, refused or wrong."""
    frame = case.data()
    rows, labels = frame.drop(columns=LABEL), frame[LABEL]
    frame.to_csv(folder / "sample.csv", index=False)
    read = pandas.read_csv(folder / "sample.csv").drop(columns=LABEL)
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore")
        estimator = case.build().fit(read.to_numpy() if case.as_array else read, labels)
        joblib.dump(estimator, folder / "pipeline.joblib")
        order = Order(str(folder / "pipeline.joblib"), str(folder / "sample.csv"), "some", LABEL)
        try:
            found, graph = import_estimator(order)
        except ImportRefused as error:
            return "refused", str(error)
        contract = Contract.from_json(found.contract.encode(), "contract")
        predictor = Predictor("some", graph, contract)
        drawn = draw(contract, found.requests, read)
        requests = [contract.request.model_validate(request) for request, _ in drawn]
        served = predictor.predict(contract.encoder.tensors(requests))
        tried = pandas.DataFrame([row for _, row in drawn], columns=rows.columns)
        tried = tried.astype(
            {name: kind for name, kind in read.dtypes.items() if tried[name].notna().all()}
        )
        expected = predict(estimator, tried.to_numpy() if case.as_array else tried, contract)
    off = np.abs(served - expected) / np.maximum(1, np.abs(expected))
    worst = int(np.nanargmax(off.max(axis=1)))
    if not np.max(off) <= 1.1e-5:
        return "wrong", f"off by {np.max(off):.2g}: {drawn[worst][0]}"
    return "reproduced", ""


def predict(estimator: Any, rows: Any, contract: Contract) -> Any:
    """Return the numbers that the contract promises, from the estimator's own methods."""
    if hasattr(estimator, "predict_proba"):
        found = estimator.predict_proba(rows)
        return found[:, 1:] if contract.task == "binary" else found
    if hasattr(estimator, "classes_"):
        scores = np.asarray(estimator.decision_function(rows))
        if contract.task != "multiclass":
            return scores.reshape(-1, 1)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    return np.asarray(estimator.predict(rows)).reshape(-1, 1)


def draw(
    contract: Contract, sample: list[dict[str, Any]], read: pandas.DataFrame
) -> list[tuple[dict[str, Any], list[Any]]]:
    """Return random requests with the rows that they stand for."""
    random = np.random.default_rng(11)
    drawn = []
    seen = {
        field.name: [row[field.name] for row in sample if field.name in row]
        for field in contract.fields
    }
    for _ in range(DRAWN):
        request = dict(sample[random.integers(len(sample))])
        for field in contract.fields:
            if random.random() < 0.4:
                value = _value(field, seen[field.name], random)
                if value is None:
                    request.pop(field.name, None)
                else:
                    request[field.name] = value
        sent = {field.column: request.get(field.name) for field in contract.fields}
        row = [
            (np.nan if sent[name] is None else sent[name]) if name in sent else read[name].iloc[0]
            for name in read.columns
        ]
        drawn.append((request, row))
    return drawn


def _value(field: RequestField, seen: list[Any], random: np.random.Generator) -> Any:
    if not field.required and random.random() < 0.3:
        return None
    if field.type == "boolean":
        return bool(random.integers(2))
    if field.choices:
        return field.choices[random.integers(len(field.choices))]
    low, high = min(seen), max(seen)
    if field.type == "integer":
        return int(random.integers(low, high + 1))
    first, second = (seen[place] for place in random.integers(len(seen), size=2))
    return float((first + second) / 2 if random.random() < 0.5 else random.uniform(low, high))
