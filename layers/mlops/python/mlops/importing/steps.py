"""The parts of a fitted estimator: their names, and what surrounds them."""

from typing import Any


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


def unwrap(estimator: Any) -> Any:
    """Return the estimator that a search has found, or the estimator itself."""
    while hasattr(estimator, "best_estimator_") and type(estimator).__module__.startswith(
        "sklearn.model_selection."
    ):
        estimator = estimator.best_estimator_
    return estimator
