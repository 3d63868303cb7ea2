"""How the ridership model is trained: trees for the ratio of a day to its level."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from mlops.models.forecaster import DayRows, Forecaster, day_rows, fit_forecaster
from mlops.models.inputs import Tensors
from mlops.models.plan import Bounds, SampleText, TrainingPlan
from mlops.models.ridership.contract import RIDERSHIP
from mlops.models.series import DAYS, FEATURES

CALIBRATION_DAYS, REFITS = 364, 2
"""The intervals are as wide as the errors of the last year, of models that are half a year old."""

HORIZON_STEP = 4
"""Of the days of one forecast every fourth is trained on: neighbours say nearly the same."""

_LAST_YEAR = [FEATURES.index(name) for name in ("last_year", "two_years_ago", "around_last_year")]
_TWO_YEARS_AGO = FEATURES.index("two_years_ago")
_TREND = FEATURES.index("level_to_last_year")


def with_short_histories(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the days, then copies as of a history of some weeks, then as of one and a half years.

    Without these, a client that sends 60 days gets errors of several times the size.
    """
    weeks, years = features.copy(), features.copy()
    weeks[:, _LAST_YEAR] = np.nan
    weeks[:, _TREND] = 1
    years[:, _TWO_YEARS_AGO] = np.nan
    return np.concatenate([features, weeks, years])


def fit(tensors: Tensors, labels: NDArray[Any], seed: int) -> Forecaster:
    """Return the forecaster, fitted to the days of all requests and to their copies."""

    def fit_trees(rows: DayRows) -> HistGradientBoostingRegressor:
        trees = HistGradientBoostingRegressor(
            learning_rate=0.09,
            max_iter=200,
            max_leaf_nodes=15,
            min_samples_leaf=30,
            max_features=0.3,
            early_stopping=False,
            random_state=seed,
        )
        # In the unit of the numbers, an error of the ratio counts by the level.
        return trees.fit(
            with_short_histories(rows.features),
            np.tile(rows.ratios, 3),
            sample_weight=np.tile(rows.levels, 3),
        )

    rows = day_rows(tensors[DAYS], labels)
    # Of forecasts that begin one after the other, other days.
    turn = rows.origins % (7 * HORIZON_STEP) // HORIZON_STEP
    trained = (rows.days - rows.origins + turn) % HORIZON_STEP == 0
    return fit_forecaster(
        rows,
        trained,
        fit_trees,
        RIDERSHIP.answer.intervals,
        calibration_days=CALIBRATION_DAYS,
        refits=REFITS,
    )


RIDERSHIP_PLAN = TrainingPlan(
    contract=RIDERSHIP,
    default_data="data/chicago_ridership.csv.gz",
    fit=fit,
    bounds={
        "long_history": Bounds(
            minimum={"coverage_80": 0.74, "coverage_95": 0.92},
            maximum={"mae": 0.85, "coverage_80": 0.86, "coverage_95": 0.985},
        ),
        "short_history": Bounds(
            minimum={"coverage_80": 0.74, "coverage_95": 0.92},
            maximum={"mae": 0.95, "coverage_80": 0.86, "coverage_95": 0.985},
        ),
    },
    repeats=1,
    purpose=(
        "Forecasts how many people enter a railway station on each of the next days, so that people"
        " can plan staff and trains. It is not meant for hours of a day, nor for deciding where"
        " stations are closed."
    ),
    sample=SampleText(
        digest="sha256:a88a079a71b8c6c2ff6665c5e9c2ef49d4834e02a0dd635dd9daf8e54e061b15",
        data=(
            "Entries a day at Clark/Lake, a station of the Chicago Transit Authority, in thousands:"
            " 5,712 days from 2001-01-08 to 2016-08-28, none of them missing. The City of Chicago"
            " publishes them in its data portal, as they are and without warranty. The copy in"
            " `data/` is the one of R's MIT-licensed `modeldata`."
        ),
        limits=(
            "It was trained on one station of offices and shops in one city. Numbers of another"
            " series are taken relative to its own level, but its weeks and holidays may differ.",
            "The data ends in 2016: nothing in it is like the years from 2020 on.",
        ),
    ),
    limits=(
        "It sees the history and the calendar, but no weather, events, strikes or closures.",
        "An interval holds its share of days like those of the last year of training, not of each"
        " kind of day; see the figures by horizon and kind of day.",
        "A history of less than 14 months says nothing about the season. It still gives a forecast;"
        " see the figures of that view.",
    ),
)
