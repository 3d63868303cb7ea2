"""The parts of a fitted estimator: their names, and what surrounds them."""

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils import check_array


class NotConvertible(Exception):
    """A step that has no graph; step: its name. reason: why, and what to do."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step, self.reason = step, reason


def name_of(step: Any) -> str:
    return type(step).__name__


def is_of(step: Any, name: str) -> bool:
    """Tell whether a step is scikit-learn's own class of this name, and no subclass of it."""
    return type(step).__name__ == name and type(step).__module__.startswith("sklearn.")


def is_identity(step: Any) -> bool:
    """Tell whether a transformer returns its columns as they are."""
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return True
    if not is_of(step, "FunctionTransformer"):
        return False
    # What scikit-learn puts before its histogram trees, where they have categories.
    function = getattr(step.func, "func", step.func)
    return function is None or function is check_array


def unwrap(estimator: Any) -> Any:
    """Return the estimator that a search has found, or the estimator itself."""
    while hasattr(estimator, "best_estimator_") and type(estimator).__module__.startswith(
        "sklearn.model_selection."
    ):
        estimator = estimator.best_estimator_
    return estimator


def last_of(estimator: Any) -> Any:
    """Return the step of a pipeline that predicts."""
    inner = unwrap(estimator)
    return last_of(inner.steps[-1][1]) if isinstance(inner, Pipeline) else inner
