"""What an estimator predicts: the task of its contract, and its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas
from numpy.typing import NDArray

from mlops.errors import DataInvalid, EstimatorUnusable
from mlops.importing.steps import last_of, name_of

Kind = Literal["probability", "score", "probabilities", "shares", "value"]
"""probability: of the positive class. score: a decision score, above 0 for the positive class.
probabilities: of each class. shares: a softmax of decision scores. value: a number.
"""


DECIMALS = 6
"""Of an answer, unless its numbers differ by too little."""


@dataclass(frozen=True)
class Target:
    """What an estimator predicts.

    classes: as texts, in the estimator's order. positive: place of the positive class.
    cut: the probability from which it decides for the positive class.
    """

    kind: Kind
    classes: tuple[str, ...] = ()
    positive: int = 1
    cut: float = 0.5

    @property
    def task(self) -> str:
        return {"probability": "binary", "probabilities": "multiclass", "shares": "multiclass"}.get(
            self.kind, "regression"
        )

    @property
    def order(self) -> tuple[int, ...]:
        """The estimator's classes in the order of the graph's output."""
        if len(self.classes) == 2:
            return 1 - self.positive, self.positive
        return tuple(range(len(self.classes)))

    def numbers(self, estimator: Any, rows: Any) -> NDArray[np.float64]:
        """Return what the estimator predicts, shape (n, k), as the runtime should."""
        if self.kind == "probability":
            found = estimator.predict_proba(rows)[:, [self.positive]]
        elif self.kind == "probabilities":
            found = estimator.predict_proba(rows)
        elif self.kind == "score":
            score = np.asarray(estimator.decision_function(rows), dtype=np.float64)
            found = score if self.positive == 1 else -score
        elif self.kind == "shares":
            scores = np.asarray(estimator.decision_function(rows), dtype=np.float64)
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            found = powers / powers.sum(axis=1, keepdims=True)
        else:
            found = estimator.predict(rows)
        return np.asarray(found, dtype=np.float64).reshape(len(found), -1)

    def decisions(self, numbers: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the place of the class that each row is decided for."""
        if self.kind in ("probabilities", "shares"):
            return np.asarray(numbers.argmax(axis=1))
        return np.asarray(numbers[:, 0] >= self.threshold).astype(np.intp)

    def leads(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much each row is decided."""
        if self.kind == "value":
            return np.zeros(len(numbers))
        if self.kind in ("probabilities", "shares"):
            ordered = np.sort(numbers, axis=1)
            return np.asarray(ordered[:, -1] - ordered[:, -2])
        return np.asarray(np.abs(numbers[:, 0] - self.threshold))

    @property
    def threshold(self) -> float:
        return self.cut if self.kind == "probability" else 0.0

    def label(self, column: str) -> dict[str, str]:
        """Return what the contract says of the label."""
        if self.kind == "probability":
            negative, positive = (self.classes[place] for place in self.order)
            return {"column": column, "positive": positive, "negative": negative}
        return {"column": column}

    def answer(self, name: str, decimals: int) -> dict[str, Any]:
        """Return what the contract says of the answer.

        name: of the label as a field. decimals: of a predicted value.
        """
        if self.task == "multiclass":
            about = (
                "The estimator has no probabilities: these are the softmax of its decision scores,"
                " which is largest for the same class, but not calibrated."
            )
            more = {"about": about} if self.kind == "shares" else {}
            return more | {"classes": list(self.classes)}
        if self.kind == "value":
            digits = {} if decimals == DECIMALS else {"decimals": decimals}
            return {"name": name if name != "value" else "prediction"} | digits
        negative, positive = (self.classes[place] for place in self.order)
        described = (
            f"Probability of {positive}, rounded to six decimals."
            if self.kind == "probability"
            else f"Decision score: {positive} from 0 on, else {negative}. It is no probability."
        )
        suffix = "probability" if self.kind == "probability" else "score"
        labels = {"name": name, "names": [negative, positive], "thresholds": [self.threshold]}
        return {"name": f"{name}_{suffix}", "description": described, "labels": labels}

    def read_labels(self, source: str, column: str, values: Any) -> list[Any]:
        """Return labels as the contract's task reads them. Raise DataInvalid."""
        if values.isna().any():
            line = int(values.isna().to_numpy().argmax()) + 2
            raise DataInvalid(source, line, column, "the label is missing; leave such rows out")
        if self.kind == "value":
            numbers = pandas.to_numeric(values, errors="coerce")
            bad = ~np.isfinite(numbers.to_numpy(dtype=np.float64))
            if bad.any():
                place = int(bad.argmax())
                reason = (
                    "the estimator predicts numbers, but this label is no finite number:"
                    f" {values.iloc[place]!s}"
                )
                raise DataInvalid(source, place + 2, column, reason)
            return [float(number) for number in numbers]
        texts = [text_of(value) for value in values]
        unknown = sorted(set(texts) - set(self.classes))
        if unknown:
            raise DataInvalid(
                source,
                None,
                column,
                f"it holds {_list(unknown)}, but the classes of the estimator are"
                f" {_list(self.classes)}. Give the labels as the estimator knows them, in the"
                " sample or with --labels FILE",
            )
        if self.kind == "probability":
            return [int(text == self.classes[self.positive]) for text in texts]
        if self.kind == "score":
            return [1.0 if text == self.classes[self.positive] else -1.0 for text in texts]
        return texts


def find_target(source: str, estimator: Any, positive: str | None) -> Target:
    """Return what an estimator predicts. Raise EstimatorUnusable or DataInvalid."""
    name = name_of(last_of(estimator))
    if not hasattr(estimator, "classes_"):
        if positive is not None:
            raise EstimatorUnusable(source, f"{name} predicts numbers, so leave --positive out")
        return Target("value")
    found = estimator.classes_
    if isinstance(found, list):
        raise EstimatorUnusable(source, "it predicts several targets at once; fit one for each")
    classes = tuple(text_of(value) for value in found)
    has_probabilities = hasattr(estimator, "predict_proba")
    if not has_probabilities and not hasattr(estimator, "decision_function"):
        raise EstimatorUnusable(
            source,
            f"{name} has neither probabilities nor decision scores, only labels. Use one that has,"
            ' for example voting="soft", or put it into CalibratedClassifierCV',
        )
    if len(classes) < 2:
        raise EstimatorUnusable(source, "it knows one class only; fit it with two at least")
    if len(classes) > 2:
        if positive is not None:
            reason = f"it has {len(classes)} classes, so leave --positive out"
            raise EstimatorUnusable(source, reason)
        return Target("probabilities" if has_probabilities else "shares", classes)
    if positive is not None and positive not in classes:
        raise EstimatorUnusable(
            source, f"--positive {positive} is none of its classes, which are {_list(classes)}"
        )
    place = 1 if positive is None else classes.index(positive)
    if not has_probabilities:
        return Target("score", classes, place)
    return Target("probability", classes, place, _cut(source, last_of(estimator), place))


def _cut(source: str, estimator: Any, positive: int) -> float:
    """Return the probability of the positive class from which an estimator decides for it."""
    if name_of(estimator) not in ("FixedThresholdClassifier", "TunedThresholdClassifierCV"):
        return 0.5 if positive == 0 else _ABOVE_HALF
    cut = (
        estimator.best_threshold_ if hasattr(estimator, "best_threshold_") else estimator.threshold
    )
    if cut == "auto":
        return 0.5
    labels = getattr(estimator, "pos_label", None)
    if estimator.response_method == "decision_function" or labels is not None:
        reason = "its threshold is for decision scores or another class; use predict_proba"
        raise EstimatorUnusable(source, f"{name_of(estimator)}: {reason}")
    return float(cut) if positive == 1 else 1 - float(cut)


_ABOVE_HALF = 0.500001
"""scikit-learn decides a tie for the first class, and answers have six decimals."""


def text_of(value: Any) -> str:
    """Return a class as text: 1.0 is the class 1."""
    plain = value.item() if hasattr(value, "item") else value
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


def _list(values: Sequence[str]) -> str:
    shown = ", ".join(repr(value) for value in values[:10])
    return shown + (f" and {len(values) - 10} more" if len(values) > 10 else "")
