"""Small model versions, made in milliseconds: the smallest ONNX graph the contract takes."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

import onnx
from onnx import TensorProto, helper

from mlops.inference.golden import GoldenRow, golden_to_bytes
from mlops.inference.manifest import (
    CONTRACT,
    GOLDEN,
    METRICS,
    MODEL,
    FileEntry,
    Manifest,
    Provenance,
    digest_of,
)
from mlops.inference.predictor import LAYOUT
from mlops.inference.version import ModelVersion
from mlops.models.churn.contract import CHURN
from mlops.models.tabular import INPUT

V1 = ModelVersion("churn", 1, 0, 0)
TRAINED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JOBLIB = "model.joblib"
OUTPUT = CHURN.outcome.output.name


def onnx_model(
    *,
    slope: float = 0.05,
    columns: int = 19,
    column_type: int = TensorProto.FLOAT,
    classes: int = 2,
    output: str = OUTPUT,
    layout: str = CHURN.encoder.layout,
) -> bytes:
    """Predict 1 / (1 + exp(-slope * tenure))."""
    graph = helper.make_graph(
        [
            helper.make_node("Slice", [INPUT, "from", "to", "axis"], ["tenure"]),
            helper.make_node("Cast", ["tenure"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["number", "slopes"], ["scores"]),
            helper.make_node("Softmax", ["scores"], [output]),
        ],
        "tiny",
        [helper.make_tensor_value_info(INPUT, column_type, [None, columns])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, classes])],
        [
            helper.make_tensor("from", TensorProto.INT64, [1], [0]),
            helper.make_tensor("to", TensorProto.INT64, [1], [1]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor(
                "slopes", TensorProto.FLOAT, [1, classes], [0.0] * (classes - 1) + [slope]
            ),
        ],
    )
    return serialized(graph, layout)


def failing_model() -> bytes:
    """Loads, and then fails at the first row: it asks for three rows' worth of columns."""
    graph = helper.make_graph(
        [helper.make_node("Reshape", [INPUT, "shape"], [OUTPUT])],
        "failing",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, 19])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor("shape", TensorProto.INT64, [2], [1000, 2])],
    )
    return serialized(graph)


def serialized(graph: onnx.GraphProto, layout: str = CHURN.encoder.layout) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    helper.set_model_props(model, {LAYOUT: layout})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def predicted(tenure: float, slope: float = 0.05) -> float:
    return round(1 / (1 + math.exp(-slope * tenure)), 6)


def golden_rows(slope: float = 0.05) -> list[GoldenRow]:
    return [
        GoldenRow(dict(request), (predicted(request["tenure"], slope),))
        for request in CHURN.examples.values()
    ]


def version_files(**replaced: bytes) -> dict[str, bytes]:
    """The files of a good version; `model_onnx=...` replaces model.onnx, and so on."""
    files = {
        CONTRACT: CHURN.to_json(),
        MODEL: onnx_model(),
        GOLDEN: golden_to_bytes(golden_rows()),
        METRICS: json.dumps({"holdout": {"roc_auc": 0.84}}).encode(),
        JOBLIB: b"a pickle, if anybody looked",
    }
    for name, content in replaced.items():
        file = name.replace("_", ".")
        assert file in files
        files[file] = content
    return files


def candidate(name: str) -> dict[str, bytes]:
    """The files of a good version that differ from those of candidates with other names."""
    return version_files(metrics_json=json.dumps({"name": name}).encode())


def provenance(at: datetime = TRAINED_AT, code_sha: str | None = "c0ffee") -> Provenance:
    return Provenance(
        trained_at=at,
        data_digest=digest_of(b"the data"),
        code_sha=code_sha,
        environment={"python": "3.13.1", "onnxruntime": "1.23.0"},
    )


def manifest_of(files: Mapping[str, bytes], version: ModelVersion = V1) -> Manifest:
    return Manifest(
        version=version,
        provenance=provenance(),
        metrics=json.loads(files[METRICS]),
        files={
            name: FileEntry(digest_of(content), len(content)) for name, content in files.items()
        },
    )
