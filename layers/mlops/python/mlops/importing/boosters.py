"""Trees of XGBoost and LightGBM, read from what these libraries write of themselves."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops.importing.graph import Graph
from mlops.importing.steps import NotConvertible, name_of
from mlops.importing.trees import AT_MOST, BELOW, Tree


@dataclass(frozen=True)
class Boosted:
    """base: what is added to the trees' sum, shape (targets,). missing: a number that means so."""

    trees: tuple[Tree, ...]
    base: NDArray[np.float64]
    mode: str
    missing: float = float("nan")


def mark_missing(graph: Graph, tensor: str, found: Boosted) -> str:
    """Return the tensor with NaN in place of the number that means "missing"."""
    if np.isnan(found.missing):
        return tensor
    return graph.add("Where", graph.add("Equal", tensor, found.missing), float("nan"), tensor)


def is_exponential(model: Any) -> bool:
    """Tell whether a regressor's value is the exponential of its trees' sum."""
    objective = str(getattr(model, "objective_", None) or model.objective)
    return objective.removeprefix("count:").removeprefix("reg:") in ("poisson", "gamma", "tweedie")


def read_xgboost(model: Any) -> Boosted:
    booster = model.get_booster()
    document = json.loads(booster.save_raw("json"))["learner"]
    trained = document["gradient_booster"]
    objective = str(document["objective"]["name"])
    if trained["name"] != "gbtree" or objective not in _OBJECTIVES:
        raise NotConvertible(name_of(model), f"{trained['name']} with {objective} is not converted")
    content = trained["model"]
    start, stop = 0, len(content["trees"])
    targets = max(1, int(document["learner_model_param"]["num_class"]))
    best = getattr(model, "best_iteration", None) if model.early_stopping_rounds else None
    if best is not None:
        stop = (best + 1) * targets * max(1, int(model.num_parallel_tree or 1))
    trees = []
    for number in range(start, stop):
        tree = content["trees"][number]
        if any(tree["split_type"]):
            raise NotConvertible(
                name_of(model), "splits by categories: encode them in the pipeline"
            )
        left = np.array(tree["left_children"], np.int64)
        leaf = left < 0
        values = np.zeros((len(left), targets))
        values[:, content["tree_info"][number]] = np.array(tree["split_conditions"], np.float32)
        trees.append(
            Tree(
                np.array(tree["split_indices"], np.int64),
                np.array(tree["split_conditions"], np.float32).astype(np.float64),
                left,
                np.where(leaf, -1, np.array(tree["right_children"], np.int64)),
                np.array(tree["default_left"], bool),
                values,
            )
        )
    base = np.atleast_1d(json.loads(document["learner_model_param"]["base_score"]))
    base = np.broadcast_to(base, targets).astype(np.float64)
    missing = float("nan") if model.missing is None else float(model.missing)
    return Boosted(tuple(trees), _OBJECTIVES[objective](base), BELOW, missing)


def _logit(base: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(base / (1 - base)))


_OBJECTIVES: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "binary:logistic": _logit,
    "multi:softprob": np.asarray,
    "multi:softmax": np.asarray,
    "reg:squarederror": np.asarray,
    "reg:absoluteerror": np.asarray,
    "reg:pseudohubererror": np.asarray,
    "count:poisson": np.log,
    "reg:gamma": np.log,
    "reg:tweedie": np.log,
}


def read_lightgbm(model: Any) -> Boosted:
    document = model.booster_.dump_model(num_iteration=model.best_iteration_ or None)
    objective = str(document["objective"]).partition(" ")[0]
    if document.get("average_output"):
        raise NotConvertible(name_of(model), 'boosting_type="rf" is not converted')
    if objective not in _LIGHTGBM_OBJECTIVES:
        raise NotConvertible(
            name_of(model), f"the objective {document['objective']!r} is not converted"
        )
    targets = int(document["num_tree_per_iteration"])
    trees = tuple(
        _lightgbm_tree(model, entry["tree_structure"], place % targets, targets)
        for place, entry in enumerate(document["tree_info"])
    )
    return Boosted(trees, np.zeros(targets), AT_MOST)


_LIGHTGBM_OBJECTIVES = (
    *("binary", "multiclass", "regression", "regression_l1", "huber", "fair", "quantile", "mape"),
    *("poisson", "gamma", "tweedie"),
)


def _lightgbm_tree(model: Any, root: Mapping[str, Any], target: int, targets: int) -> Tree:
    nodes: list[Mapping[str, Any]] = []
    below: list[tuple[int, int]] = []

    def walk(node: Mapping[str, Any]) -> int:
        place = len(nodes)
        nodes.append(node)
        below.append((-1, -1))
        if "left_child" in node:
            below[place] = walk(node["left_child"]), walk(node["right_child"])
        return place

    walk(root)
    feature, threshold, missing = [], [], []
    values = np.zeros((len(nodes), targets))
    for place, node in enumerate(nodes):
        if "left_child" not in node:
            values[place, target] = node["leaf_value"]
            feature.append(0)
            threshold.append(0.0)
            missing.append(False)
            continue
        if node["decision_type"] != "<=":
            raise NotConvertible(
                name_of(model), "splits by categories: encode them in the pipeline"
            )
        if node["missing_type"] == "Zero":
            raise NotConvertible(name_of(model), "zero_as_missing is not converted")
        feature.append(int(node["split_feature"]))
        threshold.append(float(node["threshold"]))
        # Without missing values in training, one counts as zero.
        as_zero = float(node["threshold"]) >= 0.0
        missing.append(bool(node["default_left"]) if node["missing_type"] == "NaN" else as_zero)
    left, right = (np.array(side, np.int64) for side in zip(*below, strict=True))
    return Tree(
        np.array(feature, np.int64),
        np.array(threshold, np.float64),
        left,
        right,
        np.array(missing, bool),
        values,
    )
