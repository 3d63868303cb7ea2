"""The model that the project ships: its figures, its files, and that they can be made again."""

import gzip
import io
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning

from mlops.bootstrap.registry import open_registry
from mlops.inference.golden import golden_from_bytes
from mlops.inference.holdout import holdout_from_bytes
from mlops.inference.loading import ModelLoader
from mlops.inference.manifest import CARD, GOLDEN, HOLDOUT, METRICS, MODEL, REFERENCE
from mlops.inference.predictor import Predictor
from mlops.inference.version import Pin
from mlops.models.churn.contract import CHURN
from mlops.models.tabular import INPUT
from mlops.training.data import take
from mlops.training.evaluation import BinaryEvaluation
from mlops.training.export import predict_numbers
from mlops.training.folder import read
from mlops.training.gate import parity_difference
from tests.unit.models.telco import TELCO, telco_data

# Whoever comes first waits for the model of the whole session to be trained.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def files(trained_store: Path, churn_pin: Pin) -> dict[str, bytes]:
    folder = trained_store / "models" / str(churn_pin.version)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def metrics(files: dict[str, bytes]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files[METRICS])
    return document


def test_a_version_has_all_its_files(files: dict[str, bytes]) -> None:
    assert files.keys() == {
        "contract.json",
        "golden.json",
        "holdout.jsonl.gz",
        "manifest.json",
        "metrics.json",
        "model.joblib",
        "model.onnx",
        "model_card.md",
        "reference.json",
    }


def test_figures_reach_what_is_promised(metrics: dict[str, Any]) -> None:
    found = metrics["cross_validation"]
    assert found["full"]["mean"]["roc_auc"] >= 0.846
    assert found["full"]["mean"]["brier"] <= 0.135
    assert found["three_fields"]["mean"]["roc_auc"] >= 0.818
    assert found["three_fields"]["mean"]["brier"] <= 0.145
    assert found["full"]["pooled"]["ece"] <= 0.02


def test_metrics_hold_the_holdout_too(metrics: dict[str, Any]) -> None:
    assert metrics["rows"] == {"train": 5634, "holdout": 1409}
    for view in ("full", "three_fields"):
        assert metrics["holdout"][view].keys() == {"roc_auc", "brier", "ece"}
        cross_validated = metrics["cross_validation"][view]
        for figure in ("roc_auc", "brier"):
            distance = abs(metrics["holdout"][view][figure] - cross_validated["mean"][figure])
            assert distance < 3 * cross_validated["spread"][figure]


def test_onnx_equals_scikit_learn_over_the_holdout(
    files: dict[str, bytes], metrics: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        estimator = joblib.load(io.BytesIO(files["model.joblib"]))
    predictor = Predictor("churn", files[MODEL], CHURN)
    data = telco_data()
    held_out = BinaryEvaluation().split(data)[1]
    for tensors in data.by_view.values():
        rows = take(tensors, held_out)
        expected = predict_numbers(estimator, CHURN, rows)
        worst = parity_difference(predictor.predict(rows), expected, 6)
        assert worst <= 1e-5
        assert worst <= metrics["onnx_parity"]["max_difference"] * 1.1


def test_golden_rows_reproduce(
    trained_store: Path, churn_pin: Pin, files: dict[str, bytes]
) -> None:
    served = ModelLoader([open_registry(str(trained_store)).versions]).load(churn_pin)
    served.check()
    golden = golden_from_bytes("churn", files[GOLDEN])
    sizes = {len(row.request) for row in golden}
    assert {3, 20} <= sizes
    assert len({row.numbers for row in golden}) > len(golden) / 2


def test_the_holdout_has_the_figures_that_are_promised_of_it(
    files: dict[str, bytes], metrics: dict[str, Any]
) -> None:
    """Its rows are those held out: another row would give other figures."""
    holdout = holdout_from_bytes("churn", files[HOLDOUT])
    data = telco_data()
    rows = BinaryEvaluation().split(data)[1]
    assert [request["customer_id"] for request in holdout.requests] == [
        f"row {row}" for row in rows.tolist()
    ]
    labels = holdout.numbers("churn", CHURN.outcome)
    assert labels.tolist() == data.targets[rows].tolist()
    tensors = CHURN.encoder.tensors([CHURN.request.model_validate(row) for row in holdout.requests])
    np.testing.assert_array_equal(tensors[INPUT], data.tensors[INPUT][rows])
    numbers = Predictor("churn", files[MODEL], CHURN).predict(tensors)
    found = BinaryEvaluation().compute(labels, numbers)
    assert found == pytest.approx(metrics["holdout"]["full"], abs=2e-4)


def test_no_file_names_a_customer(files: dict[str, bytes]) -> None:
    customer = re.compile(rb"[0-9]{4}-[A-Z]{5}")
    assert all(customer.fullmatch(row["customer_id"].encode()) for row in telco_data().requests)
    plain = files | {HOLDOUT: gzip.decompress(files[HOLDOUT])}
    assert [name for name, content in plain.items() if customer.search(content)] == []


def test_model_card(files: dict[str, bytes], metrics: dict[str, Any]) -> None:
    card = files[CARD].decode()
    headings = [line for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        "## What it is for",
        "## Data",
        "## Figures",
        "## By segment",
        "## Limits",
    ]
    for provenance in ("IBM", "`evalml`", "`modeldata`", telco_data().digest, "7,043"):
        assert provenance in card
    segments = [line.split("|")[1].strip() for line in card.splitlines() if line.count("|") == 7]
    assert segments[2:] == [
        "contract Month-to-month",
        "contract One year",
        "contract Two year",
        "internet_service DSL",
        "internet_service Fiber optic",
        "internet_service No",
        "payment_method Bank transfer (automatic)",
        "payment_method Credit card (automatic)",
        "payment_method Electronic check",
        "payment_method Mailed check",
        "senior_citizen 0",
        "senior_citizen 1",
        "gender Female",
        "gender Male",
    ]
    for view in ("full", "three_fields"):
        assert f"{metrics['cross_validation'][view]['mean']['roc_auc']:.4f} ±" in card
        assert f"{metrics['holdout'][view]['brier']:.4f}" in card


def test_reference_describes_every_feature_and_the_prediction(files: dict[str, bytes]) -> None:
    reference = json.loads(files[REFERENCE])
    assert [*reference["features"]] == [field.name for field in CHURN.encoder.fields]
    assert reference["rows"] == 7043
    views = reference["views"]
    assert views.keys() == {"full", "three_fields"}
    profiles = (*reference["features"].values(), reference["prediction"], *views.values())
    assert {sum(profile["counts"]) for profile in profiles} == {7043}


def test_another_process_makes_the_same_bytes(
    tmp_path: Path, trained_store: Path, churn_pin: Pin, files: dict[str, bytes]
) -> None:
    """Elsewhere, with another order of hashes, and with one thread."""
    environment = os.environ | {
        "PYTHONHASHSEED": "4711",
        "OMP_NUM_THREADS": "1",
        "SOURCE_DATE_EPOCH": "1767225600",  # as for the session's model
    }
    mlops = Path(sys.executable).parent / "mlops"
    for command in (["train", "churn", "--data", TELCO], ["register", "churn", "--json"]):
        answer = subprocess.run(
            [mlops, *command], cwd=tmp_path, env=environment, check=True, capture_output=True
        ).stdout
    candidate = read(tmp_path / ".mlops" / "candidates" / "churn")
    assert candidate.files == {name: files[name] for name in candidate.files}
    assert json.loads(answer)["pin"] == str(churn_pin)
