"""Is a candidate as good as the champion, on rows that the candidate was not trained on?

The hypothesis to be rejected is that it is worse by the margin or more. Rows are the same for
both, so they are compared in pairs. The candidate passes where the upper bound of what it loses
lies below the margin: not to be sure is not to pass, and neither is NaN. It has to pass every
comparison, each at its full level; the probability that one worse by the margin passes all is at
most that of one (R. L. Berger, Technometrics 24 (1982) 295–300).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops.release.statistics import mean_at_most, paired_difference_at_most

_POSITIVE_FROM = 0.5


@dataclass(frozen=True)
class Margins:
    """What a candidate may lose.

    accuracy: of the share of rows that it calls right at 0.5. brier: of the mean squared error of
    its probabilities. doubt: probability to pass a candidate that loses all of a margin.
    """

    accuracy: float = 0.03
    brier: float = 0.01
    doubt: float = 0.05


@dataclass(frozen=True)
class Figure:
    """One figure of both, and the upper bound of what the candidate loses."""

    name: str
    candidate: float
    champion: float
    loss_at_most: float
    margin: float

    @property
    def passes(self) -> bool:
        return self.loss_at_most < self.margin


def compare(
    candidate: NDArray[np.float64],
    champion: NDArray[np.float64],
    labels: NDArray[np.int64],
    margins: Margins,
) -> tuple[Figure, ...]:
    """candidate, champion: probabilities of shape (n,). labels: of shape (n,); 1 is positive."""
    right, others_right = (
        (predictions >= _POSITIVE_FROM) == labels for predictions in (candidate, champion)
    )
    errors, others_errors = ((found - labels) ** 2 for found in (candidate, champion))
    losses = int(np.count_nonzero(others_right & ~right))
    wins = int(np.count_nonzero(right & ~others_right))
    lost = paired_difference_at_most(losses, wins, len(labels), doubt=margins.doubt)
    return (
        Figure("accuracy", float(right.mean()), float(others_right.mean()), lost, margins.accuracy),
        Figure(
            "brier",
            float(errors.mean()),
            float(others_errors.mean()),
            mean_at_most(errors - others_errors, doubt=margins.doubt),
            margins.brier,
        ),
    )
