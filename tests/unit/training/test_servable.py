"""What could not be served is refused while it is still a candidate."""

import json
from dataclasses import replace
from typing import Any

import pytest

from mlops.errors import DataInvalid
from mlops.inference.golden import golden_to_bytes
from mlops.inference.holdout import Holdout, holdout_to_bytes
from mlops.inference.manifest import HOLDOUT
from mlops.models.churn.contract import CHURN
from mlops.training.folder import Candidate
from mlops.training.servable import require_servable
from tests.unit.inference.building import (
    failing_model,
    golden_rows,
    onnx_model,
    provenance,
    version_files,
)
from tests.unit.training.plans import change

GOOD = Candidate("churn", version_files(), provenance(), metrics={})


def refused(candidate: Candidate) -> tuple[str, str]:
    """File and reason."""
    with pytest.raises(DataInvalid) as caught:
        require_servable(candidate, "candidates/churn")
    assert str(caught.value).startswith(f"candidates/churn, {caught.value.field}: ")
    return caught.value.field, caught.value.reason


def test_a_good_candidate() -> None:
    require_servable(GOOD, "candidates/churn")


@pytest.mark.parametrize(
    ("changed", "file", "reason"),
    [
        ({"model_onnx": b""}, "model.onnx", "not a model that can be loaded"),
        ({"model_onnx": onnx_model(columns=3)}, "model.onnx", "not those of the contract"),
        ({"model_onnx": failing_model()}, "golden.json", "it cannot predict"),
        ({"golden_json": b"{"}, "golden.json", "cannot be read"),
        ({"golden_json": b"[]"}, "golden.json", "it has no golden rows"),
        (
            {"golden_json": golden_to_bytes(golden_rows(slope=0.06))},
            "golden.json",
            "a golden row is off",
        ),
        (
            {"golden_json": b'[{"request": {"tenure": "x"}, "numbers": [0.5]}]'},
            "golden.json",
            "the contract refuses",
        ),
    ],
)
def test_what_a_server_would_refuse(changed: dict[str, bytes], file: str, reason: str) -> None:
    found = refused(replace(GOOD, files=version_files(**changed)))
    assert found[0] == file
    assert reason in found[1]


ROW = {"customer_id": "row 1", "tenure": 1, "monthly_charges": 20}


def test_a_holdout_is_not_asked_for_but_has_to_be_one() -> None:
    good = {**GOOD.files, HOLDOUT: holdout_to_bytes(Holdout((ROW,), (1,)))}
    require_servable(replace(GOOD, files=good), "candidates/churn")
    file, reason = refused(replace(GOOD, files=good | {HOLDOUT: b"none"}))
    assert file == HOLDOUT
    assert "its holdout cannot be read" in reason


@pytest.mark.parametrize(
    ("row", "label", "reason"),
    [
        (ROW, "Yes", "its holdout, line 2: the label is none of the contract"),
        (ROW, 2, "its holdout, line 2: the label is none of the contract"),
        (ROW | {"tenure": -1}, 1, "its holdout, line 2, tenure: Input should be greater than"),
        ({}, 1, "its holdout, line 2, customer_id: Field required"),
    ],
)
def test_the_gate_could_compare_by_each_row_of_the_holdout(
    row: dict[str, Any], label: object, reason: str
) -> None:
    rows = holdout_to_bytes(Holdout((ROW, row), (0, label)))
    file, found = refused(replace(GOOD, files={**GOOD.files, HOLDOUT: rows}))
    assert file == HOLDOUT
    assert reason in found


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        (b"{", "contract.json"),
        (b"[]", "contract.json"),
        (CHURN.to_json().replace(b'"binary"', b'"guess"'), "task: Input should be"),
        (b"{}", "model: Field required"),
        (change(CHURN, model="loans").to_json(), "that of the model 'loans'"),
        (
            change(CHURN, examples={"odd": {"customer_id": "C1"}}).to_json(),
            "examples.odd.tenure: Field required",
        ),
    ],
)
def test_a_contract_that_cannot_be_used_is_refused(contract: bytes, reason: str) -> None:
    file, found = refused(replace(GOOD, files=version_files(contract_json=contract)))
    assert file == "contract.json"
    assert reason in found


def test_a_graph_of_another_contract_is_refused() -> None:
    """Its categories have other positions."""
    fields = json.loads(CHURN.to_json())["fields"]
    (place,) = [place for place, field in enumerate(fields) if field["name"] == "gender"]
    fields[place] |= {"choices": ["Male", "Female"]}
    other = change(CHURN, fields=fields)
    file, reason = refused(replace(GOOD, files=version_files(contract_json=other.to_json())))
    assert file == "model.onnx"
    assert "train it again" in reason


@pytest.mark.parametrize("lost", ["contract.json", "model.onnx", "golden.json"])
def test_what_is_not_there(lost: str) -> None:
    files = {name: content for name, content in GOOD.files.items() if name != lost}
    assert refused(replace(GOOD, files=files)) == (lost, "is missing")


@pytest.mark.parametrize(
    "origin",
    [
        {"code_sha": 3},
        {"environment": []},
        {"environment": 3},
        {"environment": {"python": 3}},
        {"data_digest": None},
    ],
)
def test_an_origin_that_could_not_be_read_again(origin: dict[str, Any]) -> None:
    odd = replace(GOOD, provenance=replace(GOOD.provenance, **origin))
    field, _ = refused(odd)
    assert field == "candidate.json"
