"""Estimators that few people use are reproduced, or refused with the part that has no graph."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    StackingClassifier,
)
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    RANSACRegressor,
    RidgeClassifier,
    TweedieRegressor,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from mlops.errors import ImportRefused
from mlops.importing.importer import import_estimator
from tests.unit.importing.loans import LABEL, loans, order

FEATURES = ["age", "flag"]


def fitted(model: Any, task: str) -> tuple[Any, pandas.DataFrame]:
    frame = loans()[[*FEATURES, LABEL]]
    if task == "multiclass":
        frame[LABEL] = np.where(frame["age"] < 35, "young", np.where(frame["age"] < 60, "b", "c"))
    if task == "regression":
        frame[LABEL] = np.round(frame["age"] * 1.5 + frame["flag"] * 7 + 3, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(frame[FEATURES], frame[LABEL]), frame


def imported(folder: Path, model: Any, task: str) -> float:
    """Return the largest difference."""
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator, frame = fitted(model, task)
        found, _ = import_estimator(order(folder, estimator, frame, subject=None))
    return found.parity


def product(one: Any, other: Any) -> Any:
    return one @ other.T


def double(values: Any) -> Any:
    return values * 2


def halve(values: Any) -> Any:
    return values / 2


@pytest.mark.parametrize(
    ("model", "task"),
    [
        (ComplementNB(), "multiclass"),
        (BernoulliNB(binarize=50), "binary"),
        (DummyClassifier(strategy="prior"), "multiclass"),
        (RANSACRegressor(random_state=0), "regression"),
        (TweedieRegressor(power=0), "regression"),
        (TweedieRegressor(power=1.5, max_iter=2_000), "regression"),
        (HistGradientBoostingRegressor(loss="poisson", max_iter=10), "regression"),
        (HistGradientBoostingRegressor(loss="gamma", max_iter=10), "regression"),
        (GradientBoostingClassifier(init="zero", n_estimators=5), "binary"),
        (GradientBoostingRegressor(init=DummyRegressor(), n_estimators=5), "regression"),
        (AdaBoostRegressor(n_estimators=5, random_state=0), "regression"),
        (
            TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1),
            "regression",
        ),
        (
            TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler()),
            "regression",
        ),
        (OneVsRestClassifier(LinearSVC()), "multiclass"),
        (OneVsRestClassifier(LinearSVC()), "binary"),
        (
            StackingClassifier(
                [("a", LogisticRegression()), ("b", GaussianNB())], RidgeClassifier(), cv=2
            ),
            "binary",
        ),
        (make_pipeline(StandardScaler(), SVC(kernel="sigmoid")), "binary"),
        (make_pipeline(StandardScaler(), SVC(kernel="poly")), "multiclass"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value).replace("\n", "")[:60],
)
def test_a_rare_estimator_is_reproduced(tmp_path: Path, model: Any, task: str) -> None:
    assert imported(tmp_path, model, task) <= 1e-5


@pytest.mark.parametrize(
    ("model", "task", "reason"),
    [
        (KNeighborsClassifier(metric="manhattan"), "binary", "only Euclidean distances"),
        (KNeighborsClassifier(weights=np.exp), "binary", "its weights are Python code"),
        (SVC(kernel=product), "binary", "SVC has no graph"),
        (SVC(decision_function_shape="ovo"), "multiclass", "SVC has no graph"),
        (
            GradientBoostingRegressor(init=LinearRegression(), n_estimators=3),
            "regression",
            "GradientBoostingRegressor has no graph",
        ),
        (
            TransformedTargetRegressor(LinearRegression(), func=double, inverse_func=halve),
            "regression",
            "has no graph",
        ),
        (
            StackingClassifier(
                [("a", GaussianNB())], LogisticRegression(), cv=2, stack_method="predict"
            ),
            "binary",
            "it stacks labels; use stack_method='auto'",
        ),
    ],
    ids=["metric", "weights", "kernel", "shape", "init", "function", "labels"],
)
def test_a_part_that_has_no_graph_is_named(
    tmp_path: Path, model: Any, task: str, reason: str
) -> None:
    with pytest.raises(ImportRefused, match=reason):
        imported(tmp_path, model, task)
