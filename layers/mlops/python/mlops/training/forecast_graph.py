"""The graph of a forecaster: trees for the ratio of a day, with its level and intervals around."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mlops.models.contract import Contract
from mlops.models.forecaster import FIRST_FEATURE
from mlops.models.series import COLUMNS, DAY, DAYS, KIND, LEVEL


def with_intervals(
    trees: onnx.ModelProto, widths: NDArray[np.float64], contract: Contract
) -> onnx.ModelProto:
    """Return a graph that computes what `Forecaster.predict` does.

    trees: a graph of one input `features` and one output, the ratio of each day.
    widths: see `Forecaster`.
    """
    graph, output = trees.graph, contract.outcome.output
    ratio = graph.output[0].name
    # By interval, the lower end, then the upper one.
    ends = np.stack([-widths, widths], axis=2).reshape(len(widths), -1)
    constants: dict[str, NDArray[Any]] = {
        "places_of_features": np.arange(FIRST_FEATURE, len(COLUMNS), dtype=np.int64),
        "place_of_day": np.array([DAY], np.int64),
        "place_of_level": np.array([LEVEL], np.int64),
        "place_of_kind": np.array(KIND, np.int64),
        # The ratio itself counts as an end that is 0 away.
        "ends": np.hstack([np.zeros((len(widths), 1)), ends]).astype(np.float32),
        "zero": np.array(0, np.float32),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "width": np.array([output.width], np.int64),
    }
    before = [
        # From one row for each request to one for each of its days.
        helper.make_node("Flatten", [DAYS], ["rows"], axis=2),
        helper.make_node("Gather", ["rows", "places_of_features"], ["features"], axis=1),
    ]
    after = [
        helper.make_node("Gather", ["rows", "place_of_day"], ["day"], axis=1),
        helper.make_node("Gather", ["rows", "place_of_level"], ["level"], axis=1),
        helper.make_node("Gather", ["rows", "place_of_kind"], ["kind"], axis=1),
        helper.make_node("Cast", ["kind"], ["kind_number"], to=TensorProto.INT64),
        helper.make_node("Gather", ["ends", "kind_number"], ["ends_of_day"], axis=0),
        helper.make_node("Add", ["ends_of_day", ratio], ["ratios"]),
        helper.make_node("Mul", ["ratios", "level"], ["signed"]),
        helper.make_node("Max", ["signed", "zero"], ["not_negative"]),
        helper.make_node("Concat", ["day", "not_negative", "level"], ["by_day"], axis=1),
        # And back. -1 instead of the number of requests would fail where there are none.
        helper.make_node("Shape", [DAYS], ["shape"]),
        helper.make_node("Slice", ["shape", "first", "second"], ["requests"]),
        helper.make_node("Concat", ["requests", "width"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["by_day", "wanted"], [output.name]),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    graph.input.append(
        helper.make_tensor_value_info(DAYS, TensorProto.FLOAT, [None, None, len(COLUMNS)])
    )
    graph.output.append(
        helper.make_tensor_value_info(output.name, TensorProto.FLOAT, [None, output.width])
    )
    return trees
