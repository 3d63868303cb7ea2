"""The ONNX graph answers as the pipeline that it was made of, whatever a row holds."""

from collections.abc import Iterator

import numpy as np
import onnx
import onnx.helper
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from threadpoolctl import threadpool_limits

from mlops.inference.predictor import INPUT, Predictor
from mlops.models.churn.contract import CHURN
from mlops.models.churn.data import load
from mlops.models.churn.training import fit
from mlops.models.columns import Columns
from mlops.models.plan import Estimator
from mlops.training.evaluation import probabilities
from mlops.training.export import OPSET, to_onnx
from mlops.training.gate import MAX_PARITY_DIFFERENCE
from tests.unit.models.telco import TELCO

NUMBERS = [
    # Wider than the data, which ends at 72 months and 8,685 dollars
    st.floats(0, 1_200, width=32) | st.just(float("nan")),
    st.floats(0, 10_000, width=32),
    st.floats(0, 10_000_000, width=32) | st.just(float("nan")),
    st.sampled_from([0.0, 1.0, float("nan")]),
]
CODES = [
    st.sampled_from([*map(float, range(len(CHURN.categories[name]))), float("nan")])
    for name in CHURN.categorical
]
ROWS = st.lists(st.tuples(*NUMBERS, *CODES), min_size=1, max_size=8)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """For a few rows, and where other tests run too, more of them mostly wait for one another."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="module")
def estimator(one_thread: None) -> Estimator:
    data = load(TELCO)
    rows = np.arange(0, len(data.labels), 7)
    fitted: Estimator = fit(data.columns.take(rows), data.labels[rows], 7)
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
    columns = Columns(np.array(rows, dtype=np.float32))
    difference = np.abs(predictor.predict(columns) - probabilities(estimator, columns))
    assert difference.max() <= MAX_PARITY_DIFFERENCE


def test_the_same_pipeline_gives_the_same_bytes(estimator: Estimator) -> None:
    model = to_onnx(estimator, CHURN)
    assert to_onnx(estimator, CHURN) == model
    # Where it would differ from process to process
    domains = [entry.domain for entry in onnx.load_from_string(model).opset_import]
    assert domains == ["", "ai.onnx.ml"]


def test_plain_attributes_are_still_needed(estimator: Estimator) -> None:
    """Fails when skl2onnx converts by itself: then remove `_plain_attributes` and this test."""
    types = [(INPUT, FloatTensorType([None, len(CHURN.numeric) + len(CHURN.categorical)]))]
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


def loaded(model: bytes) -> Predictor:
    return Predictor("churn", model, CHURN)
