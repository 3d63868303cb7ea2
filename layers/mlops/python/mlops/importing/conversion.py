"""A fitted estimator and its contract as one graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlops.importing.columns import Column, Matrices, Number
from mlops.importing.estimators import Estimators
from mlops.importing.graph import Graph
from mlops.importing.origin import Origin
from mlops.importing.steps import unwrap
from mlops.importing.target import Target
from mlops.inference.predictor import LAYOUT
from mlops.models.contract import Contract
from mlops.models.tabular import INPUT


@dataclass(frozen=True)
class Converted:
    """graph: the model. probe: the same nodes with the values at `cuts` as outputs.

    cuts: thresholds of each output of the probe. features: of the probe, the output with what the
    last step gets; None where there is no step before.
    """

    graph: bytes
    probe: bytes
    cuts: tuple[NDArray[np.float64], ...]
    features: str | None


def convert(estimator: Any, contract: Contract, origin: Origin, target: Target) -> Converted:
    """Return the estimator as a graph. Raise NotConvertible."""
    encoder = contract.encoder
    graph = Graph()
    dtype = np.dtype(contract.inputs.dtype)
    matrices = Matrices(graph, encoder.fields, dtype)
    build = Estimators(matrices)
    places = {field.column: place for place, field in enumerate(encoder.fields)}
    columns: list[Column] = [
        matrices.source(places[name]) if name in places else Number(matrices.raw, 0)
        for name in origin.columns
    ]
    numbers = _numbers(build, estimator, columns, target)
    inputs = {INPUT: (dtype, len(encoder.fields))}
    properties = {LAYOUT: encoder.layout}
    wanted = contract.outcome.output
    output = {wanted.name: (graph.cast(numbers, np.float32), wanted.width)}
    content = graph.to_bytes(contract.model, inputs, output, properties)
    features = _features(build, estimator, columns)
    outputs: dict[str, tuple[str, int | None]] = {
        f"cut{number}": (graph.cast(matrices.matrix([place]), np.float32), 1)
        for number, (place, _) in enumerate(build.cuts)
    }
    if features is not None:
        outputs["features"] = graph.cast(features, np.float32), None
    probe = graph.to_bytes(contract.model, inputs, outputs, properties)
    return Converted(
        content,
        probe,
        tuple(values for _, values in build.cuts),
        None if features is None else "features",
    )


def _numbers(build: Estimators, estimator: Any, columns: Sequence[Column], target: Target) -> str:
    if target.kind in ("probability", "probabilities"):
        found = build.probabilities(estimator, columns)
        return (
            found
            if target.order == tuple(range(len(target.order)))
            else build.graph.gather(found, target.order)
        )
    if target.kind == "shares":
        return build.softmax(build.decision(estimator, columns))
    if target.kind == "score":
        found = build.decision(estimator, columns)
        return found if target.positive == 1 else build.graph.add("Neg", found)
    return build.value(estimator, columns)


def _features(build: Estimators, estimator: Any, columns: Sequence[Column]) -> str | None:
    """Return what the last step of a pipeline gets."""
    inner = unwrap(estimator)
    if not isinstance(inner, Pipeline) or len(inner.steps) < 2:
        return None
    cuts = [*build.cuts]
    for _, step in inner.steps[:-1]:
        columns = build.apply(step, columns)
    build.cuts[:] = cuts
    try:
        return build.matrices.matrix(columns)
    except (ValueError, TypeError):  # texts, for an estimator that takes them
        return None
