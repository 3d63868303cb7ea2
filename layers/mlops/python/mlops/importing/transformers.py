"""What fitted transformers do to columns, in float64 as scikit-learn computes it.

Trees ask on which side of a threshold a number is, and numbers lie on thresholds: whole numbers do
after each scaling. So each operation here is the one that scikit-learn does, in its order.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import FeatureUnion, Pipeline

from mlops.importing.columns import Column, Matrices, Number, Table, tabulate
from mlops.importing.graph import Graph
from mlops.importing.steps import NotConvertible, is_identity, is_of, name_of

Convert = Callable[[Any, str, Graph], str]


class Transformers:
    """Applies fitted transformers to columns of a graph.

    cuts: values at which a step decides, by tensor and place: rows beside them prove parity.
    """

    def __init__(self, matrices: Matrices) -> None:
        self.matrices = matrices
        self.graph = matrices.graph
        self.cuts: list[tuple[Number, NDArray[np.float64]]] = []
        self._rounded: set[str] = set()

    def apply(self, step: Any, columns: Sequence[Column]) -> list[Column]:
        """Return the columns that a fitted transformer makes. Raise NotConvertible."""
        if is_identity(step):
            return [*columns]
        if isinstance(step, Pipeline):
            for _, part in step.steps:
                columns = self.apply(part, columns)
            return [*columns]
        if isinstance(step, ColumnTransformer):
            return self._column_transformer(step, columns)
        if isinstance(step, FeatureUnion):
            made: list[Column] = []
            for _, part in step.transformer_list:
                if part != "drop":
                    made += self.apply(part, columns)
            return made
        if isinstance(step, SelectorMixin):
            return [columns[place] for place in step.get_support(indices=True)]
        return self._leaf(step, columns)

    def _column_transformer(self, step: Any, columns: Sequence[Column]) -> list[Column]:
        made: list[Column] = []
        for name, part, _ in step.transformers_:
            places = step._transformer_to_input_indices[name]
            if len(places) and not (isinstance(part, str) and part == "drop"):
                made += self.apply(part, [columns[place] for place in places])
        return made

    def _leaf(self, step: Any, columns: Sequence[Column]) -> list[Column]:
        try:
            tables = tabulate(step, columns)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise NotConvertible(name_of(step), f"it fails on a category: {error}") from error
        if tables is not None:
            return tables
        if is_of(step, "SimpleImputer") and not step.add_indicator:
            return self._impute_each(step, columns)
        tensor = self._numbers(step, columns)
        width = len(columns)
        if is_of(step, "KBinsDiscretizer"):
            self.cuts += [
                (Number(tensor, place), np.asarray(edges[1:-1], dtype=np.float64))
                for place, edges in enumerate(step.bin_edges_)
            ]
        convert = _CONVERTERS.get(type(step).__name__) if is_of(step, type(step).__name__) else None
        if convert is None:
            tensor, width = self.foreign(step, tensor, width)
        else:
            tensor = convert(step, tensor, self.graph)
            width = _width(step, width)
        if not _is_exact(step) or any(map(self.is_rounded, columns)):
            self._rounded.add(tensor)
        return self.matrices.numbers(tensor, width)

    def is_rounded(self, column: Column) -> bool:
        """Tell whether the last digit of a column may differ from scikit-learn's."""
        return isinstance(column, Number) and column.tensor in self._rounded

    def _numbers(self, step: Any, columns: Sequence[Column]) -> str:
        try:
            return self.matrices.matrix(columns)
        except (ValueError, TypeError) as error:
            raise NotConvertible(
                name_of(step),
                "it gets texts and numbers at once, or texts that no encoder has made numbers of",
            ) from error

    def _impute_each(self, step: Any, columns: Sequence[Column]) -> list[Column]:
        """Fill the columns one by one: numbers in the graph, categories in their tables."""
        made: list[Column] = []
        for column, value in zip(columns, step.statistics_, strict=True):
            if isinstance(value, float) and np.isnan(value) and not step.keep_empty_features:
                continue
            if isinstance(column, Table):
                values = column.values.copy()
                values[[_is(item, step.missing_values) for item in values]] = value
                made.append(Table(column.field, values))
            else:
                filled = _fill(
                    self.matrices.matrix([column]),
                    step.missing_values,
                    np.array([value]),
                    self.graph,
                )
                made += self.matrices.numbers(filled, 1)
        return made

    def foreign(self, step: Any, tensor: str, width: int) -> tuple[str, int]:
        """Let skl2onnx convert a step that is not known here; parity decides about it."""
        from mlops.importing.foreign import convert_foreign

        names = convert_foreign(step, width, self.graph, tensor)
        return names[0], _width(step, width)


def _width(step: Any, width: int) -> int:
    """Return the number of columns that a transformer makes of `width`."""
    names = getattr(step, "get_feature_names_out", None)
    if names is not None:
        try:
            return len(names())
        except (ValueError, AttributeError, TypeError):
            pass
    found = step.transform(np.ones((1, width)))
    return int(found.shape[1])


