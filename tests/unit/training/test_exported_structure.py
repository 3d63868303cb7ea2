"""What scikit-learn's usual estimators are exported to is served."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mlops.inference.structure import check_structure
from mlops.training.export import OPSET, _plain_attributes

ROWS = np.random.default_rng(7).integers(0, 5, (60, 4)).astype(np.float32)
LABELS = (ROWS.sum(axis=1) > 8).astype(int)

CLASSIFIERS: list[Callable[[], Any]] = [
    AdaBoostClassifier,
    BaggingClassifier,
    BernoulliNB,
    lambda: CalibratedClassifierCV(LinearSVC()),
    DecisionTreeClassifier,
    ExtraTreesClassifier,
    GaussianNB,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    KNeighborsClassifier,
    LogisticRegression,
    lambda: MLPClassifier(max_iter=2000),
    MultinomialNB,
    RandomForestClassifier,
    lambda: SGDClassifier(loss="log_loss"),
    SVC,
    lambda: VotingClassifier(
        [("tree", DecisionTreeClassifier())], voting="soft", flatten_transform=False
    ),
]
TRANSFORMERS: list[Callable[[], Any]] = [
    FunctionTransformer,
    lambda: KBinsDiscretizer(encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PCA,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    lambda: SelectKBest(k=2),
    SimpleImputer,
    StandardScaler,
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("build", [*CLASSIFIERS, *TRANSFORMERS], ids=lambda build: repr(build()))
def test_an_exported_estimator_is_served(build: Callable[[], Any]) -> None:
    step = build()
    is_classifier = hasattr(step, "predict")
    estimator = step if is_classifier else make_pipeline(step, LogisticRegression())
    estimator.fit(ROWS, LABELS)
    options: dict[str, Any] = {"zipmap": False}
    if isinstance(step, KNeighborsClassifier):
        options["optim"] = "cdist"
    with _plain_attributes():
        model = to_onnx(estimator, ROWS[:1], options={id(estimator): options}, target_opset=OPSET)
    check_structure("churn-model-v1.0.0", model.SerializeToString())
