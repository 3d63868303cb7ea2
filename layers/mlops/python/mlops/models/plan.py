"""What every model declares about its training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlops.models.columns import Columns
from mlops.models.contract import Contract


@dataclass(frozen=True)
class Dataset:
    """Labelled rows.

    requests: n dicts as a client would send them.
    labels: int of shape (n,); 1 is the positive class.
    segments: for the model card, the group of each row under each heading; str of shape (n,).
    digest: of the data's bytes, uncompressed.
    """

    columns: Columns
    requests: tuple[dict[str, Any], ...]
    labels: NDArray[np.int64]
    segments: Mapping[str, NDArray[np.str_]]
    digest: str


@dataclass(frozen=True)
class Bounds:
    """What the gate asks of the figures of one view of the rows."""

    min_roc_auc: float
    max_brier: float
    max_ece: float | None = None
    leak_roc_auc: float | None = None


@dataclass(frozen=True)
class View:
    """A way in which clients send rows: `reduce` blanks what they leave out."""

    name: str
    describe: str
    reduce: Callable[[Columns], Columns]
    bounds: Bounds


class Estimator(Protocol):
    """A fitted scikit-learn classifier, or pipeline that ends in one."""

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class SampleText:
    """What a model card says of the data that the project ships, and of no other.

    digest: of the data's bytes, uncompressed.
    """

    digest: str
    data: str
    limits: tuple[str, ...]


@dataclass(frozen=True)
class CardText:
    """The parts of a model card that no figure can say.

    limits: those that hold whatever the model was trained on.
    """

    purpose: str
    sample: SampleText
    limits: tuple[str, ...]


@dataclass(frozen=True)
class TrainingPlan:
    """How one model is trained; `fit` is deterministic for a given seed."""

    contract: Contract
    default_data: str
    load: Callable[[Path], Dataset]
    fit: Callable[[Columns, NDArray[np.int64], int], Estimator]
    views: tuple[View, ...]
    card: CardText
