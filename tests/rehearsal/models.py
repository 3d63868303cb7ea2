"""Candidates that pass or fail in a known way: the trained one with something put behind it.

Its data knows no customer of more than 72 months. What a candidate does to such customers shows in
traffic, and neither in its golden rows nor on the holdout.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import joblib
import numpy as np
import onnx
import pandas
from onnx import TensorProto, helper
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlops.inference.golden import GoldenRow, golden_from_bytes, golden_to_bytes
from mlops.inference.manifest import CONTRACT, GOLDEN, MODEL
from mlops.inference.predictor import Predictor
from mlops.models.churn.contract import CHURN
from mlops.models.churn.training import CHURN_PLAN
from mlops.models.contract import Contract
from mlops.models.tabular import INPUT
from mlops.training.csv_data import load
from mlops.training.export import to_onnx
from mlops.training.folder import Candidate, read, save
from tests.project.files import ROOT

Make = Callable[[Path, Path], Path]
"""Of the trained candidate's folder and a new one: that with another candidate."""

VETERAN_MONTHS = 100
LARGEST_LOAN = 50_000
BEYOND: Final = {"churn": ("tenure", VETERAN_MONTHS - 10.0), "loans": ("amount", LARGEST_LOAN)}
"""By model a field, and the number that it never exceeds in the data."""
LOAN_ROWS = 4_000
SLOW_SIZE = 700  # of a matrix that is multiplied by itself; some ten milliseconds
OUTPUT, _INNER = "outer", "trained"

LOANS = """\
model = "loans"
title = "Loans that are not paid back"
task = "binary"

[label]
column = "default"
positive = "bad"
negative = "good"

[answer]
name = "default_probability"

[[fields]]
name = "amount"
type = "number"
ge = 0
le = 1_000_000

[[fields]]
name = "purpose"
type = "category"
choices = ["car", "house", "other"]

[examples."a car"]
amount = 12_000
purpose = "car"
"""


def as_good(candidate: Path, folder: Path) -> Path:
    """The same model; under a name of its own it is another version."""
    save(read(candidate), folder)
    return folder


def guessing(candidate: Path, folder: Path) -> Path:
    """Trained on labels that were dealt out by chance."""
    found = read(candidate)
    data = load(ROOT / CHURN_PLAN.default_data, CHURN)
    labels = np.random.default_rng(1).permutation(data.targets)
    model = to_onnx(CHURN_PLAN.fit(data.tensors, labels, 1), CHURN)
    return _with_model(found, model, folder)


def narrower(candidate: Path, folder: Path) -> Path:
    """The same model with a contract that takes less, and all of its holdout."""
    found = read(candidate)
    text = found.files[CONTRACT].decode()
    assert text.count('"le": 1200') == 1
    files = {**found.files, CONTRACT: text.replace('"le": 1200', '"le": 120').encode()}
    save(replace(found, files=files), folder)
    return folder


