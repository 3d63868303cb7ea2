"""Is a candidate as good as the champion, on rows that the candidate was not trained on?

The hypothesis to be rejected is that it is worse by the margin or more. Rows are the same for
both, so they are compared in pairs. The candidate passes where the upper bound of what it loses
lies below the margin: not to be sure is not to pass, and neither is NaN. It has to pass every
comparison, each at its full level; the probability that one worse by the margin passes all is at
most that of one (R. L. Berger, Technometrics 24 (1982) 295–300).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops.models.tasks import Numbers, Task
from mlops.release.statistics import mean_at_most, paired_difference_at_most


@dataclass(frozen=True)
class Figure:
    """The mean loss of both, and the upper bound of what the candidate loses."""

    name: str
    candidate: float
    champion: float
    loss_at_most: float
    margin: float

    @property
    def passes(self) -> bool:
        return self.loss_at_most < self.margin


def compare(
    task: Task,
    candidate: Numbers,
    champion: Numbers,
    labels: NDArray[np.float64],
    *,
    doubt: float,
) -> tuple[Figure, ...]:
    """Compare the losses of two versions on the same rows.

    candidate, champion: shape (n, k). labels: shape (n,).
    doubt: probability to pass a candidate that loses all of a margin.
    """
    ours, theirs = task.losses(labels, candidate), task.losses(labels, champion)
    means = {name: float(losses.mean()) for name, losses in theirs.items()}
    margins: Mapping[str, float] = task.margins(means)
    return tuple(
        Figure(
            name,
            float(ours[name].mean()),
            means[name],
            _loss_at_most(ours[name], theirs[name], doubt),
            margins[name],
        )
        for name in means
    )


def _loss_at_most(ours: NDArray[np.float64], theirs: NDArray[np.float64], doubt: float) -> float:
    """Return the upper bound of the mean difference: of shares, where a row is right or wrong."""
    if np.isin(np.concatenate([ours, theirs]), (0, 1)).all():
        losses, wins = (int(np.count_nonzero(found)) for found in (ours > theirs, ours < theirs))
        return paired_difference_at_most(losses, wins, len(ours), doubt=doubt)
    return mean_at_most(ours - theirs, doubt=doubt)
