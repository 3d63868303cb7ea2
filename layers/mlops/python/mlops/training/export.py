"""A fitted pipeline as one ONNX graph, feature engineering included."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx.helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from mlops.inference.predictor import INPUT, LAYOUT
from mlops.models.contract import Contract
from mlops.models.plan import Estimator

OPSET = 21


def to_onnx(estimator: Estimator, contract: Contract) -> bytes:
    """The same pipeline gives the same bytes."""
    width = len(contract.numeric) + len(contract.categorical)
    with _plain_attributes():
        model = convert_sklearn(
            estimator,
            name=contract.model,
            initial_types=[(INPUT, FloatTensorType([None, width]))],
            options={"zipmap": False},
            target_opset=OPSET,
        )
    # skl2onnx keeps the operator sets in a set, whose order differs from process to process, and
    # may name one twice.
    operator_sets = {entry.domain: entry.version for entry in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(
        onnx.helper.make_opsetid(*entry) for entry in sorted(operator_sets.items())
    )
    onnx.helper.set_model_props(model, {LAYOUT: contract.layout})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


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
