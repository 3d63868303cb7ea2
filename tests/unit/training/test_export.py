"""The ONNX graph answers as the pipeline that it was made of, whatever a row holds."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import onnx.helper
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from mlops.inference.predictor import Predictor
from mlops.models.churn.contract import CHURN
from mlops.models.churn.training import fit
from mlops.models.contract import Contract
from mlops.models.plan import Estimator
from mlops.models.tabular import INPUT
from mlops.training.data import take
from mlops.training.export import OPSET, predict_numbers, to_onnx
from mlops.training.gate import MAX_PARITY_DIFFERENCE, parity_difference
from tests.unit.models.telco import telco_data
from tests.unit.training.plans import BIKES, FRUIT, change

NUMBERS = [
    # Wider than the data, which ends at 72 months and 8,685 dollars
    st.floats(0, 1_200, width=32) | st.just(float("nan")),
    st.floats(0, 10_000, width=32),
    st.floats(0, 10_000_000, width=32) | st.just(float("nan")),
    st.sampled_from([0.0, 1.0, float("nan")]),
]
CODES = [
    st.sampled_from([*map(float, range(len(field.choices))), float("nan")])
    for field in CHURN.encoder.fields
    if not field.is_numeric
]
ROWS = st.lists(st.tuples(*NUMBERS, *CODES), min_size=1, max_size=8)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """For a few rows, and where other tests run too, more of them mostly wait for one another."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="module")
def estimator(one_thread: None) -> Estimator:
    data = telco_data()
    rows = np.arange(0, len(data), 7)
    fitted: Estimator = fit(take(data.tensors, rows), data.targets[rows], 7)
    return fitted


@pytest.fixture(scope="module")
def predictor(estimator: Estimator) -> Predictor:
    return loaded(to_onnx(estimator, CHURN))


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_the_graph_equals_the_pipeline(
    estimator: Estimator,
    predictor: Predictor,
    rows: list[tuple[float, ...]],
) -> None:
    tensors = {INPUT: np.array(rows, dtype=np.float32)}
    found, expected = predictor.predict(tensors), predict_numbers(estimator, CHURN, tensors)
    assert parity_difference(found, expected, 6) <= MAX_PARITY_DIFFERENCE


def test_the_same_pipeline_gives_the_same_bytes(estimator: Estimator) -> None:
    model = to_onnx(estimator, CHURN)
    assert to_onnx(estimator, CHURN) == model
    # Where it would differ from process to process
    domains = [entry.domain for entry in onnx.load_from_string(model).opset_import]
    assert domains == ["", "ai.onnx.ml"]


def test_plain_attributes_are_still_needed(estimator: Estimator) -> None:
    """Fails when skl2onnx converts by itself: then remove `_plain_attributes` and this test."""
    types = [(INPUT, FloatTensorType([None, len(CHURN.encoder.fields)]))]
    try:
        convert_sklearn(
            estimator, initial_types=types, options={"zipmap": False}, target_opset=OPSET
        )
    except ValueError as error:
        assert "Unable to create node" in str(error)
    else:
        pytest.fail("skl2onnx converts by itself now: remove _plain_attributes and this test")


def test_onnx_is_left_as_it_was(estimator: Estimator) -> None:
    original = onnx.helper.make_attribute
    to_onnx(estimator, CHURN)
    assert onnx.helper.make_attribute is original


def test_onnx_is_left_as_it_was_after_an_error() -> None:
    original = onnx.helper.make_attribute
    with pytest.raises(Exception, match="Unable to find a shape calculator"):
        to_onnx(NotConvertible(), CHURN)
    assert onnx.helper.make_attribute is original


class NotConvertible:
    """Implements `Estimator`, which is not enough for skl2onnx."""

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.zeros((len(features), 2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("contract", "build"),
    [
        (BIKES, lambda: make_pipeline(StandardScaler(), LinearRegression())),
        (BIKES, lambda: DecisionTreeRegressor(max_depth=4, random_state=1)),
        (BIKES, lambda: HistGradientBoostingRegressor(max_iter=20)),
        (FRUIT, lambda: make_pipeline(StandardScaler(), LogisticRegression())),
        (FRUIT, lambda: DecisionTreeClassifier(max_depth=4, random_state=1)),
        (FRUIT, lambda: HistGradientBoostingClassifier(max_iter=20)),
        (CHURN, lambda: DecisionTreeClassifier(max_depth=4, random_state=1)),
    ],
    ids=lambda value: value.model if isinstance(value, Contract) else "",
)
def test_the_graph_has_the_inputs_and_outputs_of_each_contract(
    contract: Contract, build: Callable[[], Any], dtype: str
) -> None:
    """Integers only, which are the same in either type."""
    contract = change(contract, inputs={"dtype": dtype})
    generator = np.random.default_rng(8)
    width = len(contract.encoder.fields)
    matrix = generator.integers(0, 20, (200, width)).astype(contract.inputs.dtype)
    sums = matrix.sum(axis=1)
    classes = max(2, len(contract.answer.classes))
    is_number = contract.task == "regression"
    labels = sums if is_number else np.argsort(np.argsort(sums)) * classes // len(sums)
    estimator = build().fit(matrix, labels)

    predictor = Predictor("it", to_onnx(estimator, contract), contract)
    found = predictor.predict({INPUT: matrix})
    expected = predict_numbers(estimator, contract, {INPUT: matrix})
    assert found.shape == (200, 1 if contract.task != "multiclass" else classes)
    digits = contract.outcome.output.decimals
    assert parity_difference(found, expected, digits) <= MAX_PARITY_DIFFERENCE


def loaded(model: bytes) -> Predictor:
    return Predictor("churn", model, CHURN)
