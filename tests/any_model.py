"""Contracts of any kind, and the smallest model that serves them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mlops.inference.loading import ServedModel
from mlops.inference.manifest import Manifest, Provenance, digest_of
from mlops.inference.predictor import LAYOUT, Predictor
from mlops.inference.version import ModelVersion, Pin
from mlops.models.contract import Contract
from mlops.models.formats import TextFormat
from mlops.models.sentiment.training import TextClassifier
from mlops.models.tabular import INPUT
from mlops.training.export import to_onnx

CLASSES = ("low", "é", "no class")
SUBJECTS: Mapping[str | None, Mapping[str, Any]] = {
    "text": {"name": "id", "type": "text", "min_length": 1, "max_length": 20},
    "integer": {"name": "id", "type": "integer", "ge": -(2**63) + 1, "lt": 2**63 - 1},
    None: {},
}
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "binary": {
        "name": "risk",
        "labels": {"name": "level", "names": ["Low", "High"], "thresholds": [0.5]},
    },
    "multiclass": {"classes": CLASSES},
    "regression": {"name": "price", "decimals": 3},
}


def contract_of(
    fields: Sequence[Mapping[str, Any]],
    *,
    task: str = "regression",
    subject: str | None = None,
    dtype: str = "float32",
    rules: Sequence[Mapping[str, Any]] = (),
) -> Contract:
    """Return the contract of these fields. subject: `text`, `integer` or None."""
    about = SUBJECTS[subject]
    document: dict[str, Any] = {
        "model": "any",
        "title": "Any model",
        "task": task,
        "fields": [*([about] if about else []), *fields],
        "subject": about.get("name"),
        "rules": rules,
        "answer": ANSWERS[task],
        "inputs": {"dtype": dtype},
        "examples": {"nothing": {}},
    }
    return Contract.from_json(json.dumps(document).encode(), "contract.json")


def serve(contract: Contract) -> ServedModel:
    """Return a model whose answer depends on each column, and on whether it is missing."""
    version = ModelVersion(contract.model, 1, 0, 0)
    return ServedModel(
        pin=Pin(version, digest_of(b"any model")),
        manifest=Manifest(
            version, Provenance(datetime(2026, 1, 2, tzinfo=UTC), digest_of(b""), None, {}), {}, {}
        ),
        contract=contract,
        predictor=Predictor(str(version), onnx_of(contract), contract),
        golden=(),
    )


def onnx_of(contract: Contract) -> bytes:
    encoder, output = contract.encoder, contract.outcome.output
    if isinstance(contract.inputs, TextFormat):
        random = np.random.default_rng(1)
        of_texts = TextClassifier(
            rarity=random.uniform(1, 5, contract.text.places),
            weights=random.normal(size=contract.text.places),
            intercept=0.1,
        )
        return to_onnx(of_texts, contract)
    columns, width = len(encoder.fields), output.width
    random = np.random.default_rng(columns)
    constants = {
        "gap": np.array([0.7], np.float32),
        "scale": np.array([1e-3], np.float32),
        "weights": random.normal(size=(columns, width)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", [INPUT], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("IsNaN", ["numbers"], ["missing"]),
        helper.make_node("Mul", ["numbers", "scale"], ["small"]),
        helper.make_node("Where", ["missing", "gap", "small"], ["whole"]),
        helper.make_node("Tanh", ["whole"], ["bounded"]),
        helper.make_node("MatMul", ["bounded", "weights"], ["sums"]),
        helper.make_node(
            "Identity" if contract.task == "regression" else "Softmax", ["sums"], [output.name]
        ),
    ]
    kind = TensorProto.FLOAT if contract.inputs.dtype == "float32" else TensorProto.DOUBLE
    graph = helper.make_graph(
        nodes,
        "any",
        [helper.make_tensor_value_info(INPUT, kind, [None, columns])],
        [helper.make_tensor_value_info(output.name, TensorProto.FLOAT, [None, width])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )
    helper.set_model_props(model, {LAYOUT: encoder.layout})
    content: bytes = model.SerializeToString(deterministic=True)
    return content
