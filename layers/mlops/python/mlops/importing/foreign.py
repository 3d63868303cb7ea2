"""Steps that are not converted here are tried with skl2onnx; parity decides what it is worth."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnx.helper

from mlops.importing.graph import ML_OPSET, OPSET, Graph
from mlops.importing.steps import NotConvertible, name_of


def convert_foreign(step: Any, width: int, graph: Graph, tensor: str) -> list[str]:
    """Add what skl2onnx makes of a step; return float64 outputs. Raise NotConvertible."""
    # It takes half a second to import, and most pipelines do not need it.
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType

    options = {"zipmap": False} if hasattr(step, "classes_") else None
    try:
        with plain_attributes():
            model = convert_sklearn(
                step,
                initial_types=[("x", DoubleTensorType([None, width]))],
                options=options,
                target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
            )
    except Exception as error:  # of any class: skl2onnx raises what it happens to meet
        raise NotConvertible(
            name_of(step), f"it has no conversion to a graph ({type(error).__name__})"
        ) from error
    outputs = graph.embed(model, tensor)
    # A label is not needed, and may be a text.
    wanted = outputs[1:] if options else outputs
    return [graph.cast(name, np.float64) for name in wanted]


@contextmanager
def plain_attributes() -> Iterator[None]:
    """Give onnx plain Python numbers where skl2onnx passes it NumPy's."""
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
