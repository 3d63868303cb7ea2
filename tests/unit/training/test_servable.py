"""What could not be served is refused while it is still a candidate."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlops.errors import DataInvalid
from mlops.inference.golden import golden_to_bytes
from mlops.inference.holdout import Holdout, holdout_to_bytes
from mlops.inference.manifest import HOLDOUT
from mlops.models.catalogue import CONTRACTS
from mlops.training.folder import Candidate
from mlops.training.servable import require_servable
from tests.unit.inference.building import (
    failing_model,
    golden_rows,
    onnx_model,
    provenance,
    version_files,
)

GOOD = Candidate("churn", version_files(), provenance(), metrics={})


def refused(candidate: Candidate) -> tuple[str, str]:
    """File and reason."""
    with pytest.raises(DataInvalid) as caught:
        require_servable(candidate, CONTRACTS, "candidates/churn")
    assert str(caught.value).startswith(f"candidates/churn, {caught.value.field}: ")
    return caught.value.field, caught.value.reason


def test_a_good_candidate() -> None:
    require_servable(GOOD, CONTRACTS, "candidates/churn")


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
            {"golden_json": b'[{"request": {"tenure": "x"}, "prediction": 0.5}]'},
            "golden.json",
            "the contract refuses",
        ),
    ],
)
def test_what_a_server_would_refuse(changed: dict[str, bytes], file: str, reason: str) -> None:
    found = refused(replace(GOOD, files=version_files(**changed)))
    assert found[0] == file
    assert reason in found[1]


def test_a_holdout_is_not_asked_for_but_has_to_be_one() -> None:
    rows = Holdout(({"tenure": 1},), np.array([1]))
    good = {**GOOD.files, HOLDOUT: holdout_to_bytes(rows)}
    require_servable(replace(GOOD, files=good), CONTRACTS, "candidates/churn")
    file, reason = refused(replace(GOOD, files=good | {HOLDOUT: b"none"}))
    assert file == HOLDOUT
    assert "its holdout cannot be read" in reason


@pytest.mark.parametrize("lost", ["model.onnx", "golden.json"])
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
