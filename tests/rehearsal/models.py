"""Candidates that pass or fail in a known way: the trained one with something put behind it.

Its data knows no customer of more than 72 months. What a candidate does to such customers shows in
traffic, and neither in its golden rows nor on the holdout.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from mlops.inference.golden import GoldenRow, golden_from_bytes, golden_to_bytes
from mlops.inference.manifest import GOLDEN, MODEL
from mlops.inference.predictor import INPUT, OUTPUT, Predictor
from mlops.models.churn.contract import CHURN
from mlops.models.churn.data import load
from mlops.models.churn.training import CHURN_PLAN
from mlops.training.export import to_onnx
from mlops.training.folder import read, save
from tests.project.files import ROOT

Make = Callable[[Path, Path], Path]
"""Of the trained candidate's folder and a new one: that with another candidate."""

VETERAN_MONTHS = 100
SLOW_SIZE = 700  # of a matrix that is multiplied by itself; some ten milliseconds
_INNER = "trained"


def as_good(candidate: Path, folder: Path) -> Path:
    """The same model; under a name of its own it is another version."""
    save(read(candidate), folder)
    return folder


def guessing(candidate: Path, folder: Path) -> Path:
    """Trained on labels that were dealt out anew."""
    found = read(candidate)
    data = load(ROOT / CHURN_PLAN.default_data)
    labels = np.random.default_rng(1).permutation(data.labels)
    model = to_onnx(CHURN_PLAN.fit(data.columns, labels, 1), CHURN)
    predictor = Predictor("guessing", model, CHURN)
    golden = []
    for row in golden_from_bytes("guessing", found.files[GOLDEN]):
        columns = CHURN.columns([CHURN.request.model_validate(row.request)])
        golden.append(GoldenRow(row.request, float(predictor.predict(columns)[0])))
    files = {**found.files, MODEL: model, GOLDEN: golden_to_bytes(golden)}
    save(replace(found, files=files), folder)
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
    """Says the opposite of veterans: p becomes 1 - p."""
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

    veterans: 1 for such a customer and 0 for all others, of shape (n, 1).
    """
    found = read(candidate)
    model = onnx.load_from_string(found.files[MODEL])
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name == OUTPUT:
                node.output[place] = _INNER
    model.graph.node.extend(
        [
            helper.make_node("Slice", [INPUT, "from", "to", "axis"], ["tenure"]),
            helper.make_node("Greater", ["tenure", "long"], ["is_long"]),
            helper.make_node("Cast", ["is_long"], ["veterans"], to=TensorProto.FLOAT),
            *nodes,
        ]
    )
    place = CHURN.numeric.index("tenure")
    model.graph.initializer.extend(
        [
            helper.make_tensor("from", TensorProto.INT64, [1], [place]),
            helper.make_tensor("to", TensorProto.INT64, [1], [place + 1]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("long", TensorProto.FLOAT, [], [VETERAN_MONTHS - 10]),
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
