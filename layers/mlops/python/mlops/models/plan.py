"""What every model that is trained here declares about its training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlops.models.contract import Contract
from mlops.models.forecaster import Forecaster
from mlops.models.inputs import Tensors


class Classifier(Protocol):
    """A fitted scikit-learn classifier, or a pipeline that ends in one."""

    def predict_proba(self, features: NDArray[Any]) -> NDArray[Any]: ...


class Regressor(Protocol):
    """A fitted scikit-learn regressor, or a pipeline that ends in one."""

    def predict(self, features: NDArray[Any]) -> NDArray[Any]: ...


@runtime_checkable
class OwnGraph(Protocol):
    """A fitted estimator that no converter knows."""

    def numbers(self, tensors: Tensors) -> NDArray[np.float64]:
        """Return what the graph should predict, shape (n, k)."""

    def graph(self) -> Any:
        """Return its graph, an `onnx.ModelProto` with the inputs of the contract's format."""


Estimator = Classifier | Regressor | Forecaster | OwnGraph
"""What a plan's `fit` returns, depending on the task."""


@dataclass(frozen=True)
class Bounds:
    """What the gate requires of the figures of one view, by the name of the figure.

    A bound on the good side, such as the maximum of a figure of which more is better, says what
    would be too good to be true.
    """

    minimum: Mapping[str, float] = field(default_factory=dict)
    maximum: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CardText:
    """The parts of a model card that no figure can say: in Markdown, without headings.

    limits: what a user has to know before acting on an answer.
    """

    purpose: str
    data: str
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class SampleText:
    """What a model card says of the data that the project ships, and of no other.

    digest: of the data's bytes, uncompressed.
    """

    digest: str
    data: str
    limits: tuple[str, ...]


@dataclass(frozen=True)
class TrainingPlan:
    """How one model is trained.

    fit: takes the inputs of the graph, the labels as numbers and a seed; the same ones give the
        same estimator. Labels that were made of ratings are these ratings.
    repeats: how often the rows are dealt out into the folds of the cross-validation; once where
        the folds follow one another in time.
    bounds: by the name of each view of the contract.
    limits: those that hold whatever the model was trained on.
    """

    contract: Contract
    default_data: str
    fit: Callable[[Tensors, NDArray[Any], int], Estimator]
    bounds: Mapping[str, Bounds]
    purpose: str
    sample: SampleText
    limits: tuple[str, ...]
    repeats: int = 5

    def card_text(self, digest: str) -> CardText:
        """Return the text of the card of a model that was trained on the data of this digest."""
        if digest == self.sample.digest:
            limits = (*self.sample.limits, *self.limits)
            return CardText(self.purpose, self.sample.data, limits)
        return CardText(self.purpose, _OWN_DATA, self.limits)


# Without the file's name: the same rows give the same card, whatever their file is called.
_OWN_DATA = (
    "Not the sample that the project ships. The digest, of the file before compression, tells"
    " which data it is; the person who trained the model knows where that comes from."
)