def _is(value: Any, missing: Any) -> bool:
    if isinstance(missing, float) and np.isnan(missing):
        return bool(isinstance(value, float) and np.isnan(value))
    return bool(value == missing)


def _fill(tensor: str, missing: Any, values: NDArray[Any], graph: Graph) -> str:
    is_missing = _missing(tensor, missing, graph)
    return graph.add("Where", is_missing, values.astype(np.float64)[None], tensor)


def _missing(tensor: str, missing: Any, graph: Graph) -> str:
    if isinstance(missing, float) and np.isnan(missing):
        return graph.add("IsNaN", tensor)
    return graph.add("Equal", tensor, float(missing))


def _simple_imputer(step: Any, tensor: str, graph: Graph) -> str:
    values = np.asarray(step.statistics_, dtype=np.float64)
    kept = np.arange(len(values))
    if not step.keep_empty_features and step.strategy != "constant":
        kept = np.flatnonzero(~np.isnan(values))
    filled = _fill(tensor, step.missing_values, values, graph)
    if len(kept) < len(values):
        filled = graph.gather(filled, kept.tolist())
    if not step.add_indicator:
        return filled
    return graph.concat([filled, _missing_indicator(step.indicator_, tensor, graph)])


def _missing_indicator(step: Any, tensor: str, graph: Graph) -> str:
    flags = graph.truth(_missing(tensor, step.missing_values, graph))
    return graph.gather(flags, step.features_.tolist())


def _operation(operator: str, tensor: str, values: Any, graph: Graph) -> str:
    if values is None:
        return tensor
    return graph.add(operator, tensor, np.asarray(values, dtype=np.float64).reshape(1, -1))


def _standard_scaler(step: Any, tensor: str, graph: Graph) -> str:
    centred = _operation("Sub", tensor, step.mean_ if step.with_mean else None, graph)
    return _operation("Div", centred, step.scale_ if step.with_std else None, graph)


def _min_max_scaler(step: Any, tensor: str, graph: Graph) -> str:
    scaled = _operation("Mul", tensor, step.scale_, graph)
    moved = _operation("Add", scaled, step.min_, graph)
    if not step.clip:
        return moved
    low, high = step.feature_range
    return _operation("Min", _operation("Max", moved, low, graph), high, graph)


def _max_abs_scaler(step: Any, tensor: str, graph: Graph) -> str:
    return _operation("Div", tensor, step.scale_, graph)


def _robust_scaler(step: Any, tensor: str, graph: Graph) -> str:
    centred = _operation("Sub", tensor, step.center_ if step.with_centering else None, graph)
    return _operation("Div", centred, step.scale_ if step.with_scaling else None, graph)


def _normalizer(step: Any, tensor: str, graph: Graph) -> str:
    size = graph.add("Abs", tensor)
    if step.norm == "l1":
        norm = graph.total(size)
    elif step.norm == "l2":
        norm = graph.add("Sqrt", graph.total(graph.add("Mul", tensor, tensor)))
    else:
        norm = graph.add("ReduceMax", size, np.array([1], np.int64), keepdims=1)
    nothing = graph.add("Equal", norm, 0.0)
    return graph.add("Div", tensor, graph.add("Where", nothing, 1.0, norm))


def _binarizer(step: Any, tensor: str, graph: Graph) -> str:
    return graph.truth(graph.add("Greater", tensor, float(step.threshold)))


def _polynomial_features(step: Any, tensor: str, graph: Graph) -> str:
    powers = step.powers_
    one = graph.add("Add", graph.add("Mul", graph.gather(tensor, [0]), 0.0), 1.0)
    padded = graph.concat([tensor, one])
    width = powers.shape[1]
    factors = [np.repeat(np.arange(width), row).tolist() for row in powers]
    degree = max(1, *(len(row) for row in factors))
    for row in factors:
        row += [width] * (degree - len(row))
    product = graph.gather(padded, [row[0] for row in factors])
    for place in range(1, degree):
        product = graph.add("Mul", product, graph.gather(padded, [row[place] for row in factors]))
    return product


def _pca(step: Any, tensor: str, graph: Graph) -> str:
    projected = graph.add("MatMul", tensor, np.asarray(step.components_.T, dtype=np.float64))
    centred = _operation("Sub", projected, step.mean_.reshape(1, -1) @ step.components_.T, graph)
    if not step.whiten:
        return centred
    scale = np.sqrt(step.explained_variance_)
    return _operation("Div", centred, np.maximum(scale, np.finfo(scale.dtype).eps), graph)


def _truncated_svd(step: Any, tensor: str, graph: Graph) -> str:
    return graph.add("MatMul", tensor, np.asarray(step.components_.T, dtype=np.float64))


def _bins(step: Any, tensor: str, graph: Graph) -> str:
    inner = [np.asarray(edges[1:-1], dtype=np.float64) for edges in step.bin_edges_]
    most = max(1, *map(len, inner))
    edges = np.full((1, len(inner), most), np.inf)
    for place, found in enumerate(inner):
        edges[0, place, : len(found)] = found
    above = graph.add("GreaterOrEqual", graph.reshape(tensor, -1, len(inner), 1), edges)
    bins = graph.total(graph.truth(above), axis=2, keep=False)
    if step.encode == "ordinal":
        return bins
    same = graph.add(
        "Equal", graph.reshape(bins, -1, len(inner), 1), np.arange(most + 1.0)[None, None]
    )
    flags = graph.reshape(graph.truth(same), -1, len(inner) * (most + 1))
    kept = [
        place * (most + 1) + number
        for place, count in enumerate(step.n_bins_)
        for number in range(count)
    ]
    return graph.gather(flags, kept)


