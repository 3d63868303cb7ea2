"""The comparisons of a new version with the one it would replace, each with its formula's source.

All are one-sided: what is better than what it would replace is no reason for anything.
"""

import math
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import numpy as np
import scipy  # loads its parts when they are first used: who rolls back does not wait for them
from numpy.typing import NDArray

_HALVINGS = 50


def more_often(hits: int, of: int, other_hits: int, other_of: int) -> float:
    """The p-value of hits / of being above other_hits / other_of by chance alone.

    R. A. Fisher's exact test (Journal of the Royal Statistical Society 98 (1935) 39–82). Errors are
    few at an early look, where approximate tests raise several times the alarms that they promise.
    """
    table = [[hits, of - hits], [other_hits, other_of - other_hits]]
    return float(scipy.stats.fisher_exact(table, alternative="greater").pvalue)


def difference_at_most(
    hits: int, of: int, other_hits: int, other_of: int, *, doubt: float
) -> float:
    """The upper bound of hits / of − other_hits / other_of, wrong with probability `doubt`.

    Newcombe's hybrid score interval: method 10 of R. G. Newcombe, "Interval estimation for the
    difference between independent proportions", Statistics in Medicine 17 (1998) 873–890. It keeps
    its level where errors are few or none, where the textbook's normal one does not.
    """
    p, q = hits / of, other_hits / other_of
    _, high = _wilson(hits, of, doubt)
    other_low, _ = _wilson(other_hits, other_of, doubt)
    return p - q + math.hypot(high - p, q - other_low)


def _wilson(hits: int, of: int, level: float) -> tuple[float, float]:
    """Both one-sided score bounds: E. B. Wilson, JASA 22 (1927) 209–212."""
    z = NormalDist().inv_cdf(1 - level)
    p = hits / of
    middle = p + z * z / (2 * of)
    spread = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return (middle - spread) / scale, (middle + spread) / scale


def paired_difference_at_most(losses: int, wins: int, of: int, *, doubt: float) -> float:
    """The upper bound of losses / of − wins / of over the same rows, wrong with that probability.

    losses, wins: rows that only the other one got right, and only this one. The score interval of
    T. Tango, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17 (1998) 891–908. Without any loss or win it is
    still above 0, by how few rows there are, where the textbook's normal one claims to be sure.
    """
    z = NormalDist().inv_cdf(1 - doubt)
    low, high = (losses - wins) / of, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        far = of * middle - (losses - wins) >= z * _paired_deviation(losses, wins, of, middle)
        low, high = (low, middle) if far else (middle, high)
    return high


def _paired_deviation(losses: int, wins: int, of: int, difference: float) -> float:
    """Of losses − wins, where the true difference is this; the wins' share is its most likely."""
    linear = (2 * of - losses + wins) * difference - losses - wins
    constant = -wins * difference * (1 - difference)
    share = (math.sqrt(linear**2 - 8 * of * constant) - linear) / (4 * of)
    return math.sqrt(max(of * (2 * share + difference * (1 - difference)), 0.0))


def mean_at_most(values: NDArray[np.float64], *, doubt: float) -> float:
    """The upper bound of the mean that `values`, of shape (n,), were drawn from; NaN below two.

    Student, "The probable error of a mean", Biometrika 6 (1908) 1–25. Of differences between two
    models' losses on the same rows: what makes a row hard for both cancels out.
    """
    if len(values) < 2:
        return math.nan
    error = values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() + scipy.stats.t.ppf(1 - doubt, len(values) - 1) * error)


def slower(
    values: NDArray[np.float64], other: NDArray[np.float64], *, factor: float
) -> tuple[float, float]:
    """How sure it is that `values` lie above, and below, `factor` times `other`: two p-values.

    H. B. Mann and D. R. Whitney, Annals of Mathematical Statistics 18 (1947) 50–60, in its normal
    approximation with the correction for ties; good from some twenty values on each side. Ranks,
    since latencies have tails that no mean survives. values, other: of shape (n,), (m,).
    """
    scaled = other * factor
    test = partial(scipy.stats.mannwhitneyu, values, scaled, method="asymptotic")
    return float(test(alternative="greater").pvalue), float(test(alternative="less").pvalue)


@dataclass(frozen=True)
class Shift:
    """distance: total variation, in [0, 1]. by_chance: what it is on average with no shift at all.

    p_value: how often chance alone gives such a distance.
    """

    distance: float
    by_chance: float
    p_value: float

    @property
    def excess(self) -> float:
        """The share of rows that moved to other bins, by more than chance moves."""
        return self.distance - self.by_chance


def shift(
    values: NDArray[np.float64],
    other: NDArray[np.float64],
    *,
    bins: int,
    draws: int,
    generator: np.random.Generator,
) -> Shift:
    """Compare two samples of values in [0, 1] over equal bins.

    The distance of two finite samples is never 0, so it is held against the permutation
    distribution: the pooled rows dealt out again `draws` times (B. Phipson and G. K. Smyth,
    Statistical Applications in Genetics and Molecular Biology 9 (2010) 39, for the p-value).
    """
    counts, others = (np.histogram(part, bins=bins, range=(0, 1))[0] for part in (values, other))
    pooled = counts + others
    dealt = generator.multivariate_hypergeometric(pooled, int(counts.sum()), size=draws)
    distances = _total_variation(dealt, pooled - dealt)
    distance = float(_total_variation(counts, others))
    at_least = int(np.count_nonzero(distances >= distance - 1e-12))
    return Shift(distance, float(distances.mean()), (1 + at_least) / (1 + draws))


def _total_variation(counts: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    shares = counts / counts.sum(axis=-1, keepdims=True)
    other_shares = others / others.sum(axis=-1, keepdims=True)
    distances: NDArray[np.float64] = np.abs(shares - other_shares).sum(axis=-1) / 2
    return distances
