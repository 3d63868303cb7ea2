"""Fitted trees of any library as one tree ensemble of ONNX, with float64 thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from mlops.importing.graph import Graph

AT_MOST, BELOW = "BRANCH_LEQ", "BRANCH_LT"
"""Whether a value on the threshold goes left, as in scikit-learn, or right, as in XGBoost."""


@dataclass(frozen=True)
class Tree:
    """One tree: arrays with an entry for each node; node 0 is the root.

    left, right: the nodes below; in a leaf both are -1.
    missing_left: whether a missing value goes left.
    values: what a leaf adds, shape (nodes, targets).
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    values: NDArray[np.float64]

    @property
    def is_leaf(self) -> NDArray[np.bool_]:
        leaves: NDArray[np.bool_] = self.left < 0
        return leaves


def add_trees(graph: Graph, tensor: str, trees: Sequence[Tree], mode: str = AT_MOST) -> str:
    """Return the sums of the trees' leaves, float64 of shape (n, targets).

    tensor: float64 of shape (n, features). The operator's result is float32, which is too coarse
    where a later step cuts it. So each leaf is split into a part that float32 holds exactly, in
    sums too, and a small rest.
    """
    targets = trees[0].values.shape[1]
    base = np.zeros(targets)
    grown = []
    for tree in trees:
        if tree.is_leaf[0]:
            base += tree.values[0]
        else:
            grown.append(tree)
    if not grown:
        zeros = graph.add("Mul", graph.gather(tensor, [0]), np.zeros((1, targets)))
        # Even a missing value times zero is missing.
        zeros = graph.add("Where", graph.add("IsNaN", zeros), np.zeros((1, targets)), zeros)
        return graph.add("Add", zeros, base[None])
    sums = graph.add(
        "TreeEnsembleRegressor", tensor, domain="ai.onnx.ml", **_attributes(grown, mode, targets)
    )
    parts = graph.cast(sums, np.float64)
    coarse = graph.gather(parts, range(targets))
    fine = graph.gather(parts, range(targets, 2 * targets))
    total = graph.add("Add", coarse, fine)
    return graph.add("Add", total, base[None]) if base.any() else total


def _attributes(trees: Sequence[Tree], mode: str, targets: int) -> dict[str, object]:
    sizes = [len(tree.left) for tree in trees]
    number = np.repeat(np.arange(len(trees)), sizes)
    node = np.concatenate([np.arange(size) for size in sizes])
    leaf = np.concatenate([tree.is_leaf for tree in trees])
    left, right, feature, missing = (
        np.where(leaf, 0, np.concatenate([getattr(tree, name) for tree in trees])).astype(int)
        for name in ("left", "right", "feature", "missing_left")
    )
    threshold = np.where(leaf, 0.0, np.concatenate([tree.threshold for tree in trees]))
    values = np.concatenate([tree.values for tree in trees])[leaf]
    weights = np.concatenate(_split(trees, values), axis=1)
    return {
        "n_targets": 2 * targets,
        "nodes_treeids": number.tolist(),
        "nodes_nodeids": node.tolist(),
        "nodes_modes": ["LEAF" if is_leaf else mode for is_leaf in leaf.tolist()],
        "nodes_featureids": feature.tolist(),
        "nodes_truenodeids": left.tolist(),
        "nodes_falsenodeids": right.tolist(),
        "nodes_missing_value_tracks_true": missing.tolist(),
        "nodes_values_as_tensor": numpy_helper.from_array(threshold),
        "target_treeids": np.repeat(number[leaf], 2 * targets).tolist(),
        "target_nodeids": np.repeat(node[leaf], 2 * targets).tolist(),
        "target_ids": np.tile(np.arange(2 * targets), len(values)).tolist(),
        "target_weights_as_tensor": numpy_helper.from_array(weights.ravel()),
    }


def _split(
    trees: Sequence[Tree], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split leaves into multiples of a power of two, whose sums float32 holds, and the rest."""
    largest = sum(np.abs(tree.values[tree.is_leaf]).max() for tree in trees)
    if not 0 < largest < np.inf:
        return values, np.zeros_like(values)
    unit = 2.0 ** (np.ceil(np.log2(largest)) - 23)
    coarse = np.round(values / unit) * unit
    return coarse, values - coarse
