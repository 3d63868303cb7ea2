"""A small data set of loans, and pipelines fitted on it."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlops.importing.process import Order

ROWS = 400
LABEL = "default"
NUMBERS = ["age", "Income"]
CATEGORIES = ["purpose", "homeOwner"]


def loans() -> pandas.DataFrame:
    random = np.random.default_rng(1)
    frame = pandas.DataFrame(
        {
            "loan": [f"L{number}" for number in range(ROWS)],
            "age": random.integers(18, 80, ROWS),
            "Income": random.lognormal(10, 0.5, ROWS).round(2),
            "purpose": random.choice(["car", "house", "study"], ROWS),
            "homeOwner": random.random(ROWS) < 0.5,
            "flag": random.integers(0, 2, ROWS),
        }
    )
    score = (frame["age"] - 50) / 10 + (frame["purpose"] == "car") + random.normal(size=ROWS)
    frame.loc[random.random(ROWS) < 0.1, "Income"] = np.nan
    frame.loc[random.random(ROWS) < 0.1, "purpose"] = np.nan
    return frame.assign(default=np.where(score > 0, "bad", "good"))


def features(frame: pandas.DataFrame) -> pandas.DataFrame:
    return frame.drop(columns=[LABEL, "loan"])


def pipeline(final: Any = None) -> Pipeline:
    """Return the usual steps, fitted on the loans."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, NUMBERS),
            ("categories", OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
            ("flag", "passthrough", ["flag"]),
        ]
    )
    frame = loans()
    final = LogisticRegression(max_iter=500) if final is None else final
    return Pipeline([("columns", columns), ("model", final)]).fit(features(frame), frame[LABEL])


def order(folder: Path, estimator: Any = None, frame: Any = None, **given: Any) -> Order:
    """Write estimator and sample into a folder, and return the order to import them."""
    joblib.dump(pipeline() if estimator is None else estimator, folder / "pipeline.joblib")
    (loans() if frame is None else frame).to_csv(folder / "sample.csv", index=False)
    wanted = {"model": "loans", "label": LABEL, "subject": "loan"} | given
    return Order(str(folder / "pipeline.joblib"), str(folder / "sample.csv"), **wanted)
