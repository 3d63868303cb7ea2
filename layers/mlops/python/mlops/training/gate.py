"""Which candidates may be registered."""

import math
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from mlops.models.plan import Bounds, TrainingPlan
from mlops.models.tasks import Numbers
from mlops.training.data import views_of
from mlops.training.evaluation import Evaluation, Figures, evaluation_of
from mlops.training.evidence import CrossValidation

MAX_PARITY_DIFFERENCE = 1e-5
"""Largest difference between the ONNX graph and scikit-learn, as `parity_difference` measures."""

_LEAK = "too good to be true: does a column give the label away?"


def find_refusals(
    plan: TrainingPlan, results: Mapping[str, CrossValidation], parity: float
) -> list[str]:
    """Return every reason against a candidate; none is good.

    parity: the largest difference between the ONNX graph and scikit-learn.
    """
    evaluation = evaluation_of(plan.contract)
    reasons = [*_wrong_names(plan.bounds, evaluation, results)]
    for name, found in results.items():
        if name not in plan.bounds:
            reasons.append(
                f"{name}: its plan has no bounds for this view; to find some:"
                f" mlops train {plan.contract.model} --propose-bounds"
            )
            continue
        broken = _broken_bounds(evaluation, plan.bounds[name], found.figures)
        reasons += [f"{name}: {reason}" for reason in broken]
    if not parity <= MAX_PARITY_DIFFERENCE:  # NaN is refused, too
        reasons.append(
            f"the ONNX model differs from scikit-learn by {parity:.2g},"
            f" more than {MAX_PARITY_DIFFERENCE:.0e}"
        )
    return reasons


def find_leaks(evaluation: Evaluation, found: Figures) -> list[str]:
    """Return why figures are too good to be true, without bounds of a plan."""
    return [
        f"{figure.title} is {figure.format(found[figure.name])}, {_LEAK}"
        for figure in evaluation.figures
        if figure.leak is not None and found[figure.name] > figure.leak
    ]


def propose_bounds(
    plan: TrainingPlan, results: Mapping[str, CrossValidation]
) -> Mapping[str, Bounds]:
    """Return bounds, by view, that a first run suggests for the runs after it.

    On its bad side, a figure may differ from this run's by the standard deviation of a fold; that
    is about twice what another sample of as many rows would change. Beyond three of them on its
    good side it is too good to be true; that is for figures which have a leak by default.
    """
    evaluation = evaluation_of(plan.contract)
    return {view.name: _propose(evaluation, results[view.name]) for view in views_of(plan.contract)}


def parity_difference(found: Numbers, expected: Numbers, decimals: int) -> float:
    """Return the largest difference between predictions, besides that of rounding `found`.

    It is a share of the number where that is above 1.
    """
    rounding = 0.5 * 10.0**-decimals
    off = np.maximum(np.abs(found - expected) - rounding, 0) / np.maximum(1, np.abs(expected))
    return float(np.max(off))  # NumPy's maximum, not Python's: one NaN makes it NaN


def _wrong_names(
    bounds: Mapping[str, Bounds], evaluation: Evaluation, views: Collection[str]
) -> Iterator[str]:
    """Yield the bounds that would never be looked at."""
    figures = [figure.name for figure in evaluation.figures]
    for view, found in bounds.items():
        if view not in views:
            yield f"{view}: its plan has bounds for this view, which the contract does not have"
        for name in sorted({*found.minimum, *found.maximum} - {*figures}):
            yield f"{view}: there is no figure {name}; those of the task: {', '.join(figures)}"


def _broken_bounds(evaluation: Evaluation, bounds: Bounds, found: Figures) -> Iterator[str]:
    for figure in evaluation.figures:
        low, high = bounds.minimum.get(figure.name), bounds.maximum.get(figure.name)
        if figure.more_is_better and high is None:
            high = figure.leak
        if low is None and high is None:
            continue
        value = found[figure.name]
        shown = f"{figure.title} {figure.format(value)}"
        if math.isnan(value):
            yield f"{figure.title} is not a number"
        if low is not None and value < low:
            yield f"{shown} is below {low}{'' if figure.more_is_better else f', {_LEAK}'}"
        if high is not None and value > high:
            leaks = figure.more_is_better and not figure.aimed
            yield f"{shown} is above {high}{f', {_LEAK}' if leaks else ''}"


def _propose(evaluation: Evaluation, results: CrossValidation) -> Bounds:
    minimum, maximum = {}, {}
    for figure in evaluation.figures:
        value, spread = results.figures[figure.name], results.spread[figure.name]
        if figure.more_is_better:
            minimum[figure.name] = figure.round(value - spread)
            if figure.aimed:
                maximum[figure.name] = figure.round(min(value + spread, 1))
            elif figure.leak is not None:
                maximum[figure.name] = figure.round(min(value + 3 * spread, figure.leak))
        else:
            maximum[figure.name] = figure.round(value + spread)
    return Bounds(minimum, maximum)
