"""What fitted estimators compute from columns: probabilities, decision scores, values."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlops.importing import boosters
from mlops.importing.columns import Column, Number, Table
from mlops.importing.steps import NotConvertible, is_of, name_of, unwrap
from mlops.importing.transformers import Transformers
from mlops.importing.trees import AT_MOST, Tree, add_trees


class Estimators(Transformers):
    """Adds estimators to the graph.

    Each method returns a float64 tensor. Classes are in the order of the estimator's `classes_`.
    """

    def probabilities(self, estimator: Any, columns: Sequence[Column]) -> str:
        """Return what predict_proba does, shape (n, classes)."""
        estimator, columns = self._inside(estimator, columns)
        return self._convert(_PROBABILITIES, estimator, columns, "predict_proba")

    def decision(self, estimator: Any, columns: Sequence[Column]) -> str:
        """Return what decision_function does, shape (n, 1) for two classes, else (n, classes)."""
        estimator, columns = self._inside(estimator, columns)
        if name_of(estimator) not in _DECISIONS and hasattr(estimator, "coef_"):
            return self._convert(
                {name_of(estimator): _linear_decision}, estimator, columns, "decision_function"
            )
        return self._convert(_DECISIONS, estimator, columns, "decision_function")

    def value(self, estimator: Any, columns: Sequence[Column]) -> str:
        """Return what predict does for a regressor, shape (n, 1)."""
        estimator, columns = self._inside(estimator, columns)
        if name_of(estimator) in _LINEAR_REGRESSORS:
            return self._convert({name_of(estimator): _linear_value}, estimator, columns, "predict")
        return self._convert(_VALUES, estimator, columns, "predict")

    def votes(self, estimator: Any, columns: Sequence[Column]) -> str:
        """Return 1.0 for the class that predict names and else 0.0, shape (n, classes)."""
        if hasattr(estimator, "predict_proba"):
            scores = self.probabilities(estimator, columns)
        else:
            scores = self.decision(estimator, columns)
            if len(estimator.classes_) == 2:
                above = self.graph.truth(self.graph.add("Greater", scores, 0.0))
                return self.graph.concat([self.complement(above), above])
        best = self.graph.add("ArgMax", scores, axis=1, keepdims=1)
        places = np.arange(len(estimator.classes_))[None]
        return self.graph.truth(self.graph.add("Equal", best, places))

    def response(self, estimator: Any, columns: Sequence[Column], method: str) -> str:
        """Return one response, as meta-estimators ask for it: without the first of two classes."""
        if method == "predict_proba":
            found = self.probabilities(estimator, columns)
            return self.graph.gather(found, [1]) if len(estimator.classes_) == 2 else found
        if method == "decision_function":
            return self.decision(estimator, columns)
        return self.value(estimator, columns)

    def _inside(self, estimator: Any, columns: Sequence[Column]) -> tuple[Any, Sequence[Column]]:
        """Go through searches and pipelines to the last step."""
        while True:
            inner = unwrap(estimator)
            if name_of(inner) in ("FixedThresholdClassifier", "TunedThresholdClassifierCV"):
                inner = inner.estimator_
            if isinstance(inner, Pipeline):
                for _, step in inner.steps[:-1]:
                    columns = self.apply(step, columns)
                inner = inner.steps[-1][1]
            if inner is estimator:
                return estimator, columns
            estimator = inner

    def _convert(
        self,
        known: dict[str, "Convert"],
        estimator: Any,
        columns: Sequence[Column],
        method: str,
    ) -> str:
        name = name_of(estimator)
        module = type(estimator).__module__.partition(".")[0]
        if name != "MLPClassifier" and getattr(estimator, "n_outputs_", 1) != 1:
            raise NotConvertible(name, "it predicts several targets at once; fit one for each")
        if name in known and module in ("sklearn", "xgboost", "lightgbm"):
            return known[name](self, estimator, columns)
        if module != "sklearn":
            raise NotConvertible(name, f"estimators of {module} are not converted")
        tensor = self.matrix_of(estimator, columns)
        if method == "decision_function":
            raise NotConvertible(name, "its decision scores are not converted")
        from mlops.importing.foreign import convert_foreign

        return convert_foreign(estimator, len(columns), self.graph, tensor)[0]

    def matrix_of(self, estimator: Any, columns: Sequence[Column]) -> str:
        """Return the columns as numbers. Raise NotConvertible."""
        return self._numbers(estimator, columns)

    def complement(self, tensor: str) -> str:
        return self.graph.add("Sub", 1.0, tensor)

    def logistic(self, score: str) -> str:
        """Return the probabilities of two classes."""
        positive = self.sigmoid(score)
        return self.graph.concat([self.complement(positive), positive])

    def sigmoid(self, score: str) -> str:
        """Return 1 / (1 + exp(-score)). ONNX Runtime's own is cut off where it is small."""
        powers = self.graph.add("Exp", self.graph.add("Neg", score))
        return self.graph.add("Div", 1.0, self.graph.add("Add", powers, 1.0))

    def softmax(self, scores: str) -> str:
        return self.graph.add("Softmax", scores, axis=1)

    def shares(self, numbers: str, *, uniform: int = 0) -> str:
        """Divide each row by its sum; uniform: the number of classes to share where it is 0."""
        graph = self.graph
        total = graph.total(numbers)
        nothing = graph.add("Equal", total, 0.0)
        found = graph.add("Div", numbers, graph.add("Where", nothing, 1.0, total))
        return graph.add("Where", nothing, 1.0 / uniform, found) if uniform else found

    def linear(self, tensor: str, weights: NDArray[Any], intercept: Any) -> str:
        """weights: shape (outputs, features)."""
        product = self.graph.add("MatMul", tensor, np.asarray(weights, dtype=np.float64).T.copy())
        return self.graph.add(
            "Add", product, np.asarray(intercept, dtype=np.float64).reshape(1, -1)
        )

    def mean(self, tensors: Sequence[str], weights: Sequence[float] | None = None) -> str:
        shares = np.full(len(tensors), 1.0) if weights is None else np.asarray(weights, np.float64)
        parts = [
            tensor if share == 1 else self.graph.add("Mul", tensor, float(share))
            for tensor, share in zip(tensors, shares, strict=True)
        ]
        return self.graph.add("Div", self.graph.add("Sum", *parts), float(shares.sum()))

    def narrow(self, tensor: str) -> str:
        """Round to float32 as scikit-learn's trees do, and return float64 again."""
        return self.graph.cast(self.graph.cast(tensor, np.float32), np.float64)

    def trees(
        self, tensor: str, trees: Sequence[Tree], mode: str = AT_MOST, places: Sequence[int] = ()
    ) -> str:
        """Add trees, and remember where they decide."""
        features = np.concatenate([tree.feature[~tree.is_leaf] for tree in trees])
        thresholds = np.concatenate([tree.threshold[~tree.is_leaf] for tree in trees])
        for feature in np.unique(features).tolist():
            self.cuts.append((Number(tensor, feature), np.unique(thresholds[features == feature])))
        return add_trees(self.graph, tensor, trees, mode)


