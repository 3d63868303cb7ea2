"""The list of pipelines that are imported, each on the data sets that it is for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
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
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.integration.imports import samples

SEED = 3


@dataclass(frozen=True)
class Case:
    """fits: whether the import has to reproduce it; otherwise refusing it is as good."""

    name: str
    build: Callable[[], Any]
    data: Callable[[], pandas.DataFrame]
    fits: bool = True
    as_array: bool = False


def columns(
    numbers: Any = None, categories: Any = None, *, more: tuple[Any, ...] = ()
) -> ColumnTransformer:
    """Return transformers of the mixed data, by default the usual ones."""
    if numbers is None:
        numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    if categories is None:
        categories = make_pipeline(
            SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
        )
    return ColumnTransformer(
        [
            ("numbers", numbers, samples.NUMBERS),
            ("categories", categories, samples.CATEGORIES),
            ("flag", "passthrough", ["employed"]),
            *more,
        ]
    )


def with_columns(estimator: Any, **given: Any) -> Callable[[], Any]:
    return partial(_with, estimator, **given)


def scaled(estimator: Any) -> Callable[[], Any]:
    return lambda: make_pipeline(StandardScaler(), estimator)


def _classifiers() -> dict[str, Any]:
    return {
        "LogisticRegression": LogisticRegression(max_iter=500),
        "LogisticRegressionCV": LogisticRegressionCV(
            Cs=3, cv=3, max_iter=500, use_legacy_attributes=False
        ),
        "SGDClassifier(log_loss)": SGDClassifier(loss="log_loss", random_state=SEED),
        "SGDClassifier(modified_huber)": SGDClassifier(loss="modified_huber", random_state=SEED),
        "RidgeClassifier": RidgeClassifier(),
        "LinearSVC": LinearSVC(random_state=SEED),
        "SVC": SVC(),
        "SVC(linear)": SVC(kernel="linear", C=0.1),
        "SVC(poly)": SVC(kernel="poly", degree=3),
        "SVC(sigmoid)": SVC(kernel="sigmoid"),
        "NuSVC": NuSVC(nu=0.3),
        "KNeighborsClassifier": KNeighborsClassifier(7),
        "KNeighborsClassifier(distance)": KNeighborsClassifier(7, weights="distance"),
        "GaussianNB": GaussianNB(),
        "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis(),
        "QuadraticDiscriminantAnalysis": QuadraticDiscriminantAnalysis(reg_param=0.3),
        "DecisionTreeClassifier": DecisionTreeClassifier(max_depth=7, random_state=SEED),
        "RandomForestClassifier": RandomForestClassifier(30, random_state=SEED),
        "ExtraTreesClassifier": ExtraTreesClassifier(30, random_state=SEED),
        "GradientBoostingClassifier": GradientBoostingClassifier(
            n_estimators=20, random_state=SEED
        ),
        "HistGradientBoostingClassifier": HistGradientBoostingClassifier(max_iter=20),
        "AdaBoostClassifier": AdaBoostClassifier(n_estimators=15, random_state=SEED),
        "BaggingClassifier": BaggingClassifier(random_state=SEED),
        "BaggingClassifier(LogisticRegression)": BaggingClassifier(
            LogisticRegression(), 4, max_features=0.7, random_state=SEED
        ),
        "BaggingClassifier(LinearSVC)": BaggingClassifier(LinearSVC(), 4, random_state=SEED),
        "MLPClassifier": MLPClassifier((12,), max_iter=60, random_state=SEED),
        "CalibratedClassifierCV(LinearSVC)": CalibratedClassifierCV(LinearSVC(), cv=3),
        "CalibratedClassifierCV(isotonic)": CalibratedClassifierCV(
            RandomForestClassifier(15, random_state=SEED), method="isotonic", cv=3
        ),
        "StackingClassifier": StackingClassifier(
            [("a", LogisticRegression()), ("b", RandomForestClassifier(10, random_state=SEED))],
            cv=3,
        ),
        "StackingClassifier(passthrough)": StackingClassifier(
            [("a", LinearSVC()), ("b", GaussianNB())], passthrough=True, cv=3
        ),
        "VotingClassifier(soft)": VotingClassifier(
            [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=4))],
            voting="soft",
            weights=[2, 1],
        ),
        "GridSearchCV": GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=3),
        "OneVsRestClassifier": OneVsRestClassifier(LogisticRegression()),
    }


def _regressors() -> dict[str, Any]:
    return {
        "LinearRegression": LinearRegression(),
        "Ridge": Ridge(),
        "Lasso": Lasso(),
        "ElasticNet": ElasticNet(),
        "BayesianRidge": BayesianRidge(),
        "HuberRegressor": HuberRegressor(max_iter=500),
        "PoissonRegressor": PoissonRegressor(max_iter=300),
        "GammaRegressor": GammaRegressor(max_iter=300),
        "LinearSVR": LinearSVR(),
        "SVR": SVR(),
        "KNeighborsRegressor": KNeighborsRegressor(weights="distance"),
        "DecisionTreeRegressor": DecisionTreeRegressor(max_depth=8, random_state=SEED),
        "RandomForestRegressor": RandomForestRegressor(25, random_state=SEED),
        "ExtraTreesRegressor": ExtraTreesRegressor(25, random_state=SEED),
        "GradientBoostingRegressor": GradientBoostingRegressor(n_estimators=40, random_state=SEED),
        "HistGradientBoostingRegressor": HistGradientBoostingRegressor(max_iter=20),
        "HistGradientBoostingRegressor(poisson)": HistGradientBoostingRegressor(
            loss="poisson", max_iter=20
        ),
        "AdaBoostRegressor": AdaBoostRegressor(n_estimators=12, random_state=SEED),
        "BaggingRegressor": BaggingRegressor(random_state=SEED),
        "MLPRegressor": MLPRegressor(hidden_layer_sizes=(12,), max_iter=80, random_state=SEED),
        "StackingRegressor": StackingRegressor(
            [("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=4))], cv=3
        ),
        "VotingRegressor": VotingRegressor([("a", Ridge()), ("b", Lasso())]),
        "TransformedTargetRegressor": TransformedTargetRegressor(
            Ridge(), func=np.log1p, inverse_func=np.expm1
        ),
    }


_ARBITRARY = ("KNeighbors",)
"""Which of several equally near rows counts is arbitrary, so these may be refused."""


def cases() -> Iterator[Case]:
    """Yield all cases."""
    for task, members in (
        ("binary", _classifiers()),
        ("multiclass", _classifiers()),
        ("regression", _regressors()),
    ):
        for name, estimator in members.items():
            may_refuse = name.startswith(_ARBITRARY)
            yield Case(
                f"{task}, mixed columns: {name}",
                with_columns(estimator),
                partial(samples.mixed, task),
                fits=not may_refuse,
            )
            if task == "multiclass":
                continue  # its numbers take the same way as those of a binary estimator
            yield Case(
                f"{task}, decimals: {name}",
                scaled(estimator),
                partial(samples.decimals, task),
                fits=not may_refuse,
            )
    yield from _whole_numbers()
    yield from _transformers()
    yield from _missing_values()
    yield from _structures()
    yield from _refusable()
    yield from _boosters()


def _whole_numbers() -> Iterator[Case]:
    trees = {
        "RandomForestClassifier": RandomForestClassifier(30, random_state=SEED),
        "GradientBoostingClassifier": GradientBoostingClassifier(n_estimators=30),
        "HistGradientBoostingClassifier": HistGradientBoostingClassifier(max_iter=30),
        "DecisionTreeClassifier": DecisionTreeClassifier(random_state=SEED),
        "ExtraTreesClassifier": ExtraTreesClassifier(20, random_state=SEED),
        "AdaBoostClassifier": AdaBoostClassifier(n_estimators=20),
    }
    scalers = {
        "nothing": FunctionTransformer(),
        "StandardScaler": StandardScaler(),
        "MinMaxScaler": MinMaxScaler(),
        "MaxAbsScaler": MaxAbsScaler(),
        "RobustScaler": RobustScaler(),
    }
    for data_name, data, tried in (
        ("whole", samples.whole, scalers),
        ("large", samples.large, {name: scalers[name] for name in ("nothing", "StandardScaler")}),
    ):
        for scaler_name, scaler in tried.items():
            for name, tree in trees.items():
                yield Case(
                    f"{data_name} numbers, {scaler_name}: {name}",
                    partial(make_pipeline, scaler, tree),
                    partial(data, "binary"),
                )


def _transformers() -> Iterator[Case]:
    impute = SimpleImputer(strategy="median")
    numbers: dict[str, Any] = {
        "SimpleImputer(mean), MinMaxScaler": make_pipeline(SimpleImputer(), MinMaxScaler()),
        "SimpleImputer(constant), MinMaxScaler(clip)": make_pipeline(
            SimpleImputer(strategy="constant", fill_value=-1), MinMaxScaler(clip=True)
        ),
        "SimpleImputer(indicator), StandardScaler": make_pipeline(
            SimpleImputer(add_indicator=True), StandardScaler()
        ),
        "StandardScaler, SimpleImputer": make_pipeline(StandardScaler(), SimpleImputer()),
        "RobustScaler": make_pipeline(impute, RobustScaler()),
        "MaxAbsScaler": make_pipeline(impute, MaxAbsScaler()),
        "PCA": make_pipeline(impute, StandardScaler(), PCA(2)),
        "PCA(whiten)": make_pipeline(impute, StandardScaler(), PCA(3, whiten=True)),
        "TruncatedSVD": make_pipeline(impute, StandardScaler(), TruncatedSVD(2)),
        "PolynomialFeatures": make_pipeline(impute, StandardScaler(), PolynomialFeatures(2)),
        "KBinsDiscretizer": make_pipeline(
            impute, KBinsDiscretizer(5, quantile_method="averaged_inverted_cdf")
        ),
        "KBinsDiscretizer(uniform, ordinal)": make_pipeline(
            impute, KBinsDiscretizer(6, encode="ordinal", strategy="uniform")
        ),
        "log1p": make_pipeline(impute, FunctionTransformer(np.log1p), StandardScaler()),
        "sqrt": make_pipeline(impute, FunctionTransformer(np.sqrt)),
        "PowerTransformer": make_pipeline(impute, PowerTransformer()),
        "Normalizer": make_pipeline(impute, Normalizer()),
        "Binarizer": make_pipeline(impute, Binarizer(threshold=3)),
        "SelectKBest": make_pipeline(impute, SelectKBest(k=2)),
        "VarianceThreshold": make_pipeline(impute, VarianceThreshold(), StandardScaler()),
        "FeatureUnion": make_pipeline(
            impute, FeatureUnion([("a", StandardScaler()), ("b", PCA(2))])
        ),
    }
    categories: dict[str, Any] = {
        "OneHotEncoder with missing values": OneHotEncoder(handle_unknown="ignore"),
        "OneHotEncoder(infrequent)": OneHotEncoder(
            min_frequency=0.05, handle_unknown="infrequent_if_exist"
        ),
        "OneHotEncoder(max_categories)": OneHotEncoder(max_categories=3, handle_unknown="ignore"),
        "OneHotEncoder(drop first)": OneHotEncoder(drop="first"),
        "OneHotEncoder(drop if binary, dense)": OneHotEncoder(
            drop="if_binary", sparse_output=False
        ),
        "OrdinalEncoder": OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        ),
        "SimpleImputer(constant), OrdinalEncoder": make_pipeline(
            SimpleImputer(strategy="constant", fill_value="?"),
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        ),
        "TargetEncoder": TargetEncoder(random_state=SEED),
        "TargetEncoder, StandardScaler": make_pipeline(
            TargetEncoder(random_state=SEED), StandardScaler()
        ),
        "OneHotEncoder, TruncatedSVD": make_pipeline(
            OneHotEncoder(handle_unknown="ignore"), TruncatedSVD(4, random_state=SEED)
        ),
    }
    finals = {
        "LogisticRegression": LogisticRegression(max_iter=500),
        "RandomForestClassifier": RandomForestClassifier(20, random_state=SEED),
        "HistGradientBoostingClassifier": HistGradientBoostingClassifier(max_iter=15),
    }
    # PCA and the like add in another order, which moves a last digit across a tree's threshold.
    adding = ("PCA", "TruncatedSVD", "FeatureUnion", "Normalizer")
    for final_name, final in finals.items():
        build = _dense if final_name == "HistGradientBoostingClassifier" else _with
        for name, step in numbers.items():
            yield Case(
                f"numbers, {name}: {final_name}",
                partial(build, final, numbers=step),
                lambda: samples.mixed("binary"),
                fits=final_name == "LogisticRegression" or not name.startswith(adding),
            )
        for name, step in categories.items():
            yield Case(
                f"categories, {name}: {final_name}",
                partial(build, final, categories=step),
                lambda: samples.mixed("binary"),
                fits=final_name == "LogisticRegression" or "SVD" not in name,
            )


def _with(final: Any, **given: Any) -> Pipeline:
    return Pipeline([("columns", columns(**given)), ("model", final)])


def _dense(final: Any, **given: Any) -> Pipeline:
    part = columns(**given)
    part.sparse_threshold = 0
    return Pipeline([("columns", part), ("model", final)])


def _missing_values() -> Iterator[Case]:
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    trees = {
        "DecisionTreeClassifier": DecisionTreeClassifier(max_depth=8, random_state=SEED),
        "RandomForestClassifier": RandomForestClassifier(20, random_state=SEED),
        "ExtraTreesClassifier": ExtraTreesClassifier(20, random_state=SEED),
        "BaggingClassifier": BaggingClassifier(random_state=SEED),
        "HistGradientBoostingClassifier": HistGradientBoostingClassifier(max_iter=20),
        "HistGradientBoostingClassifier(categorical)": HistGradientBoostingClassifier(
            max_iter=20, categorical_features=[4, 5, 6]
        ),
        "HistGradientBoostingRegressor": HistGradientBoostingRegressor(max_iter=20),
        "RandomForestRegressor": RandomForestRegressor(20, random_state=SEED),
    }
    for name, tree in trees.items():
        task = "regression" if name.endswith("Regressor") else "binary"
        yield Case(
            f"missing values: {name}",
            with_columns(tree, numbers="passthrough", categories=ordinal),
            partial(samples.mixed, task),
        )
    for name in ("HistGradientBoostingClassifier", "RandomForestClassifier"):
        yield Case(
            f"missing values, multi-class: {name}",
            with_columns(trees[name], numbers=StandardScaler(), categories=ordinal),
            lambda: samples.mixed("multiclass"),
        )
    yield Case(
        "missing values: MissingIndicator",
        with_columns(
            LogisticRegression(max_iter=500),
            more=(("missing", MissingIndicator(), ["income", "debt"]),),
        ),
        lambda: samples.mixed("binary"),
    )


def _structures() -> Iterator[Case]:
    logistic = LogisticRegression(max_iter=500)
    forest = RandomForestClassifier(15, random_state=SEED)
    whole_pipeline = Pipeline([("columns", columns()), ("model", logistic)])
    one_hot = OneHotEncoder(handle_unknown="ignore")
    built: dict[str, tuple[Callable[[], Any], str]] = {
        "search around a pipeline": (
            lambda: GridSearchCV(whole_pipeline, {"model__C": [0.1, 1.0]}, cv=3),
            "binary",
        ),
        "calibration around a pipeline": (
            lambda: CalibratedClassifierCV(whole_pipeline, cv=3),
            "binary",
        ),
        "stack of pipelines": (
            lambda: StackingClassifier(
                [("a", whole_pipeline), ("b", with_columns(forest)())], cv=3
            ),
            "multiclass",
        ),
        "vote of pipelines": (
            lambda: VotingClassifier(
                [("a", whole_pipeline), ("b", with_columns(forest)())], voting="soft"
            ),
            "binary",
        ),
        "scaler after the column transformer": (
            lambda: make_pipeline(columns(), StandardScaler(with_mean=False), logistic),
            "binary",
        ),
        "selection after the column transformer": (
            lambda: make_pipeline(columns(), SelectKBest(k=8), forest),
            "binary",
        ),
        "whole numbers as categories": (
            with_columns(logistic, more=(("grade", one_hot, ["grade"]),)),
            "binary",
        ),
        "flags as categories": (
            with_columns(logistic, more=(("flags", one_hot, ["employed", "grade"]),)),
            "binary",
        ),
        "a function on categories": (
            with_columns(
                logistic,
                more=(("words", FunctionTransformer(_length), ["housing"]),),
            ),
            "binary",
        ),
        "remainder passes through": (
            lambda: Pipeline(
                [
                    (
                        "columns",
                        ColumnTransformer(
                            [
                                ("c", one_hot, samples.CATEGORIES),
                                ("n", SimpleImputer(), ["income", "debt"]),
                            ],
                            remainder="passthrough",
                        ),
                    ),
                    ("model", forest),
                ]
            ),
            "multiclass",
        ),
        "columns by type": (
            lambda: Pipeline(
                [
                    (
                        "columns",
                        ColumnTransformer(
                            [
                                (
                                    "n",
                                    SimpleImputer(),
                                    make_column_selector(dtype_include="number"),
                                ),
                                (
                                    "c",
                                    one_hot,
                                    make_column_selector(dtype_exclude=["number", "bool"]),
                                ),
                            ]
                        ),
                    ),
                    ("model", logistic),
                ]
            ),
            "binary",
        ),
        "frames between steps": (
            lambda: Pipeline(
                [
                    (
                        "columns",
                        columns(
                            categories=OneHotEncoder(handle_unknown="ignore", sparse_output=False)
                        ),
                    ),
                    ("model", forest),
                ]
            ).set_output(transform="pandas"),
            "binary",
        ),
        "TargetEncoder of several classes": (
            with_columns(logistic, categories=TargetEncoder(random_state=SEED)),
            "multiclass",
        ),
        "Bernoulli on flags": (
            with_columns(
                BernoulliNB(), numbers=make_pipeline(SimpleImputer(), Binarizer(threshold=40))
            ),
            "binary",
        ),
        "MultinomialNB on counts": (
            with_columns(
                MultinomialNB(), numbers=make_pipeline(SimpleImputer(), MinMaxScaler(clip=True))
            ),
            "multiclass",
        ),
        "histogram trees with named categories": (
            lambda: HistGradientBoostingClassifier(
                max_iter=15, categorical_features=samples.CATEGORIES
            ),
            "multiclass",
        ),
        "imputer before the column transformer": (
            lambda: make_pipeline(
                SimpleImputer(strategy="most_frequent").set_output(transform="pandas"),
                ColumnTransformer(
                    [("c", one_hot, samples.CATEGORIES), ("n", StandardScaler(), ["age", "debt"])]
                ),
                logistic,
            ),
            "binary",
        ),
        "SVC with probabilities": (
            with_columns(SVC(probability=True, random_state=SEED)),
            "binary",
        ),
        "SVC with probabilities, three classes": (
            with_columns(SVC(probability=True, random_state=SEED)),
            "multiclass",
        ),
    }
    for name, (build, task) in built.items():
        yield Case(f"structure: {name}", build, partial(samples.mixed, task))
    for name, estimator in (("LogisticRegression", logistic), ("RandomForestClassifier", forest)):
        yield Case(
            f"structure: array of numbers, {name}",
            scaled(estimator),
            lambda: samples.decimals("binary"),
            as_array=True,
        )


def _length(texts: Any) -> Any:
    return np.array([[len(str(text)) for text in row] for row in np.asarray(texts)], dtype=float)


def _refusable() -> Iterator[Case]:
    logistic = LogisticRegression(max_iter=500)
    impute = SimpleImputer()
    steps: dict[str, Any] = {
        "QuantileTransformer": make_pipeline(impute, QuantileTransformer(n_quantiles=10)),
        "QuantileTransformer(normal)": make_pipeline(
            impute, QuantileTransformer(n_quantiles=10, output_distribution="normal")
        ),
        "SplineTransformer": make_pipeline(impute, SplineTransformer()),
        "KNNImputer": KNNImputer(),
        "a function on numbers": make_pipeline(impute, FunctionTransformer(_ratio)),
    }
    for name, step in steps.items():
        yield Case(
            f"may be refused: {name}",
            with_columns(logistic, numbers=step),
            lambda: samples.mixed("binary"),
            fits=False,
        )


def _ratio(numbers: Any) -> Any:
    array = np.asarray(numbers, dtype=float)
    return np.column_stack([array, array[:, 0] / (1 + array[:, 1])])


def _boosters() -> Iterator[Case]:
    """Yield cases of XGBoost and LightGBM, which are no requirement, where they are installed."""
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    few = {"n_estimators": 25, "n_jobs": 1}
    for package, prefix, more in (("xgboost", "XGB", {}), ("lightgbm", "LGBM", {"verbose": -1})):
        if find_spec(package) is None:
            continue
        library = import_module(package)
        for task in ("binary", "multiclass", "regression"):
            kind = "Regressor" if task == "regression" else "Classifier"
            estimator = getattr(library, f"{prefix}{kind}")(**few, **more)
            for name, build in {
                "dense": partial(_dense, estimator),
                "missing values": partial(
                    _dense, estimator, numbers="passthrough", categories=ordinal
                ),
            }.items():
                yield Case(
                    f"{package}, {task}, {name}", build, partial(_numbered, samples.mixed, task)
                )
            yield Case(
                f"{package}, {task}, large numbers",
                scaled(estimator),
                partial(_numbered, samples.large, task),
                # XGBoost adds in float32, whose last digits depend on the order.
                fits=(package, task) != ("xgboost", "regression"),
            )
    if find_spec("xgboost") is not None:
        library = import_module("xgboost")
        part = columns()
        part.sparse_threshold = 1
        yield Case(
            "xgboost, sparse matrix",
            lambda: Pipeline([("columns", part), ("model", library.XGBClassifier(**few))]),
            partial(_numbered, samples.mixed, "binary"),
            fits=False,
        )


def _numbered(data: Callable[[str], pandas.DataFrame], task: str) -> pandas.DataFrame:
    """Return data whose classes are numbers, which XGBoost asks for."""
    frame = data(task)
    if task != "regression":
        frame[samples.LABEL] = frame[samples.LABEL].astype("category").cat.codes
    return frame
