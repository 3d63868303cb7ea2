"""Not worse by a margin: published bounds, and the verdict for each task."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops.models.churn.contract import CHURN
from mlops.models.contract import Answer
from mlops.models.tasks import Multiclass, Numbers, Regression
from mlops.release.noninferiority import compare
from mlops.release.statistics import mean_at_most, paired_difference_at_most

MARGINS = CHURN.outcome.margins({})
DOUBT = 0.05
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
    predictions = np.linspace(0.01, 0.99, ROWS).reshape(-1, 1)
    labels = (predictions[:, 0] > 0.5).astype(np.float64)
    models = [predictions.copy(), predictions.copy()]
    found = compare(CHURN.outcome, models[0], models[1], labels, doubt=DOUBT)
    assert [figure.name for figure in found] == [*MARGINS]
    assert all(figure.passes for figure in found)
    models[whose][3] = np.nan
    found = compare(CHURN.outcome, models[0], models[1], labels, doubt=DOUBT)
    assert not all(figure.passes for figure in found)


def classes(noise: float, generator: np.random.Generator, truth: NDArray[np.float64]) -> Numbers:
    """Return probabilities of three classes, nearer to the truth with less noise."""
    odds = 2 * np.eye(3)[truth.astype(int)] + generator.normal(0, noise, (len(truth), 3))
    shares = np.exp(odds)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("noise", "passes"), [(1.0, True), (1.6, False)])
def test_a_model_of_several_classes(noise: float, passes: bool) -> None:
    generator = np.random.default_rng(6)
    truth = generator.integers(0, 3, ROWS).astype(np.float64)
    champion, candidate = classes(1.0, generator, truth), classes(noise, generator, truth)
    task = Multiclass(("a", "b", "c"))
    figures = compare(task, candidate, champion, truth, doubt=DOUBT)
    assert [figure.passes for figure in figures] == [passes] * 2


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize(("noise", "passes"), [(1.0, True), (1.1, False)])
def test_a_regression_on_any_scale(scale: float, noise: float, passes: bool) -> None:
    """The margin is a share of the champion's error, so it has the numbers' own scale."""
    generator = np.random.default_rng(7)
    truth = scale * generator.normal(20, 5, ROWS)
    errors = scale * generator.normal(0, 1, (ROWS, 1))
    champion = truth.reshape(-1, 1) + errors
    candidate = truth.reshape(-1, 1) + noise * errors
    task = Regression(Answer(name="price"))
    (figure,) = compare(task, candidate, champion, truth, doubt=DOUBT)
    assert figure.candidate == pytest.approx(noise * figure.champion)
    assert figure.margin == pytest.approx(0.05 * figure.champion)
    assert figure.passes is passes