Convert = Callable[[Estimators, Any, Sequence[Column]], str]


def _dense(values: Any) -> NDArray[np.float64]:
    """Return an array that an estimator keeps, which is sparse if it was fitted on a sparse one."""
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, dtype=np.float64)


# --- linear ------------------------------------------------------------------------------------


def _linear_decision(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    coef = np.atleast_2d(_dense(model.coef_))
    return c.linear(c.matrix_of(model, columns), coef, model.intercept_)


def _linear_value(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    coef = np.atleast_2d(_dense(model.coef_))
    if coef.shape[0] != 1:
        raise NotConvertible(name_of(model), "it predicts several targets at once")
    return c.linear(c.matrix_of(model, columns), coef, model.intercept_)


def _exponential_value(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    link = type(model._base_loss.link).__name__
    found = _linear_value(c, model, columns)
    if link == "LogLink":
        return c.graph.add("Exp", found)
    if link == "IdentityLink":
        return found
    raise NotConvertible(name_of(model), f"its link {link} is not converted")


def _logistic_regression(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    scores = _linear_decision(c, model, columns)
    return c.logistic(scores) if len(model.classes_) == 2 else c.softmax(scores)


def _one_against_rest(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    scores = _linear_decision(c, model, columns)
    if len(model.classes_) == 2:
        return c.logistic(scores)
    return c.shares(c.sigmoid(scores), uniform=len(model.classes_))


def _sgd(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    if model.loss == "log_loss":
        return _one_against_rest(c, model, columns)
    scores = _linear_decision(c, model, columns)
    clipped = c.graph.add("Min", c.graph.add("Max", scores, -1.0), 1.0)
    found = c.graph.add("Div", c.graph.add("Add", clipped, 1.0), 2.0)
    if len(model.classes_) == 2:
        return c.graph.concat([c.complement(found), found])
    return c.shares(found, uniform=len(model.classes_))


def _perceptron_layers(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    tensor = c.matrix_of(model, columns)
    operators = {"relu": "Relu", "tanh": "Tanh", "identity": "Identity"}
    layers = [*zip(model.coefs_, model.intercepts_, strict=True)]
    for number, (weights, intercept) in enumerate(layers, start=1):
        tensor = c.linear(tensor, weights.T, intercept)
        if number < len(layers):
            tensor = (
                c.sigmoid(tensor)
                if model.activation == "logistic"
                else c.graph.add(operators[model.activation], tensor)
            )
    return tensor


def _mlp_classifier(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    found = _perceptron_layers(c, model, columns)
    return c.softmax(found) if model.out_activation_ == "softmax" else c.logistic(found)


# --- naive Bayes, discriminants, neighbours ------------------------------------------------------


def _gaussian_naive_bayes(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    tensor = c.matrix_of(model, columns)
    scores = []
    for prior, mean, variance in zip(model.class_prior_, model.theta_, model.var_, strict=True):
        distance = c.graph.add("Sub", tensor, mean[None])
        square = c.graph.add("Div", c.graph.add("Mul", distance, distance), variance[None])
        constant = np.log(prior) - 0.5 * np.sum(np.log(2.0 * np.pi * variance))
        half = c.graph.add("Mul", c.graph.total(square), -0.5)
        scores.append(c.graph.add("Add", half, float(constant)))
    return c.softmax(c.graph.concat(scores))


def _multinomial_naive_bayes(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    tensor = c.matrix_of(model, columns)
    return c.softmax(c.linear(tensor, model.feature_log_prob_, model.class_log_prior_))


def _complement_naive_bayes(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    tensor = c.matrix_of(model, columns)
    return c.softmax(c.linear(tensor, model.feature_log_prob_, np.zeros(len(model.classes_))))


def _bernoulli_naive_bayes(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    tensor = c.matrix_of(model, columns)
    if model.binarize is not None:
        tensor = c.graph.truth(c.graph.add("Greater", tensor, float(model.binarize)))
    negative = np.log(1 - np.exp(model.feature_log_prob_))
    return c.softmax(
        c.linear(
            tensor,
            model.feature_log_prob_ - negative,
            model.class_log_prior_ + negative.sum(axis=1),
        )
    )


def _linear_discriminant(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    return _logistic_regression(c, model, columns)


def _quadratic_discriminant(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    tensor = c.matrix_of(model, columns)
    scores = []
    for mean, rotation, scaling, prior in zip(
        model.means_, model.rotations_, model.scalings_, model.priors_, strict=True
    ):
        centred = c.graph.add("Sub", tensor, mean[None])
        turned = c.graph.add("MatMul", centred, rotation * scaling**-0.5)
        norm = c.graph.total(c.graph.add("Mul", turned, turned))
        constant = np.log(prior) - 0.5 * np.sum(np.log(scaling))
        scores.append(c.graph.add("Add", c.graph.add("Mul", norm, -0.5), float(constant)))
    return c.softmax(c.graph.concat(scores))


def _neighbours(c: Estimators, model: Any, columns: Sequence[Column], targets: Any) -> str:
    """Return the weighted mean of the targets, shape (training rows, k), of the nearest rows."""
    metric = {"minkowski": model.p, "euclidean": 2}.get(str(model.effective_metric_))
    if metric != 2 or model.metric_params:
        raise NotConvertible(name_of(model), "only Euclidean distances are converted")
    if model.weights not in ("uniform", "distance"):
        raise NotConvertible(name_of(model), "its weights are Python code")
    graph = c.graph
    rows = _dense(model._fit_X)
    squares = graph.add(
        "CDist", c.matrix_of(model, columns), rows, domain="com.microsoft", metric="sqeuclidean"
    )
    nearest = np.array([model.n_neighbors], np.int64)
    near, places = graph.add_several("TopK", 2, squares, nearest, axis=1, largest=0, sorted=1)
    found = graph.gather_rows(np.asarray(targets, dtype=np.float64), places)
    if model.weights == "uniform":
        return graph.add("ReduceMean", found, np.array([1], np.int64), keepdims=0)
    # A row of the training data itself decides alone.
    size = graph.total(graph.add("Mul", c.matrix_of(model, columns), c.matrix_of(model, columns)))
    close = graph.add("LessOrEqual", near, graph.add("Mul", graph.add("Add", size, 1.0), 1e-14))
    any_close = graph.add("ReduceMax", graph.truth(close), np.array([1], np.int64), keepdims=1)
    distance = graph.add("Sqrt", graph.add("Max", near, 1e-300))
    inverse = graph.add("Div", 1.0, distance)
    alone = graph.add("Greater", any_close, 0.5)
    weights = c.shares(graph.add("Where", alone, graph.truth(close), inverse))
    weighted = graph.add("Mul", found, graph.reshape(weights, -1, model.n_neighbors, 1))
    return graph.total(weighted, axis=1, keep=False)


def _neighbours_classifier(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    return _neighbours(c, model, columns, np.eye(len(model.classes_))[np.ravel(model._y)])


def _neighbours_regressor(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    return _neighbours(c, model, columns, np.asarray(model._y).reshape(len(model._y), -1))


# --- support vectors ----------------------------------------------------------------------------


def _kernel(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    """Return the kernel between rows and support vectors, shape (n, vectors)."""
    graph = c.graph
    tensor, vectors = c.matrix_of(model, columns), _dense(model.support_vectors_)
    if model.kernel == "rbf":
        # Centred first: squares of large numbers would lose the digits of their difference.
        centre = vectors.mean(axis=0, keepdims=True)
        moved, near = graph.add("Sub", tensor, centre), vectors - centre
        square = graph.total(graph.add("Mul", moved, moved))
        product = graph.add("Mul", graph.add("MatMul", moved, near.T.copy()), -2.0)
        distance = graph.add("Add", graph.add("Add", product, square), (near**2).sum(axis=1)[None])
        return graph.add("Exp", graph.add("Mul", distance, -float(model._gamma)))
    product = graph.add("MatMul", tensor, vectors.T.copy())
    if model.kernel == "linear":
        return product
    if model.kernel not in ("poly", "sigmoid"):
        raise NotConvertible(name_of(model), f"its kernel {model.kernel!r} is not converted")
    inner = graph.add("Add", graph.add("Mul", product, float(model._gamma)), float(model.coef0))
    if model.kernel == "sigmoid":
        return graph.add("Tanh", inner)
    found = inner
    for _ in range(int(model.degree) - 1):
        found = graph.add("Mul", found, inner)
    return found


def _pairwise_decision(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    """Return libsvm's decision for each pair of classes, positive for the first."""
    kernel = _kernel(c, model, columns)
    dual, counts = _dense(model._dual_coef_), model.n_support_
    starts = np.cumsum([0, *counts])
    pairs = []
    for i in range(len(counts)):
        for j in range(i + 1, len(counts)):
            weights = np.zeros(starts[-1])
            weights[starts[i] : starts[i + 1]] = dual[j - 1, starts[i] : starts[i + 1]]
            weights[starts[j] : starts[j + 1]] = dual[i, starts[j] : starts[j + 1]]
            pairs.append(weights)
    return c.linear(kernel, np.stack(pairs), model._intercept_)


def _svc_decision(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    graph = c.graph
    pairs = _pairwise_decision(c, model, columns)
    if len(model.classes_) == 2:
        # libsvm's sign, which scikit-learn turns round for two classes.
        return graph.add("Neg", pairs)
    if model.decision_function_shape != "ovr":
        raise NotConvertible(name_of(model), "decision_function_shape has to be 'ovr'")
    first, confidence = _incidence(len(model.classes_))
    wins = graph.truth(graph.add("GreaterOrEqual", pairs, 0.0))
    votes = graph.add(
        "Add",
        graph.add("MatMul", wins, first),
        graph.add("MatMul", c.complement(wins), np.maximum(-confidence, 0)),
    )
    total = graph.add("MatMul", pairs, confidence)
    scaled = graph.add("Mul", graph.add("Add", graph.add("Abs", total), 1.0), 3.0)
    return graph.add("Add", votes, graph.add("Div", total, scaled))


def _incidence(classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return which class each pair has first; and the same with -1 for the second."""
    pairs = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
    signed = np.zeros((len(pairs), classes))
    for row, (i, j) in enumerate(pairs):
        signed[row, i], signed[row, j] = 1, -1
    return np.maximum(signed, 0), signed


def _svc(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    """Return libsvm's probabilities, which it couples from those of each pair of classes."""
    graph, classes = c.graph, len(model.classes_)
    score = graph.add("Mul", _pairwise_decision(c, model, columns), model.probA_[None])
    first = c.sigmoid(graph.add("Neg", graph.add("Add", score, model.probB_[None])))
    first = graph.add("Min", graph.add("Max", first, 1e-7), 1 - 1e-7)
    wins, signed = _incidence(classes)
    ahead, behind = (np.zeros((len(wins), classes, classes)) for _ in range(2))
    for row in range(len(wins)):
        i, j = signed[row].argmax(), signed[row].argmin()
        ahead[row, i, j], behind[row, j, i] = 1, 1
    pairs = graph.add(
        "Add",
        graph.add("MatMul", first, ahead.reshape(len(wins), -1)),
        graph.add("MatMul", c.complement(first), behind.reshape(len(wins), -1)),
    )
    return _coupled(c, graph.reshape(pairs, -1, classes, classes), classes)


_COUPLING_STEPS = 8
"""libsvm goes on until it is close enough: after 6 steps at most in 240,000 random cases."""


def _coupled(c: Estimators, pairs: str, classes: int) -> str:
    """Solve for probabilities as libsvm's multiclass_probability does, step by step.

    pairs: probability of the first of each two classes, shape (n, classes, classes).
    """
    graph, eye = c.graph, np.eye(classes)
    turned = graph.add("Transpose", pairs, perm=[0, 2, 1])
    diagonal = graph.total(graph.add("Mul", pairs, pairs), axis=1, keep=False)
    quadratic = graph.add(
        "Sub",
        graph.add("Mul", graph.reshape(diagonal, -1, classes, 1), eye[None]),
        graph.add("Mul", pairs, turned),
    )
    rows = [graph.gather(quadratic, place) for place in range(classes)]
    found = graph.add("Add", graph.add("Mul", diagonal, 0.0), 1 / classes)
    active = None
    for _ in range(_COUPLING_STEPS):
        product = graph.add("MatMul", quadratic, graph.reshape(found, -1, classes, 1))
        product = graph.reshape(product, -1, classes)
        total = graph.total(graph.add("Mul", found, product))
        error = graph.add("Abs", graph.add("Sub", product, total))
        worst = graph.add("ReduceMax", error, np.array([1], np.int64), keepdims=1)
        goes_on = graph.add("GreaterOrEqual", worst, 0.005 / classes)
        active = goes_on if active is None else graph.add("And", active, goes_on)
        tried = found
        for place, row in enumerate(rows):
            here = graph.gather(row, [place])
            change = graph.add("Div", graph.add("Sub", total, graph.gather(product, [place])), here)
            scale = graph.add("Add", change, 1.0)
            slope = graph.add(
                "Add",
                graph.add("Mul", change, here),
                graph.add("Mul", graph.gather(product, [place]), 2.0),
            )
            moved = graph.add("Add", total, graph.add("Mul", change, slope))
            total = graph.add("Div", graph.add("Div", moved, scale), scale)
            product = graph.add(
                "Div", graph.add("Add", product, graph.add("Mul", change, row)), scale
            )
            step = graph.add("Mul", change, eye[place][None])
            tried = graph.add("Div", graph.add("Add", tried, step), scale)
        found = graph.add("Where", active, tried, found)
    return found


def _svr(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    kernel = _kernel(c, model, columns)
    return c.linear(kernel, np.atleast_2d(_dense(model._dual_coef_)), model._intercept_)


# --- trees -------------------------------------------------------------------------------------


def _tree(model: Any, values: NDArray[np.float64], features: Any = None) -> Tree:
    """values: what each node adds, shape (nodes, targets)."""
    tree = model.tree_
    feature = tree.feature.astype(np.int64)
    if features is not None:
        feature = np.where(feature >= 0, np.asarray(features)[np.maximum(feature, 0)], feature)
    missing = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count))
    return Tree(
        feature,
        tree.threshold.astype(np.float64),
        tree.children_left.astype(np.int64),
        tree.children_right.astype(np.int64),
        np.asarray(missing).astype(bool),
        values,
    )


def _members(model: Any) -> list[Any]:
    return [model] if hasattr(model, "tree_") else [*model.estimators_]


def _forest(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    members = _members(model)
    trees = [_tree(tree, tree.tree_.value[:, 0, :]) for tree in members]
    total = c.trees(c.narrow(c.matrix_of(model, columns)), trees)
    return c.graph.add("Div", total, float(len(members)))


def _gradient_boosting(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    """Return the raw predictions."""
    targets = model.estimators_.shape[1]
    trees = []
    for stage in model.estimators_:
        for target, tree in enumerate(stage):
            values = np.zeros((tree.tree_.node_count, targets))
            values[:, target] = model.learning_rate * tree.tree_.value[:, 0, 0]
            trees.append(_tree(tree, values))
    tensor = c.matrix_of(model, columns)
    found = c.trees(c.narrow(tensor), trees)
    if isinstance(model.init_, str):
        return found
    if not type(model.init_).__name__.startswith("Dummy"):
        raise NotConvertible(name_of(model), "its init is an estimator; fit it without init")
    start = model._raw_predict_init(np.zeros((1, len(columns)), dtype=np.float32))
    return c.graph.add("Add", found, start)


def _gradient_boosting_classifier(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    raw = _gradient_boosting(c, model, columns)
    if len(model.classes_) > 2:
        return c.softmax(raw)
    return c.logistic(c.graph.add("Mul", raw, 2.0) if model.loss == "exponential" else raw)


def _histogram_boosting(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    """Return the raw predictions. A split by categories asks a table of its own."""
    if model._preprocessor is not None:
        columns = c.apply(model._preprocessor, columns)
    inputs = [*columns]
    splits: dict[tuple[int, bytes, bool], int] = {}
    trees = []
    targets = len(model._predictors[0])
    for iteration in model._predictors:
        for target, predictor in enumerate(iteration):
            nodes = predictor.nodes
            feature = nodes["feature_idx"].astype(np.int64)
            threshold = nodes["num_threshold"].astype(np.float64)
            rounded = np.array([c.is_rounded(column) for column in columns])[feature]
            # Values of the training data lie on thresholds, and have to stay on their side.
            threshold = np.where(
                rounded, threshold + _ROUNDING * (1 + np.abs(threshold)), threshold
            )
            missing = nodes["missing_go_to_left"].astype(bool)
            leaf = nodes["is_leaf"].astype(bool)
            for place in np.flatnonzero((nodes["is_categorical"] == 1) & ~leaf).tolist():
                bits = predictor.raw_left_cat_bitsets[nodes[place]["bitset_idx"]]
                key = int(feature[place]), bits.tobytes(), bool(missing[place])
                if key not in splits:
                    splits[key] = len(inputs)
                    inputs.append(_category_split(model, columns[key[0]], key[0], bits, key[2]))
                feature[place], threshold[place] = splits[key], 0.5
            values = np.zeros((len(nodes), targets))
            values[:, target] = nodes["value"]
            trees.append(
                Tree(
                    feature,
                    threshold,
                    np.where(leaf, -1, nodes["left"].astype(np.int64)),
                    np.where(leaf, -1, nodes["right"].astype(np.int64)),
                    missing,
                    values,
                )
            )
    found = c.trees(c.matrix_of(model, inputs), trees)
    return c.graph.add("Add", found, np.asarray(model._baseline_prediction).reshape(1, -1))


_ROUNDING = 1e-12
"""More than the last digits of a computed number, as a share of it."""


def _category_split(
    model: Any, column: Column, place: int, bits: NDArray[np.uint32], missing_left: bool
) -> Column:
    """Return 0 where a category goes left, and 1 where it goes right."""
    if not isinstance(column, Table):
        raise NotConvertible(name_of(model), "a category of it is computed from numbers")
    known = model._bin_mapper.make_known_categories_bitsets()
    bitsets, places = known
    right = []
    for value in column.values.astype(np.float64):
        if np.isnan(value) or value < 0 or not _in_bits(bitsets[places[place]], int(value)):
            right.append(not missing_left)
        else:
            right.append(not _in_bits(bits, int(value)))
    return Table(column.field, np.array(right, dtype=np.float64))


def _in_bits(bits: NDArray[np.uint32], value: int) -> bool:
    return value // 32 < len(bits) and bool((int(bits[value // 32]) >> (value % 32)) & 1)


def _histogram_boosting_classifier(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    raw = _histogram_boosting(c, model, columns)
    return c.logistic(raw) if len(model.classes_) == 2 else c.softmax(raw)


def _histogram_boosting_regressor(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    raw = _histogram_boosting(c, model, columns)
    link = type(model._loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise NotConvertible(name_of(model), f"its link {link} is not converted")
    return c.graph.add("Exp", raw) if link == "LogLink" else raw


def _adaboost_decision(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    classes = len(model.classes_)
    votes = _weighted_votes(c, model, columns)
    total = float(np.sum(model.estimator_weights_))
    # Each vote is w for its class, and -w / (classes - 1) for the others.
    share = 1 / (classes - 1)
    scaled = c.graph.add("Mul", votes, (1 + share) / total)
    scores = c.graph.add("Sub", scaled, share)
    if classes > 2:
        return scores
    return c.graph.add("Sub", c.graph.gather(scores, [1]), c.graph.gather(scores, [0]))


def _weighted_votes(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    """Return the sum of the weights of the estimators that vote for each class."""
    weights = model.estimator_weights_[: len(model.estimators_)]
    places = [np.searchsorted(model.classes_, tree.classes_) for tree in model.estimators_]
    eye = np.eye(len(model.classes_))
    if all(is_of(tree, "DecisionTreeClassifier") for tree in model.estimators_):
        trees = [
            _tree(tree, weight * eye[place[tree.tree_.value[:, 0, :].argmax(axis=1)]])
            for tree, weight, place in zip(model.estimators_, weights, places, strict=True)
        ]
        return c.trees(c.narrow(c.matrix_of(model, columns)), trees)
    parts = [
        c.graph.add("MatMul", c.votes(member, columns), weight * eye[place])
        for member, weight, place in zip(model.estimators_, weights, places, strict=True)
    ]
    return c.graph.add("Sum", *parts)


def _adaboost_classifier(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    scores = _adaboost_decision(c, model, columns)
    if len(model.classes_) == 2:
        return c.logistic(scores)
    return c.softmax(c.graph.add("Div", scores, float(len(model.classes_) - 1)))


def _adaboost_regressor(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    """Return the weighted median of the members."""
    graph = c.graph
    members = graph.concat([c.value(member, columns) for member in model.estimators_])
    count = len(model.estimators_)
    weights = np.asarray(model.estimator_weights_[:count], dtype=np.float64)
    ordered, places = graph.add_several(
        "TopK", 2, members, np.array([count], np.int64), axis=1, largest=0, sorted=1
    )
    summed = graph.add("CumSum", graph.gather_rows(weights, places), np.array(1, np.int64))
    half = graph.add("Mul", graph.gather(summed, [count - 1]), 0.5)
    reached = graph.cast(graph.add("GreaterOrEqual", summed, half), np.int32)
    first = graph.add("ArgMax", reached, axis=1, keepdims=1)
    return graph.add("GatherElements", ordered, first, axis=1)


# --- estimators of estimators --------------------------------------------------------------------


def _bagging_classifier(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    if all(is_of(tree, "DecisionTreeClassifier") for tree in model.estimators_):
        eye = np.eye(len(model.classes_))
        trees = [
            _tree(tree, tree.tree_.value[:, 0, :] @ eye[tree.classes_.astype(int)], features)
            for tree, features in zip(model.estimators_, model.estimators_features_, strict=True)
        ]
        total = c.trees(c.narrow(c.matrix_of(model, columns)), trees)
        return c.graph.add("Div", total, float(len(trees)))
    parts = []
    for member, features in zip(model.estimators_, model.estimators_features_, strict=True):
        inputs = [columns[place] for place in features]
        found = (
            c.probabilities(member, inputs)
            if hasattr(member, "predict_proba")
            else c.votes(member, inputs)
        )
        if len(member.classes_) < len(model.classes_):
            eye = np.eye(len(model.classes_))
            found = c.graph.add("MatMul", found, eye[member.classes_.astype(int)])
        parts.append(found)
    return c.mean(parts)


def _bagging_regressor(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    members = zip(model.estimators_, model.estimators_features_, strict=True)
    if all(is_of(tree, "DecisionTreeRegressor") for tree in model.estimators_):
        trees = [_tree(tree, tree.tree_.value[:, 0, :], features) for tree, features in members]
        total = c.trees(c.narrow(c.matrix_of(model, columns)), trees)
        return c.graph.add("Div", total, float(len(trees)))
    return c.mean(
        [c.value(member, [columns[place] for place in features]) for member, features in members]
    )


def _voting_classifier(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    parts = [c.probabilities(member, columns) for member in model.estimators_]
    return c.mean(parts, model._weights_not_none)


def _voting_regressor(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    parts = [c.value(member, columns) for member in model.estimators_]
    return c.mean(parts, model._weights_not_none)


def _stacked(c: Estimators, model: Any, columns: Sequence[Column]) -> list[Column]:
    made: list[Column] = []
    for member, method in zip(model.estimators_, model.stack_method_, strict=True):
        if method == "predict" and hasattr(member, "classes_"):
            raise NotConvertible(name_of(model), "it stacks labels; use stack_method='auto'")
        tensor = c.response(member, columns, method)
        classes = len(getattr(member, "classes_", ()))
        made += c.matrices.numbers(tensor, classes if classes > 2 else 1)
    return [*made, *columns] if model.passthrough else made


def _stacking_classifier(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    return c.probabilities(model.final_estimator_, _stacked(c, model, columns))


def _stacking_decision(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    return c.decision(model.final_estimator_, _stacked(c, model, columns))


def _stacking_regressor(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    return c.value(model.final_estimator_, _stacked(c, model, columns))


def _calibrated(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    return c.mean([_calibrated_fold(c, fold, columns) for fold in model.calibrated_classifiers_])


def _calibrated_fold(c: Estimators, fold: Any, columns: Sequence[Column]) -> str:
    graph, classes = c.graph, len(fold.classes)
    if fold.method not in ("sigmoid", "isotonic"):
        raise NotConvertible("CalibratedClassifierCV", f"method {fold.method!r} is not converted")
    if len(fold.estimator.classes_) != classes:
        raise NotConvertible("CalibratedClassifierCV", "one fold has not seen all classes")
    inner = unwrap(fold.estimator)
    method = "decision_function" if hasattr(inner, "decision_function") else "predict_proba"
    scores = c.response(fold.estimator, columns, method)
    found = []
    for place, calibrator in enumerate(fold.calibrators):
        score = graph.gather(scores, [place])
        if fold.method == "sigmoid":
            moved = graph.add(
                "Add", graph.add("Mul", score, float(calibrator.a_)), float(calibrator.b_)
            )
            found.append(c.sigmoid(graph.add("Neg", moved)))
        else:
            found.append(_interpolate(c, score, calibrator))
    if classes == 2:
        return graph.concat([c.complement(found[0]), found[0]])
    return c.shares(graph.concat(found), uniform=classes)


def _interpolate(c: Estimators, score: str, calibrator: Any) -> str:
    """Return an isotonic regression: a sum of ramps, one between each two of its points."""
    points = np.asarray(calibrator.X_thresholds_, dtype=np.float64)
    values = np.asarray(calibrator.y_thresholds_, dtype=np.float64)
    if len(points) == 1:
        return c.graph.add("Add", c.graph.add("Mul", score, 0.0), float(values[0]))
    widths = np.diff(points)
    c.cuts.append((Number(score, 0), points))
    beyond = c.graph.add("Sub", score, points[:-1][None])
    ramps = c.graph.add("Min", c.graph.add("Max", beyond, 0.0), widths[None])
    slopes = (np.diff(values) / widths)[:, None]
    return c.graph.add("Add", c.graph.add("MatMul", ramps, slopes), float(values[0]))


def _one_vs_rest(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    found = c.graph.concat(
        [c.graph.gather(c.probabilities(member, columns), [1]) for member in model.estimators_]
    )
    if len(model.estimators_) == 1:
        return c.graph.concat([c.complement(found), found])
    return c.shares(found)


def _one_vs_rest_decision(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    return c.graph.concat([c.decision(member, columns) for member in model.estimators_])


def _transformed_target(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    found = c.value(model.regressor_, columns)
    step = model.transformer_
    if is_of(step, "FunctionTransformer"):
        if step.inverse_func is None:
            return found
        from sklearn.preprocessing import FunctionTransformer

        (column,) = c.apply(FunctionTransformer(step.inverse_func), c.matrices.numbers(found, 1))
        return c.matrix_of(model, [column])
    if is_of(step, "StandardScaler") or is_of(step, "MinMaxScaler") or is_of(step, "RobustScaler"):
        zero, one = step.inverse_transform(np.array([[0.0], [1.0]])).ravel()
        return c.graph.add("Add", c.graph.add("Mul", found, float(one - zero)), float(zero))
    raise NotConvertible(name_of(model), f"the transformer {name_of(step)} is not converted")


def _ransac(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    return c.value(model.estimator_, columns)


def _dummy_classifier(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    zero = c.graph.add(
        "Mul", c.graph.truth(c.graph.add("IsNaN", c.graph.gather(c.matrices.raw, [0]))), 0.0
    )
    return c.graph.add("Add", zero, np.asarray(model.class_prior_, dtype=np.float64)[None])


# --- XGBoost and LightGBM -------------------------------------------------------------------------


def _xgboost(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    found = boosters.read_xgboost(model)
    tensor = c.narrow(c.matrix_of(model, columns))
    raw = c.trees(boosters.mark_missing(c.graph, tensor, found), found.trees, found.mode)
    return c.graph.add("Add", raw, found.base[None]) if found.base.any() else raw


def _lightgbm(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
    found = boosters.read_lightgbm(model)
    raw = c.trees(c.matrix_of(model, columns), found.trees, found.mode)
    return c.graph.add("Add", raw, found.base[None]) if found.base.any() else raw


def _boosted_classifier(raw: Convert) -> Convert:
    def convert(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
        scores = raw(c, model, columns)
        return c.logistic(scores) if len(model.classes_) == 2 else c.softmax(scores)

    return convert


def _boosted_regressor(raw: Convert) -> Convert:
    def convert(c: Estimators, model: Any, columns: Sequence[Column]) -> str:
        found = raw(c, model, columns)
        return c.graph.add("Exp", found) if boosters.is_exponential(model) else found

    return convert


_PROBABILITIES: dict[str, Convert] = {
    "AdaBoostClassifier": _adaboost_classifier,
    "BaggingClassifier": _bagging_classifier,
    "BernoulliNB": _bernoulli_naive_bayes,
    "CalibratedClassifierCV": _calibrated,
    "ComplementNB": _complement_naive_bayes,
    "DecisionTreeClassifier": _forest,
    "DummyClassifier": _dummy_classifier,
    "ExtraTreeClassifier": _forest,
    "ExtraTreesClassifier": _forest,
    "GaussianNB": _gaussian_naive_bayes,
    "GradientBoostingClassifier": _gradient_boosting_classifier,
    "HistGradientBoostingClassifier": _histogram_boosting_classifier,
    "KNeighborsClassifier": _neighbours_classifier,
    "LGBMClassifier": _boosted_classifier(_lightgbm),
    "LinearDiscriminantAnalysis": _linear_discriminant,
    "LogisticRegression": _logistic_regression,
    "LogisticRegressionCV": _logistic_regression,
    "MLPClassifier": _mlp_classifier,
    "MultinomialNB": _multinomial_naive_bayes,
    "NuSVC": _svc,
    "OneVsRestClassifier": _one_vs_rest,
    "QuadraticDiscriminantAnalysis": _quadratic_discriminant,
    "RandomForestClassifier": _forest,
    "SGDClassifier": _sgd,
    "SVC": _svc,
    "StackingClassifier": _stacking_classifier,
    "VotingClassifier": _voting_classifier,
    "XGBClassifier": _boosted_classifier(_xgboost),
    "XGBRFClassifier": _boosted_classifier(_xgboost),
}
_DECISIONS: dict[str, Convert] = {
    "AdaBoostClassifier": _adaboost_decision,
    "GradientBoostingClassifier": _gradient_boosting,
    "HistGradientBoostingClassifier": _histogram_boosting,
    "NuSVC": _svc_decision,
    "OneVsRestClassifier": _one_vs_rest_decision,
    "SVC": _svc_decision,
    "StackingClassifier": _stacking_decision,
}
_VALUES: dict[str, Convert] = {
    "AdaBoostRegressor": _adaboost_regressor,
    "BaggingRegressor": _bagging_regressor,
    "DecisionTreeRegressor": _forest,
    "ExtraTreeRegressor": _forest,
    "ExtraTreesRegressor": _forest,
    "GammaRegressor": _exponential_value,
    "GradientBoostingRegressor": _gradient_boosting,
    "HistGradientBoostingRegressor": _histogram_boosting_regressor,
    "KNeighborsRegressor": _neighbours_regressor,
    "LGBMRegressor": _boosted_regressor(_lightgbm),
    "MLPRegressor": _perceptron_layers,
    "NuSVR": _svr,
    "PoissonRegressor": _exponential_value,
    "RANSACRegressor": _ransac,
    "RandomForestRegressor": _forest,
    "SVR": _svr,
    "StackingRegressor": _stacking_regressor,
    "TransformedTargetRegressor": _transformed_target,
    "TweedieRegressor": _exponential_value,
    "VotingRegressor": _voting_regressor,
    "XGBRFRegressor": _boosted_regressor(_xgboost),
    "XGBRegressor": _boosted_regressor(_xgboost),
}
_LINEAR_REGRESSORS = frozenset(
    {
        "ARDRegression",
        "BayesianRidge",
        "ElasticNet",
        "ElasticNetCV",
        "HuberRegressor",
        "Lars",
        "LarsCV",
        "Lasso",
        "LassoCV",
        "LassoLars",
        "LassoLarsCV",
        "LassoLarsIC",
        "LinearRegression",
        "LinearSVR",
        "OrthogonalMatchingPursuit",
        "OrthogonalMatchingPursuitCV",
        "PassiveAggressiveRegressor",
        "QuantileRegressor",
        "Ridge",
        "RidgeCV",
        "SGDRegressor",
        "TheilSenRegressor",
    }
)