def _power_transformer(step: Any, tensor: str, graph: Graph) -> str:
    if step.method != "yeo-johnson":
        powers = np.asarray(step.lambdas_, dtype=np.float64)[None]
        positive = _box_cox(tensor, powers, graph)
    else:
        powers = np.asarray(step.lambdas_, dtype=np.float64)[None]
        up = graph.add("Add", graph.add("Max", tensor, 0.0), 1.0)
        down = graph.add("Add", graph.add("Neg", graph.add("Min", tensor, 0.0)), 1.0)
        below = graph.add("Neg", _box_cox(down, 2 - powers, graph))
        negative = graph.add("Less", tensor, 0.0)
        positive = graph.add("Where", negative, below, _box_cox(up, powers, graph))
        missing = graph.add("IsNaN", tensor)
        positive = graph.add("Where", missing, float("nan"), positive)
    scaler = step._scaler if step.standardize else None
    return positive if scaler is None else _standard_scaler(scaler, positive, graph)


def _box_cox(tensor: str, powers: NDArray[np.float64], graph: Graph) -> str:
    flat = np.abs(powers) < np.spacing(1.0)
    curved = np.where(flat, 1.0, powers)
    raised = graph.add("Sub", graph.add("Pow", tensor, curved), 1.0)
    return graph.add("Where", flat, graph.add("Log", tensor), graph.add("Div", raised, curved))


def _function(step: Any, tensor: str, graph: Graph) -> str:
    if step.kw_args or not isinstance(step.func, np.ufunc):
        raise NotConvertible(
            name_of(step),
            f"its function {getattr(step.func, '__name__', step.func)!r} on numbers is Python code,"
            " which no graph can run. Use a function of NumPy alone, such as numpy.log1p, or"
            " compute the column before the pipeline",
        )
    name = step.func.__name__
    if name not in _FUNCTIONS:
        raise NotConvertible(
            name_of(step), f"numpy.{name} is not converted; known are {', '.join(_FUNCTIONS)}"
        )
    for operator, operand in _FUNCTIONS[name]:
        if operand is None:
            tensor = graph.add(operator, tensor)
        elif operator == "Square":
            tensor = graph.add("Mul", tensor, tensor)
        else:
            tensor = graph.add(operator, tensor, operand)
    return tensor


_FUNCTIONS: dict[str, tuple[tuple[str, float | None], ...]] = {
    "log": (("Log", None),),
    "log1p": (("Add", 1.0), ("Log", None)),
    "log2": (("Log", None), ("Mul", 1 / np.log(2))),
    "log10": (("Log", None), ("Mul", 1 / np.log(10))),
    "exp": (("Exp", None),),
    "expm1": (("Exp", None), ("Sub", 1.0)),
    "sqrt": (("Sqrt", None),),
    "square": (("Square", 0.0),),
    "absolute": (("Abs", None),),
    "fabs": (("Abs", None),),
    "sign": (("Sign", None),),
    "floor": (("Floor", None),),
    "ceil": (("Ceil", None),),
    "negative": (("Neg", None),),
    "reciprocal": (("Pow", -1.0),),
    "tanh": (("Tanh", None),),
}

_EXACT = frozenset(
    {
        *("Binarizer", "KBinsDiscretizer", "MaxAbsScaler", "MinMaxScaler", "MissingIndicator"),
        *("RobustScaler", "SimpleImputer", "StandardScaler"),
    }
)
"""Their results are the same to the last bit. A logarithm or a sum in another order is not."""
_EXACT_FUNCTIONS = frozenset(
    {"absolute", "ceil", "fabs", "floor", "negative", "sign", "sqrt", "square"}
)


def _is_exact(step: Any) -> bool:
    if is_of(step, "PolynomialFeatures"):
        return bool(step.powers_.sum(axis=1).max() <= 2)  # one product has no order
    if is_of(step, "FunctionTransformer"):
        return step.func.__name__ in _EXACT_FUNCTIONS
    return name_of(step) in _EXACT


_CONVERTERS: dict[str, Convert] = {
    "Binarizer": _binarizer,
    "FunctionTransformer": _function,
    "KBinsDiscretizer": _bins,
    "MaxAbsScaler": _max_abs_scaler,
    "MinMaxScaler": _min_max_scaler,
    "MissingIndicator": _missing_indicator,
    "Normalizer": _normalizer,
    "PCA": _pca,
    "PolynomialFeatures": _polynomial_features,
    "PowerTransformer": _power_transformer,
    "RobustScaler": _robust_scaler,
    "SimpleImputer": _simple_imputer,
    "StandardScaler": _standard_scaler,
    "TruncatedSVD": _truncated_svd,
}