def write_pipeline(folder: Path) -> Path:
    """Write a fitted pipeline and its sample into a new folder, for `mlops import`."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(3)
    rows = LOAN_ROWS
    amounts = generator.integers(1, LARGEST_LOAN // 1_000, rows) * 1_000.0
    purposes = generator.choice(["car", "house", "other"], rows)
    odds = amounts / LARGEST_LOAN * 3 - 1.5 + (purposes == "car")
    bad = generator.random(rows) < 1 / (1 + np.exp(-odds))
    labels = np.where(bad, "bad", "good")
    frame = pandas.DataFrame({"amount": amounts, "purpose": purposes})
    columns = ColumnTransformer(
        [("purpose", OneHotEncoder(), ["purpose"]), ("amount", StandardScaler(), ["amount"])]
    )
    half = rows // 2
    pipeline = make_pipeline(columns, LogisticRegression()).fit(frame[:half], labels[:half])
    joblib.dump(pipeline, folder / "pipeline.joblib")
    frame.assign(default=labels)[half:].to_csv(folder / "sample.csv", index=False)
    (folder / "contract.toml").write_text(LOANS)
    return folder


def failing(candidate: Path, folder: Path) -> Path:
    """Fails for veterans: it looks for something where nothing is."""
    return _behind(
        candidate,
        folder,
        [
            helper.make_node("ReduceMax", ["veterans"], ["any"], keepdims=0),
            helper.make_node("Cast", ["any"], ["place"], to=TensorProto.INT64),
            helper.make_node("Gather", ["ones", "place"], ["one"]),
            helper.make_node("Mul", [_INNER, "one"], [OUTPUT]),
        ],
    )


def slow(candidate: Path, folder: Path) -> Path:
    """Multiplies large matrices for everybody, and adds none of it."""
    return _behind(
        candidate,
        folder,
        [
            helper.make_node("ReduceMax", ["veterans"], ["any"], keepdims=0),
            helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
            helper.make_node("Add", ["zeros", "any"], ["matrix"]),
            helper.make_node("MatMul", ["matrix", "matrix"], ["product"]),
            helper.make_node("ReduceMin", ["product"], ["least"], keepdims=0),
            helper.make_node("Mul", ["least", "nothing"], ["no_more"]),
            helper.make_node("Add", [_INNER, "no_more"], [OUTPUT]),
        ],
    )


def shifted(candidate: Path, folder: Path) -> Path:
    """Says the opposite of veterans, or of large loans: p becomes 1 - p."""
    return _behind(
        candidate,
        folder,
        [
            helper.make_node("Sub", ["whole", _INNER], ["opposite"]),
            helper.make_node("Cast", ["veterans"], ["is_veteran"], to=TensorProto.BOOL),
            helper.make_node("Where", ["is_veteran", "opposite", _INNER], [OUTPUT]),
        ],
    )


def _behind(candidate: Path, folder: Path, nodes: Sequence[onnx.NodeProto]) -> Path:
    """The trained model with `nodes` behind it, from `_INNER` and `veterans` to the output.

    veterans: 1 for such a customer, or such a loan, and 0 for all others, of shape (n, 1).
    """
    found = read(candidate)
    contract = Contract.from_json(found.files[CONTRACT], CONTRACT)
    output = contract.outcome.output.name
    model = onnx.load_from_string(found.files[MODEL])
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name == output:
                node.output[place] = _INNER
    outer = [_renamed(node, output) for node in nodes]
    model.graph.node.extend(
        [
            helper.make_node("Slice", [INPUT, "from", "to", "axis"], ["watched_column"]),
            helper.make_node("Cast", ["watched_column"], ["watched"], to=TensorProto.FLOAT),
            helper.make_node("Greater", ["watched", "long"], ["is_long"]),
            helper.make_node("Cast", ["is_long"], ["veterans"], to=TensorProto.FLOAT),
            *outer,
        ]
    )
    field, above = BEYOND[contract.model]
    place = [it.name for it in contract.encoder.fields].index(field)
    model.graph.initializer.extend(
        [
            helper.make_tensor("from", TensorProto.INT64, [1], [place]),
            helper.make_tensor("to", TensorProto.INT64, [1], [place + 1]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("long", TensorProto.FLOAT, [], [above]),
            helper.make_tensor("ones", TensorProto.FLOAT, [1], [1]),
            helper.make_tensor("whole", TensorProto.FLOAT, [], [1]),
            helper.make_tensor("nothing", TensorProto.FLOAT, [], [0]),
            helper.make_tensor("size", TensorProto.INT64, [2], [SLOW_SIZE, SLOW_SIZE]),
        ]
    )
    onnx.checker.check_model(model)
    content = model.SerializeToString(deterministic=True)
    save(replace(found, files={**found.files, MODEL: content}), folder)
    return folder


def _renamed(node: onnx.NodeProto, output: str) -> onnx.NodeProto:
    node.output[:] = [output if name == OUTPUT else name for name in node.output]
    return node


def _with_model(found: Candidate, model: bytes, folder: Path) -> Path:
    """Save a candidate with another model, whose golden rows are what that predicts."""
    predictor = Predictor("other", model, CHURN)
    golden = []
    for row in golden_from_bytes("other", found.files[GOLDEN]):
        request = CHURN.request.model_validate(row.request)
        numbers = predictor.predict_one(CHURN.encoder.tensors([request]))
        golden.append(GoldenRow(row.request, tuple(numbers)))
    files = {**found.files, MODEL: model, GOLDEN: golden_to_bytes(golden)}
    save(replace(found, files=files), folder)
    return folder
