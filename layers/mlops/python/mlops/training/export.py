"""A fitted scikit-learn estimator: its numbers, and its export as one ONNX graph."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx.helper
from onnx import TensorProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

from mlops.inference.predictor import LAYOUT
from mlops.models.contract import Contract
from mlops.models.inputs import Tensors
from mlops.models.plan import Estimator, OwnGraph
from mlops.models.series import DAYS, FEATURES
from mlops.models.tabular import INPUT
from mlops.models.tasks import Numbers, Output
from mlops.training.forecast_graph import with_intervals

OPSET = 21


def predict_numbers(estimator: Any, contract: Contract, tensors: Tensors) -> Numbers:
    """Return what the exported graph predicts, computed by the estimator itself; shape (n, k)."""
    if isinstance(estimator, OwnGraph):
        return estimator.numbers(tensors)
    if contract.task == "forecast":
        forecast: Numbers = estimator.predict(tensors[DAYS])
        return forecast
    matrix = tensors[INPUT]
    if contract.task == "regression":
        numbers: Numbers = estimator.predict(matrix).reshape(-1, 1)
    else:
        numbers = estimator.predict_proba(matrix)[:, contract.outcome.output.skipped :]
    return numbers


def to_onnx(estimator: Estimator, contract: Contract) -> bytes:
    """Return the graph of the estimator; the same one gives the same bytes.

    Its feature engineering is part of the graph, if it is a pipeline.
    """
    if contract.task == "forecast":
        return _serialize(_forecast_graph(estimator, contract), contract)
    if isinstance(estimator, OwnGraph):
        return _serialize(estimator.graph(), contract)
    model = _convert(estimator, contract)
    _set_output(model.graph, contract.outcome.output)
    return _serialize(model, contract)


def _forecast_graph(estimator: Any, contract: Contract) -> onnx.ModelProto:
    with _plain_attributes():
        trees = convert_sklearn(
            estimator.trees,
            name=contract.model,
            initial_types=[("features", FloatTensorType([None, len(FEATURES)]))],
            target_opset=OPSET,
        )
    return with_intervals(trees, estimator.widths, contract)


def _serialize(model: onnx.ModelProto, contract: Contract) -> bytes:
    # skl2onnx keeps the operator sets in a set, whose order differs from process to process, and
    # may name one twice.
    operator_sets = {entry.domain: entry.version for entry in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(
        onnx.helper.make_opsetid(*entry) for entry in sorted(operator_sets.items())
    )
    onnx.helper.set_model_props(model, {LAYOUT: contract.encoder.layout})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _convert(estimator: Estimator, contract: Contract) -> onnx.ModelProto:
    kind = FloatTensorType if contract.inputs.dtype == "float32" else DoubleTensorType
    with _plain_attributes():
        model: onnx.ModelProto = convert_sklearn(
            estimator,
            name=contract.model,
            initial_types=[(INPUT, kind([None, len(contract.encoder.fields)]))],
            options={} if contract.task == "regression" else {id(estimator): {"zipmap": False}},
            target_opset=OPSET,
        )
    return model


def _set_output(graph: onnx.GraphProto, output: Output) -> None:
    """Give the numbers, which come last among the outputs, the name and the type of the task."""
    found = graph.output[-1]
    if found.name == output.name and found.type.tensor_type.elem_type == TensorProto.FLOAT:
        return
    raw = f"raw_{found.name}"
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [raw if name == found.name else name for name in names]
    graph.node.append(
        onnx.helper.make_node("Cast", [raw], [output.name], to=TensorProto.FLOAT, name=output.name)
    )
    found.CopyFrom(
        onnx.helper.make_tensor_value_info(output.name, TensorProto.FLOAT, [None, output.width])
    )


@contextmanager
def _plain_attributes() -> Iterator[None]:
    """Give onnx plain Python numbers where skl2onnx passes it NumPy's.

    skl2onnx 1.20 cannot convert HistGradientBoosting otherwise. A test converts without this,
    and fails when that works: then this can go.
    """
    original = onnx.helper.make_attribute

    def make_attribute(key: str, value: Any, *rest: Any, **named: Any) -> onnx.AttributeProto:
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
        elif isinstance(value, list | tuple):
            value = [item.item() if isinstance(item, np.generic) else item for item in value]
        if isinstance(value, list):
            value = [int(item) if isinstance(item, bool) else item for item in value]
        return original(key, value, *rest, **named)

    onnx.helper.make_attribute = make_attribute
    try:
        yield
    finally:
        onnx.helper.make_attribute = original
