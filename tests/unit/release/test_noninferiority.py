"""The bounds of non-inferiority, against published ones."""

import math

import numpy as np
import pytest

from mlops.release.noninferiority import Margins, compare
from mlops.release.statistics import mean_at_most, paired_difference_at_most

ROWS = 1_409


@pytest.mark.parametrize(
    ("losses", "wins", "of", "low", "high"),
    [
        # Tango's interval, two-sided 95 %, as M. W. Fagerland, S. Lydersen and P. Laake print it
        # in "Statistical Analysis of Contingency Tables" (2017), chapter 8.
        (6, 16, 161, -0.1240, -0.0054),
        (1, 7, 21, -0.5172, -0.0260),
    ],
)
def test_paired_differences_are_the_published_ones(
    losses: int, wins: int, of: int, low: float, high: float
) -> None:
    assert paired_difference_at_most(losses, wins, of, doubt=0.025) == pytest.approx(high, abs=5e-5)
    mirrored = -paired_difference_at_most(wins, losses, of, doubt=0.025)
    assert mirrored == pytest.approx(low, abs=5e-5)


def test_without_any_difference_few_rows_are_not_sure() -> None:
    """Then the interval is Wilson's of none in n: z² / (n + z²)."""
    z = 1.6448536
    for rows in (10, 100, ROWS):
        found = paired_difference_at_most(0, 0, rows, doubt=0.05)
        assert found == pytest.approx(z * z / (rows + z * z), abs=1e-7)


@pytest.mark.parametrize(("losses", "wins"), [(5, 0), (0, 5), (5, 5), (3, 2)])
def test_every_row_differs(losses: int, wins: int) -> None:
    found = paired_difference_at_most(losses, wins, losses + wins, doubt=0.05)
    assert (losses - wins) / (losses + wins) <= found <= 1


def test_a_mean_is_bounded_as_students_is() -> None:
    """Student 1908, the additional hours of sleep of ten patients: t = 4.06 for the difference."""
    hours = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    assert hours.mean() == pytest.approx(1.58)
    error = hours.mean() / 4.0621
    assert mean_at_most(hours, doubt=0.05) == pytest.approx(1.58 + 1.8331 * error, abs=1e-3)
    assert mean_at_most(np.full(9, 0.25), doubt=0.05) == 0.25
    assert math.isnan(mean_at_most(np.full(1, 0.25), doubt=0.05))


@pytest.mark.parametrize("whose", [0, 1])
def test_nan_does_not_pass(whose: int) -> None:
    predictions = np.linspace(0.01, 0.99, ROWS)
    labels = (predictions > 0.5).astype(np.int64)
    models = [predictions.copy(), predictions.copy()]
    assert all(figure.passes for figure in compare(models[0], models[1], labels, Margins()))
    models[whose][3] = np.nan
    assert not all(figure.passes for figure in compare(models[0], models[1], labels, Margins()))
