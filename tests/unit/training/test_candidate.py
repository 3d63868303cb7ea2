"""The files of a candidate, made of a graph and labelled rows of any task."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops.errors import ContractInvalid
from mlops.inference.golden import check_golden, golden_from_bytes
from mlops.inference.holdout import holdout_from_bytes
from mlops.inference.manifest import CONTRACT, GOLDEN, HOLDOUT, METRICS, REFERENCE
from mlops.inference.predictor import Predictor
from mlops.models.contract import Contract
from mlops.models.plan import CardText, Estimator
from mlops.training.candidate import build_candidate, environment
from mlops.training.data import Dataset
from mlops.training.evidence import Evidence, figures_by_view
from mlops.training.export import to_onnx
from mlops.training.folder import Candidate
from tests.unit.inference.building import onnx_model, provenance
from tests.unit.models.telco import telco_data
from tests.unit.training.plans import (
    BIKES,
    BIKES_PLAN,
    FRUIT,
    FRUIT_PLAN,
    bikes_rows,
    change,
    fruit_rows,
    read_rows,
)

TEXT = CardText(purpose="It shows something.", data="Made up.")
ROWS = np.array([3, 30, 60])


def build(data: Dataset, graph: bytes, rows: np.ndarray[Any, Any] = ROWS) -> Candidate:
    predictor = Predictor("the candidate", graph, data.contract)
    every = np.arange(len(data))
    found = Evidence(
        holdout_rows=rows,
        holdout_numbers=predictor.predict(data.tensors)[rows],
        holdout=figures_by_view(data, every, predictor.predict),
        parity=3.21e-7,
    )
    return build_candidate(data, graph, predictor, found, TEXT, provenance())


def build_of(data: Dataset, estimator: Estimator) -> Candidate:
    return build(data, to_onnx(estimator, data.contract))


@pytest.fixture
def bikes(tmp_path: Path) -> Dataset:
    return read_rows(tmp_path, BIKES, bikes_rows(80))


@pytest.fixture
def bikes_candidate(bikes: Dataset) -> Candidate:
    return build_of(bikes, BIKES_PLAN.fit(bikes.tensors, bikes.targets, 1))


@pytest.fixture
def fruit_candidate(tmp_path: Path) -> Candidate:
    data = read_rows(tmp_path, FRUIT, fruit_rows(90))
    return build_of(data, FRUIT_PLAN.fit(data.tensors, data.targets, 1))


def test_the_contract_is_one_of_the_files(
    bikes_candidate: Candidate, fruit_candidate: Candidate
) -> None:
    for candidate, contract in ((bikes_candidate, BIKES), (fruit_candidate, FRUIT)):
        assert candidate.model == contract.model
        assert Contract.from_json(candidate.files[CONTRACT], CONTRACT) == contract
        assert candidate.files.keys() == {
            "contract.json",
            "golden.json",
            "holdout.jsonl.gz",
            "metrics.json",
            "model.onnx",
            "model_card.md",
            "reference.json",
        }


@pytest.mark.parametrize("name", ["bikes_candidate", "fruit_candidate"])
def test_golden_rows_are_examples_then_full_and_sparse_rows(
    request: pytest.FixtureRequest, name: str
) -> None:
    candidate: Candidate = request.getfixturevalue(name)
    contract = Contract.from_json(candidate.files[CONTRACT], CONTRACT)
    golden = golden_from_bytes("it", candidate.files[GOLDEN])
    predictor = Predictor("it", candidate.files["model.onnx"], contract)
    check_golden("it", predictor, contract, golden)
    assert len(golden) == len(contract.examples) + 24
    assert golden[0].request == next(iter(contract.examples.values()))
    width = 1 if contract.task == "regression" else len(contract.answer.classes)
    assert {len(row.numbers) for row in golden} == {width}
    assert {frozenset(row.request) for row in golden} >= {contract.required}


def test_the_holdout_has_labels_as_json_and_no_subjects(
    bikes: Dataset, bikes_candidate: Candidate, fruit_candidate: Candidate
) -> None:
    hired = holdout_from_bytes("it", bikes_candidate.files[HOLDOUT])
    assert hired.labels == tuple(int(bikes_rows(80)[row]["hired"]) for row in ROWS)
    assert [request["hour_id"] for request in hired.requests] == [1003, 1030, 1060]
    for request, row in zip(hired.requests, ROWS.tolist(), strict=True):
        assert request | {"hour_id": 0} == {**bikes.requests[row], "hour_id": 0}
    kinds = holdout_from_bytes("it", fruit_candidate.files[HOLDOUT])
    assert kinds.labels == ("apple", "apple", "apple")
    assert kinds.numbers("it", FRUIT.outcome).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("subject", "stand_ins"),
    [
        ({"type": "integer", "ge": 0, "le": 100}, [3, 30, 60]),
        ({"type": "integer", "gt": 9, "lt": 50}, [13, 30, 30]),
        ({"type": "integer", "gt": 9, "le": 12}, [10, 10, 10]),
        ({"type": "integer", "ge": -9, "lt": 0}, [-6, -6, -3]),
        ({"type": "text", "max_length": 20}, ["row 3", "row 30", "row 60"]),
        ({"type": "text", "max_length": 4}, ["ow 3", "w 30", "w 60"]),
        ({"type": "text", "min_length": 8, "max_length": 8}, ["...row 3", "..row 30", "..row 60"]),
    ],
)
def test_the_stand_in_of_a_subject_is_one_that_the_contract_allows(
    bikes: Dataset, subject: dict[str, Any], stand_ins: list[object]
) -> None:
    fields = json.loads(BIKES.to_json())["fields"]
    own = subject.get("ge", 11) if subject["type"] == "integer" else "x" * 4 * 2
    if subject["type"] == "text":
        own = own[: subject["max_length"]]
    contract = change(
        BIKES,
        fields=[{"name": "hour_id", **subject}, *fields[1:]],
        examples={"a warm hour": {"hour_id": own, "temperature": 21.5}},
    )
    requests = [{**request, "hour_id": own} for request in bikes.requests]
    data = replace(bikes, contract=contract, requests=requests)
    candidate = build_of(data, BIKES_PLAN.fit(bikes.tensors, bikes.targets, 1))
    holdout = holdout_from_bytes("it", candidate.files[HOLDOUT])
    assert [request["hour_id"] for request in holdout.requests] == stand_ins


def test_no_file_names_a_customer() -> None:
    data = telco_data()
    candidate = build(data, onnx_model(), rows=np.arange(50))
    ids = [str(request["customer_id"]).encode() for request in data.requests]
    holdout = str(holdout_from_bytes("it", candidate.files[HOLDOUT])).encode()
    for content in (*candidate.files.values(), holdout):
        assert not any(customer in content for customer in ids)


def test_metrics_name_the_task_and_what_is_known(bikes_candidate: Candidate) -> None:
    metrics = json.loads(bikes_candidate.files[METRICS])
    assert metrics == bikes_candidate.metrics
    assert metrics.keys() == {"task", "holdout", "onnx_parity", "rows"}
    assert metrics["task"] == "regression"
    assert metrics["holdout"].keys() == {"all", "some"}
    assert metrics["holdout"]["all"].keys() == {"mae", "rmse", "r2"}
    assert metrics["onnx_parity"] == {"max_difference": 3.2e-07}
    assert metrics["rows"] == {"train": 77, "holdout": 3}


def test_the_reference_is_of_all_rows(bikes_candidate: Candidate) -> None:
    reference = json.loads(bikes_candidate.files[REFERENCE])
    assert reference["rows"] == 80
    assert [*reference["features"]] == [field.name for field in BIKES.encoder.fields]
    assert reference["views"]["all"]["counts"] == reference["prediction"]["counts"]
    assert reference["views"]["some"]["counts"] != reference["prediction"]["counts"]


def test_other_files_come_along(bikes: Dataset) -> None:
    graph = to_onnx(BIKES_PLAN.fit(bikes.tensors, bikes.targets, 1), BIKES)
    predictor = Predictor("it", graph, BIKES)
    found = Evidence(ROWS, predictor.predict(bikes.tensors)[ROWS], {}, 0.0)
    candidate = build_candidate(
        replace(bikes),
        graph,
        predictor,
        replace(found, holdout=figures_by_view(bikes, ROWS, predictor.predict)),
        TEXT,
        provenance(),
        {"model.joblib": b"a pickle"},
    )
    assert candidate.files["model.joblib"] == b"a pickle"


def test_a_contract_that_refuses_its_example_is_refused(bikes: Dataset) -> None:
    contract = change(BIKES, examples={"cold": {"hour_id": 1_000, "temperature": -99}})
    with pytest.raises(ContractInvalid, match="examples.cold.temperature"):
        build_of(replace(bikes, contract=contract), BIKES_PLAN.fit(bikes.tensors, bikes.targets, 1))


def test_the_environment_names_what_shapes_a_model() -> None:
    assert environment().keys() == {
        "python",
        "numpy",
        "onnx",
        "onnxruntime",
        "scikit-learn",
        "skl2onnx",
    }
