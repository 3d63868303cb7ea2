"""What the numbers of a model mean: one class for each task.

A graph gives k numbers for each row. Everything that depends on their meaning is here: what an
answer says, what a canary and drift detection watch, and by how much two versions differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

if TYPE_CHECKING:
    from mlops.models.contract import Answer, Contract

Numbers = NDArray[np.float64]
"""Shape (n, k): the numbers of n rows."""
AnswerColumns = Mapping[str, "NDArray[Any] | AnswerColumns"]
"""The fields of n answers; a field of several numbers is a mapping itself."""

_FLOAT32_MAX = 3.4028235e38


@dataclass(frozen=True)
class Output:
    """The output of a graph that holds the numbers.

    width: its number of columns. skipped: how many of these come before the numbers.
    decimals: places that the numbers are rounded to.
    low, high: no prediction is beyond these. impossible: what a model does that breaks them.
    """

    name: str
    width: int
    low: float
    high: float
    impossible: str
    skipped: int = 0
    decimals: int = 6


_PROBABILITIES = Output(
    "probabilities",
    width=0,
    low=0,
    high=1,
    impossible="it predicts what is not between 0 and 1",
)


class Task(Protocol):
    """The meaning of a model's numbers."""

    @property
    def output(self) -> Output:
        """Where the graph has the numbers, and what they can be."""

    def response_fields(self) -> dict[str, Any]:
        """Return pydantic's definitions of the fields that the numbers become."""

    def answer(self, numbers: Sequence[float]) -> dict[str, Any]:
        """Return the fields of one answer; numbers: of its row."""

    def answer_columns(self, numbers: Numbers) -> AnswerColumns:
        """Return the same fields for n rows, none of dtype object."""

    def watched(self, numbers: Numbers) -> NDArray[np.float64]:
        """Return one number for each row, shape (n,): it is logged, and compared in a canary."""

    def read_label(self, value: object) -> float | None:
        """Return a label as a number, or None where `value` is no label."""

    def losses(self, labels: NDArray[np.float64], numbers: Numbers) -> Mapping[str, NDArray[Any]]:
        """Return by name the losses of each row, shape (n,); less is better.

        labels: shape (n,), as `read_label` returns them.
        """

    def margins(self, champion: Mapping[str, float]) -> Mapping[str, float]:
        """Return by how much each mean loss of a candidate may be above the champion's."""


@dataclass(frozen=True)
class Binary:
    """The probability of the positive class."""

    contract_answer: Answer

    @property
    def output(self) -> Output:
        return replace(_PROBABILITIES, width=2, skipped=1)

    def response_fields(self) -> dict[str, Any]:
        return _number_fields(self.contract_answer, ge=0, le=1)

    def answer(self, numbers: Sequence[float]) -> dict[str, Any]:
        return _number_answer(self.contract_answer, numbers[0])

    def answer_columns(self, numbers: Numbers) -> AnswerColumns:
        return _number_columns(self.contract_answer, numbers[:, 0])

    def watched(self, numbers: Numbers) -> NDArray[np.float64]:
        return numbers[:, 0]

    def read_label(self, value: object) -> float | None:
        return float(value) if type(value) is int and value in (0, 1) else None

    def losses(self, labels: NDArray[np.float64], numbers: Numbers) -> Mapping[str, NDArray[Any]]:
        probability = numbers[:, 0]
        return {
            "wrong decisions": ((probability >= 0.5) != (labels == 1)).astype(np.float64),
            "Brier score": (probability - labels) ** 2,
        }

    def margins(self, champion: Mapping[str, float]) -> Mapping[str, float]:
        return _CLASSIFICATION_MARGINS


