"""What the numbers of a model mean: one class for each task.

A graph gives k numbers for each row. Everything that depends on their meaning is here: what an
answer says, what a canary and drift detection watch, and by how much two versions differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, create_model

if TYPE_CHECKING:
    from mlops.models.contract import Answer, Contract

Numbers = NDArray[np.float64]
"""Shape (n, k): the numbers of n rows."""
Label = float | tuple[float, ...]
"""What happened, as numbers: one, or for a forecast one for each of its days."""


@dataclass(frozen=True)
class Lists:
    """A field whose value is a list of objects.

    lengths: of the list of each answer, shape (n,). columns: the fields of all objects, the lists
    one after the other.
    """

    lengths: NDArray[np.intp]
    columns: Mapping[str, NDArray[Any]]


AnswerColumns = Mapping[str, "NDArray[Any] | Lists | AnswerColumns"]
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

    def read_label(self, value: object) -> Label | None:
        """Return a label as numbers, or None where `value` is no label."""

    def losses(self, labels: NDArray[np.float64], numbers: Numbers) -> Mapping[str, NDArray[Any]]:
        """Return by name the losses of each row, shape (n,); less is better.

        labels: shape (n,) or, of forecasts, (n, days), as `read_label` returns them.
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


@dataclass(frozen=True)
class Forecast:
    """A number for each day after a history, with intervals that hold the truth most of the time.

    A row of numbers has these for each of the `days` that can be asked for: the day as an ordinal,
    its number, the lower and upper end of each interval, and the day's level in the history. Days
    that were not asked for are all zeros. default_days: how many are asked for by default.
    """

    contract_answer: Answer
    days: int
    default_days: int

    @property
    def numbers_per_day(self) -> int:
        return 3 + 2 * len(self.contract_answer.intervals)

    @property
    def output(self) -> Output:
        return Output(
            "forecast",
            width=self.days * self.numbers_per_day,
            low=0,
            high=_FLOAT32_MAX,
            impossible="it predicts what is no number, or negative",
            decimals=self.contract_answer.decimals,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of a day in the answer, after the day itself."""
        ends = (
            f"{end}_{percent}"
            for percent in self.contract_answer.intervals
            for end in ("low", "high")
        )
        return self.contract_answer.name, *ends

    def response_fields(self) -> dict[str, Any]:
        answer = self.contract_answer
        fields: dict[str, Any] = {
            "day": (date, ...),
            answer.name: (float, Field(ge=0, description=answer.description)),
        }
        for name in self.names[1:]:
            end, percent = name.split("_")
            side = "Lower" if end == "low" else "Upper"
            description = f"{side} end of the interval that holds {percent} % of the days."
            fields[name] = (float, Field(ge=0, description=description))
        # Two models may both forecast, but their days have names of their own.
        kind: Any = create_model(f"{answer.name.title().replace('_', '')}Day", **fields)
        return {"forecast": (list[kind], Field(description="One entry for each day, in order."))}

    def answer(self, numbers: Sequence[float]) -> dict[str, Any]:
        names, width = self.names, self.numbers_per_day
        return {
            "forecast": [
                {
                    "day": date.fromordinal(int(numbers[place])),
                    **dict(zip(names, numbers[place + 1 : place + width - 1], strict=True)),
                }
                for place in range(0, len(numbers), width)
                if numbers[place]
            ]
        }

    def answer_columns(self, numbers: Numbers) -> AnswerColumns:
        by_day = self._by_day(numbers)
        asked = by_day[:, :, 0] > 0
        found = by_day[asked]
        days = (found[:, 0] - _EPOCH).astype("datetime64[D]").astype(np.str_)
        columns = {"day": days, **dict(zip(self.names, found[:, 1:-1].T, strict=True))}
        return {"forecast": Lists(asked.sum(axis=1), columns)}

    def watched(self, numbers: Numbers) -> NDArray[np.float64]:
        """Return the mean forecast over the level of the history; 0 where that is 0."""
        by_day = self._by_day(numbers)
        forecasts, levels = by_day[:, :, 1].sum(axis=1), by_day[:, :, -1].sum(axis=1)
        found: NDArray[np.float64] = np.divide(
            forecasts, levels, out=np.zeros(len(numbers)), where=levels > 0
        ).round(6)
        return found

    def read_label(self, value: object) -> tuple[float, ...] | None:
        """Return the days of a list, NaN for nulls and from its end on. One must be known."""
        if not isinstance(value, list) or not 1 <= len(value) <= self.days:
            return None
        found = [math.nan if it is None else _finite(it) for it in value]
        if None in found or not any(it == it for it in found):
            return None
        missing = self.days - len(found)
        return (*(it for it in found if it is not None), *[math.nan] * missing)

    def losses(self, labels: NDArray[np.float64], numbers: Numbers) -> Mapping[str, NDArray[Any]]:
        """Return the mean losses of the days that are both known and asked for."""
        days = self.day_losses(labels, numbers)
        return {name: np.nanmean(losses, axis=1) for name, losses in days.items()}

    def day_losses(
        self, labels: NDArray[np.float64], numbers: Numbers
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return the losses of each day, shape (n, days); NaN where it is not known or asked for.

        The interval score is that of Gneiting and Raftery (Journal of the American Statistical
        Association 102 (2007) 359-378), the mean of all intervals.
        """
        by_day = self._by_day(numbers)
        truth = self._asked(labels, by_day)
        found = {"absolute error": np.abs(by_day[:, :, 1] - truth)}
        scores = []
        for percent, low, high in self._intervals(by_day):
            beyond = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
            scores.append(high - low + beyond * 2 / (1 - percent / 100))
        if scores:
            found["interval score"] = np.mean(scores, axis=0)
        return found

    def covered(
        self, labels: NDArray[np.float64], numbers: Numbers
    ) -> Mapping[int, NDArray[np.float64]]:
        """Return by interval whether it holds each day: 1, 0, or NaN as in `day_losses`."""
        by_day = self._by_day(numbers)
        truth = self._asked(labels, by_day)
        return {
            percent: np.where(np.isnan(truth), np.nan, (truth >= low) & (truth <= high))
            for percent, low, high in self._intervals(by_day)
        }

    def margins(self, champion: Mapping[str, float]) -> Mapping[str, float]:
        return {name: _REGRESSION_MARGIN * loss for name, loss in champion.items()}

    def _by_day(self, numbers: Numbers) -> NDArray[np.float64]:
        """Return the same numbers, shape (n, days, numbers of a day)."""
        return numbers.reshape(len(numbers), self.days, self.numbers_per_day)

    def _asked(
        self, labels: NDArray[np.float64], by_day: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return np.where(by_day[:, :, 0] > 0, labels, np.nan)

    def _intervals(
        self, by_day: NDArray[np.float64]
    ) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
        """Yield the percent, lower and upper ends of each interval; ends of shape (n, days)."""
        for place, percent in enumerate(self.contract_answer.intervals):
            yield percent, by_day[:, :, 2 + 2 * place], by_day[:, :, 3 + 2 * place]


_EPOCH = date(1970, 1, 1).toordinal()


def _finite(value: object) -> float | None:
    """Return a number of JSON, or None for what is none."""
    return float(value) if isinstance(value, int | float) and type(value) is not bool else None


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
        case "forecast":
            return forecast_of(contract)


def forecast_of(contract: Contract) -> Forecast:
    """Return the task of a contract whose inputs are a series."""
    horizon = contract.by_name[contract.series.horizon]
    longest = int(horizon.bounds["le"])
    return Forecast(contract.answer, longest, int(horizon.default or longest))


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
