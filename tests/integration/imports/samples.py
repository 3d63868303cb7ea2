"""Small data sets of several kinds: mixed columns, missing values, whole numbers, several tasks."""

import numpy as np
import pandas
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

ROWS = 900
NUMBERS = ["age", "income", "debt", "children"]
CATEGORIES = ["housing", "purpose", "region"]
LABEL = "outcome"


def mixed(task: str, *, missing: bool = True) -> pandas.DataFrame:
    """Return numbers, whole numbers, flags and categories, with rare ones."""
    random = np.random.default_rng(5)
    frame = pandas.DataFrame(
        {
            "age": random.integers(18, 90, ROWS),
            "income": random.lognormal(10, 0.7, ROWS).round(2),
            "debt": random.gamma(2, 900, ROWS).round(1),
            "children": random.integers(0, 6, ROWS),
            "housing": random.choice(["own", "rent", "with parents"], ROWS, p=[0.5, 0.4, 0.1]),
            "purpose": random.choice(
                ["car", "house", "study", "Übersiedlung", "boat"],
                ROWS,
                p=[0.4, 0.3, 0.2, 0.08, 0.02],
            ),
            "region": random.choice([f"r{number}" for number in range(12)], ROWS),
            "grade": random.choice([1, 2, 3, 5], ROWS),
            "employed": random.random(ROWS) < 0.7,
        }
    )
    score = (
        (frame.age - 50) / 20
        + np.log(frame.income)
        - 10
        + (frame.housing == "rent")
        - frame.employed
        + frame.grade / 3
        + random.normal(size=ROWS) / 2
    ).to_numpy()
    if missing:
        for name, share in {"income": 0.1, "debt": 0.05, "purpose": 0.1, "region": 0.05}.items():
            frame.loc[random.random(ROWS) < share, name] = np.nan
    return frame.assign(**{LABEL: _labels(score, task)})


def whole(task: str) -> pandas.DataFrame:
    """Return small whole numbers only: they lie on the thresholds of trees."""
    random = np.random.default_rng(6)
    frame = pandas.DataFrame({f"count_{place}": random.integers(0, 20, ROWS) for place in range(6)})
    score = (
        frame.to_numpy() @ np.array([3, -2, 1, 0, 2, -1]) / 10 + random.normal(size=ROWS)
    ).astype(float)
    return frame.assign(**{LABEL: _labels(score, task)})


def decimals(task: str) -> pandas.DataFrame:
    """Return measured numbers of scikit-learn's own data sets."""
    if task == "regression":
        data = load_diabetes(as_frame=True, scaled=False)
        return data.frame.rename(columns={"target": LABEL})
    data = load_breast_cancer(as_frame=True) if task == "binary" else load_wine(as_frame=True)
    frame = data.frame.rename(columns={"target": LABEL})
    names = ["malignant", "benign"] if task == "binary" else ["a", "b", "c"]
    frame[LABEL] = [names[place] for place in frame[LABEL]]
    return frame


def large(task: str) -> pandas.DataFrame:
    """Return numbers far from zero, of which float32 loses digits."""
    frame = whole(task).astype({"count_0": float})
    frame["count_0"] += 1.7e9
    frame["count_1"] = frame["count_1"] * 1000 + 20_000_000
    frame["count_2"] = frame["count_2"] * 1e-7
    return frame


def _labels(score: NDArray[np.float64], task: str) -> object:
    if task == "binary":
        return np.where(score > np.median(score), "bad", "good")
    if task == "multiclass":
        low, high = np.quantile(score, [0.3, 0.7])
        return np.where(score < low, "low", np.where(score < high, "middle", "high"))
    return (np.exp(score / 2) * 100).round(3)