@dataclass(frozen=True)
class Multiclass:
    """The probabilities of k classes, which sum to 1."""

    classes: tuple[str, ...]

    @property
    def output(self) -> Output:
        return replace(_PROBABILITIES, width=len(self.classes))

    def response_fields(self) -> dict[str, Any]:
        kind: Any = Literal[self.classes]
        return {
            "category": (kind, Field(description="The class of the highest probability.")),
            "probabilities": (
                dict[str, float],
                Field(description="Probability of each class, rounded to six decimals."),
            ),
        }

    def answer(self, numbers: Sequence[float]) -> dict[str, Any]:
        best = max(range(len(numbers)), key=numbers.__getitem__)
        return {
            "category": self.classes[best],
            "probabilities": dict(zip(self.classes, numbers, strict=True)),
        }

    def answer_columns(self, numbers: Numbers) -> AnswerColumns:
        names = np.array(self.classes)
        return {
            "category": names[numbers.argmax(axis=1)],
            "probabilities": dict(zip(self.classes, numbers.T, strict=True)),
        }

    def watched(self, numbers: Numbers) -> NDArray[np.float64]:
        """Return the position of the most probable class."""
        positions: NDArray[np.float64] = numbers.argmax(axis=1).astype(np.float64)
        return positions

    def read_label(self, value: object) -> float | None:
        known = isinstance(value, str) and value in self.classes
        return float(self.classes.index(str(value))) if known else None

    def losses(self, labels: NDArray[np.float64], numbers: Numbers) -> Mapping[str, NDArray[Any]]:
        truth = np.eye(len(self.classes))[labels.astype(np.intp)]
        return {
            "wrong decisions": (numbers.argmax(axis=1) != labels).astype(np.float64),
            "Brier score": ((numbers - truth) ** 2).sum(axis=1),
        }

    def margins(self, champion: Mapping[str, float]) -> Mapping[str, float]:
        return _CLASSIFICATION_MARGINS


@dataclass(frozen=True)
class Regression:
    """A number without bounds."""

    contract_answer: Answer

    @property
    def output(self) -> Output:
        return Output(
            "prediction",
            width=1,
            low=-_FLOAT32_MAX,
            high=_FLOAT32_MAX,
            impossible="it predicts what is no number",
            decimals=self.contract_answer.decimals,
        )

    def response_fields(self) -> dict[str, Any]:
        return _number_fields(self.contract_answer)

    def answer(self, numbers: Sequence[float]) -> dict[str, Any]:
        return _number_answer(self.contract_answer, numbers[0])

    def answer_columns(self, numbers: Numbers) -> AnswerColumns:
        return _number_columns(self.contract_answer, numbers[:, 0])

    def watched(self, numbers: Numbers) -> NDArray[np.float64]:
        return numbers[:, 0]

    def read_label(self, value: object) -> float | None:
        return float(value) if isinstance(value, int | float) and type(value) is not bool else None

    def losses(self, labels: NDArray[np.float64], numbers: Numbers) -> Mapping[str, NDArray[Any]]:
        return {"absolute error": np.abs(numbers[:, 0] - labels)}

    def margins(self, champion: Mapping[str, float]) -> Mapping[str, float]:
        return {name: _REGRESSION_MARGIN * loss for name, loss in champion.items()}


_CLASSIFICATION_MARGINS = {"wrong decisions": 0.03, "Brier score": 0.01}
_REGRESSION_MARGIN = 0.05


def task_of(contract: Contract) -> Task:
    """Return the task that a contract names."""
    match contract.task:
        case "binary":
            return Binary(contract.answer)
        case "multiclass":
            return Multiclass(contract.answer.classes)
        case "regression":
            return Regression(contract.answer)


def _number_fields(answer: Answer, **bounds: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.description} if answer.description else {}
    fields: dict[str, Any] = {answer.name: (float, Field(**bounds, **described))}
    if answer.labels is not None:
        kind: Any = Literal[answer.labels.names]
        ranges = [
            f"{name} below {threshold}"
            for name, threshold in zip(answer.labels.names, answer.labels.thresholds, strict=False)
        ]
        description = f"{', '.join(ranges)}, else {answer.labels.names[-1]}."
        fields[answer.labels.name] = (kind, Field(description=description))
    return fields


def _number_answer(answer: Answer, number: float) -> dict[str, Any]:
    labels = answer.labels
    if labels is None:
        return {answer.name: number}
    above = sum(number >= threshold for threshold in labels.thresholds)
    return {answer.name: number, labels.name: labels.names[above]}


def _number_columns(answer: Answer, numbers: NDArray[np.float64]) -> AnswerColumns:
    labels = answer.labels
    if labels is None:
        return {answer.name: numbers}
    above = np.searchsorted(labels.thresholds, numbers, side="right")
    return {answer.name: numbers, labels.name: np.array(labels.names)[above]}
