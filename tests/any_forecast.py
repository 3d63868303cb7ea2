"""The smallest model that forecasts: each day is 1 % more above its level than the one before."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mlops.inference.predictor import LAYOUT, Predictor
from mlops.models.contract import Contract
from mlops.models.forecaster import Forecaster
from mlops.models.series import FEATURES
from mlops.training.forecast_graph import with_intervals

WIDTHS = np.array([[0.1, 0.2], [0.2, 0.3], [0.5, 1.5]])
"""Of the intervals, as shares of the level, by kind of day."""


class Steps:
    """What the graph computes for trees."""

    def fit(self, features: Any, ratios: Any, sample_weight: Any) -> None: ...

    def predict(self, features: Any) -> NDArray[np.float64]:
        found: NDArray[np.float64] = 1 + 0.01 * features[:, FEATURES.index("horizon")]
        return found


FORECASTER = Forecaster(Steps(), WIDTHS)


def document(**changed: Any) -> dict[str, Any]:
    return {
        "model": "calls",
        "title": "Calls a day",
        "task": "forecast",
        "subject": "line",
        "inputs": {
            "format": "series-1",
            "start": "since",
            "history": "calls",
            "horizon": "days",
            "least_known": 7,
            "holidays": [
                {"name": "New Year", "month": 1, "day": 1, "major": True},
                {"name": "Good Friday", "easter": -2},
            ],
        },
        "fields": [
            {"name": "line", "type": "text", "max_length": 9},
            {"name": "since", "type": "date", "ge": "2000-01-01", "le": "2030-12-31"},
            {
                **{"name": "calls", "type": "list of numbers", "ge": 0, "le": 1_000, "nulls": True},
                **{"min_length": 14, "max_length": 400},
            },
            {
                **{"name": "days", "type": "integer", "ge": 1, "le": 10},
                **{"required": False, "default": 5},
            },
        ],
        "label": {"column": "calls"},
        "answer": {"name": "expected", "intervals": [80, 95], "decimals": 3},
        "views": [
            {"name": "all_days", "description": "all are sent"},
            {"name": "two_weeks", "description": "only two weeks are sent", "history_days": 14},
        ],
        "examples": {"two weeks": {"line": "a", "since": "2026-01-05", "calls": [10.0] * 14}},
    } | changed


def calls(**changed: Any) -> Contract:
    return Contract.from_json(json.dumps(document(**changed)).encode(), "contract.json")


CALLS = calls()


def graph_of(contract: Contract) -> bytes:
    """Return the graph of `FORECASTER`."""
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["features", "place"], ["horizon"], axis=1),
            helper.make_node("Mul", ["horizon", "step"], ["above"]),
            helper.make_node("Add", ["above", "one"], ["ratio"]),
        ],
        "calls",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, len(FEATURES)])],
        [helper.make_tensor_value_info("ratio", TensorProto.FLOAT, [None, 1])],
        [
            numpy_helper.from_array(np.array([FEATURES.index("horizon")], np.int64), "place"),
            numpy_helper.from_array(np.array(0.01, np.float32), "step"),
            numpy_helper.from_array(np.array(1, np.float32), "one"),
        ],
    )
    trees: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )
    model = with_intervals(trees, WIDTHS, contract)
    helper.set_model_props(model, {LAYOUT: contract.encoder.layout})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def predictor(contract: Contract = CALLS) -> Predictor:
    return Predictor("calls-model-v1.0.0", graph_of(contract), contract)


def answer(request: Mapping[str, Any], contract: Contract = CALLS) -> dict[str, Any]:
    """Return what the API answers, without the ids of version and prediction."""
    parsed = contract.request.model_validate(request)
    numbers = predictor(contract).predict_one(contract.encoder.tensors([parsed]))
    found = contract.answer_to(parsed, numbers, model_version="v", prediction_id="p")
    return found.model_dump(mode="json", exclude={"model_version", "prediction_id"})


def request(calls: Sequence[float | None], **more: Any) -> dict[str, Any]:
    """Return a request from Monday, 2026-01-05 on."""
    return {"line": "a", "since": "2026-01-05", "calls": [*calls]} | more
