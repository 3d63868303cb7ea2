"""The comparisons of a new version with the one it would replace, each with its formula's source.

All are one-sided: what is better than what it would replace is no reason for anything.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import scipy  # loads its parts when they are first used: who rolls back does not wait for them
from numpy.typing import NDArray

_HALVINGS = 50


def more_often(hits: int, of: int, other_hits: int, other_of: int) -> float:
    """The p-value of hits / of being above other_hits / other_of by chance alone.

    R. A. Fisher's exact test (Journal of the Royal Statistical Society 98 (1935) 39–82). Errors are
    few at an early analysis, where approximate tests raise several times the alarms that they
    promise.
    """
    all_hits, total = hits + other_hits, of + other_of
    as_many = np.arange(hits, min(of, all_hits) + 1)
    return min(1.0, float(_hypergeometric(as_many, total, all_hits, of).sum()))


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


@dataclass(frozen=True)
class Grouped:
    """A sample whose values were counted in bins.

    values: of each bin, shape (b,). counts: how many values each bin has, shape (b,).
    """

    values: NDArray[np.float64]
    counts: NDArray[np.int64]


def slower(sample: Grouped, other: Grouped, *, factor: float) -> tuple[float, float]:
    """Return how sure it is that `sample` lies above, and below, `factor` times `other`.

    Both are p-values. H. B. Mann and D. R. Whitney, Annals of Mathematical Statistics 18 (1947)
    50–60, in its normal approximation with the corrections for continuity and for ties; good from
    some twenty values on each side. Ranks, since latencies have tails that no mean survives.
    """
    points, places = np.unique(
        np.concatenate([sample.values, other.values * factor]), return_inverse=True
    )
    ours, theirs = (
        np.bincount(at, weights=counts, minlength=len(points))
        for at, counts in (
            (places[: len(sample.values)], sample.counts),
            (places[len(sample.values) :], other.counts),
        )
    )
    n, m, tied = ours.sum(), theirs.sum(), ours + theirs
    below = np.cumsum(theirs) - theirs / 2
    excess = float(ours @ below - n * m / 2)
    ties = (tied**3 - tied).sum() / max((n + m) * (n + m - 1), 1)
    deviation = math.sqrt(n * m / 12 * (n + m + 1 - ties))
    if not deviation:
        return 1.0, 1.0
    above, under = ((sign * excess - 0.5) / deviation for sign in (1, -1))
    return NormalDist().cdf(-above), NormalDist().cdf(-under)


@dataclass(frozen=True)
class Shift:
    """distance: total variation, in [0, 1]. by_chance: what it is on average with no shift."""

    distance: float
    by_chance: float

    @property
    def excess(self) -> float:
        """The share of rows that moved to other bins, by more than chance moves."""
        return self.distance - self.by_chance


def shift(counts: NDArray[np.int64], others: NDArray[np.int64]) -> Shift:
    """Compare two samples that were counted in the same bins, both of shape (b,).

    The distance of two finite samples is never 0, so it is held against the permutation
    distribution: the pooled rows dealt out again. A bin of the first sample then has a
    hypergeometric number of rows. Its mean absolute deviation has a closed form: P. Diaconis and
    S. Zabell, Statistical Science 6 (1991) 284–302.
    """
    pooled = counts + others
    n, total = int(counts.sum()), int(pooled.sum())
    above = n * pooled // total + 1  # the smallest number above the mean of each bin
    deviations = (
        2 * above * (total - n - pooled + above) / total * _hypergeometric(above, total, pooled, n)
    )
    by_chance = float(deviations.sum()) * total / (2 * n * (total - n))
    return Shift(float(_total_variation(counts, others)), by_chance)


def moved_by_chance(
    counts: NDArray[np.int64],
    others: NDArray[np.int64],
    *,
    draws: int,
    generator: np.random.Generator,
) -> float:
    """Return the p-value of a shift: how often chance alone gives such a distance.

    Of `draws` permutations, with the correction of B. Phipson and G. K. Smyth, Statistical
    Applications in Genetics and Molecular Biology 9 (2010) 39.
    """
    pooled = counts + others
    dealt = generator.multivariate_hypergeometric(pooled, int(counts.sum()), size=draws)
    distances = _total_variation(dealt, pooled - dealt)
    at_least = np.count_nonzero(distances >= _total_variation(counts, others) - 1e-12)
    return float((1 + at_least) / (1 + draws))


def _hypergeometric(
    hits: NDArray[np.int64], total: int, marked: NDArray[np.int64] | int, drawn: int
) -> NDArray[np.float64]:
    """Return the probability of so many hits among `drawn` of `total`, where some are marked.

    By logarithms of factorials: a tenth of the time of `scipy.stats.hypergeom`.
    """
    found: NDArray[np.float64] = np.exp(
        _log_choices(marked, hits)
        + _log_choices(total - marked, drawn - hits)
        - _log_choices(total, drawn)
    )
    return found


def _log_choices(of: NDArray[np.int64] | int, chosen: NDArray[np.int64] | int) -> Any:
    """Return the logarithm of a binomial coefficient; −∞ where there is nothing to choose from."""
    log = scipy.special.gammaln
    return log(of + 1) - log(chosen + 1) - log(of - chosen + 1)


def _total_variation(counts: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    shares = counts / counts.sum(axis=-1, keepdims=True)
    other_shares = others / others.sum(axis=-1, keepdims=True)
    distances: NDArray[np.float64] = np.abs(shares - other_shares).sum(axis=-1) / 2
    return distances
