import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

from mlops.errors import ModelUnusable
from mlops.inference.predictor import Predictor
from mlops.models.churn.contract import CHURN
from mlops.models.inputs import Tensors
from mlops.models.tabular import INPUT
from tests.unit.inference.building import failing_model, onnx_model, predicted

NAN = float("nan")


def predictor(model: bytes) -> Predictor:
    return Predictor("churn-model-v1.0.0", model, CHURN)


def tensors(*tenures: float) -> Tensors:
    rows = [[tenure, *[NAN] * 18] for tenure in tenures]
    return {INPUT: np.array(rows, dtype=np.float32).reshape(len(rows), 19)}


LINEAR = predictor(onnx_model())


def test_the_positive_class_is_predicted_for_each_row() -> None:
    predictions = predictor(onnx_model()).predict(tensors(0, 24, 2))
    assert predictions.tolist() == [[0.5], [predicted(24)], [predicted(2)]]
    assert predictions.dtype == np.float64


def test_no_rows_give_no_predictions() -> None:
    assert predictor(onnx_model()).predict(tensors()).shape == (0, 1)


@given(tenure=st.floats(-1e6, 1e6, width=32))
def test_one_row_is_predicted_to_the_bit_as_many_are(tenure: float) -> None:
    (among_others, _) = LINEAR.predict(tensors(tenure, 3)).tolist()
    assert LINEAR.predict_one(tensors(tenure)) == among_others


def test_predictions_have_six_decimals() -> None:
    ((prediction,),) = predictor(onnx_model()).predict(tensors(1 / 3)).tolist()
    assert prediction == round(prediction, 6) == 0.504167


@pytest.mark.parametrize(
    "model",
    [
        b"",
        b"\x00",
        b"no model " * 100,
        onnx_model()[:-20],
        onnx_model(columns=20),
        onnx_model(columns=18),
        onnx_model(column_type=TensorProto.DOUBLE),
        onnx_model(classes=1),
        onnx_model(classes=3),
        onnx_model(output="scores_of_something"),
    ],
    ids=[
        "empty",
        "zero",
        "text",
        "truncated",
        "more columns",
        "fewer columns",
        "other numbers",
        "one class",
        "three classes",
        "other output",
    ],
)
def test_what_is_no_model_of_this_contract(model: bytes) -> None:
    with pytest.raises(ModelUnusable) as caught:
        predictor(model)
    assert caught.value.version == "churn-model-v1.0.0"


@pytest.mark.parametrize(
    "layout",
    [
        "",
        CHURN.encoder.layout.replace('"Female", "Male"', '"Male", "Female"'),
        CHURN.encoder.layout.replace('"tenure", "monthly_charges"', '"monthly_charges", "tenure"'),
        CHURN.encoder.layout.replace('"One year", ', '"One year", "Three years", '),
    ],
    ids=["none", "categories swapped", "numbers swapped", "one category more"],
)
def test_a_model_of_columns_that_mean_something_else(layout: str) -> None:
    assert layout != CHURN.encoder.layout
    with pytest.raises(ModelUnusable, match="train it again"):
        predictor(onnx_model(layout=layout))


def test_a_model_that_fails_while_it_predicts() -> None:
    failing = predictor(failing_model())
    with pytest.raises(ModelUnusable, match=r"churn-model-v1\.0\.0: it cannot predict"):
        failing.predict(tensors(1))


@pytest.mark.parametrize("found", [NAN, 1.5, -0.25, float("inf")])
def test_a_number_that_is_no_probability_is_an_error(
    found: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = predictor(onnx_model())
    monkeypatch.setattr(model, "_run", lambda _: np.array([[0, found]], np.float32))
    for predict in (model.predict_one, model.predict):
        with pytest.raises(ModelUnusable, match="not between 0 and 1"):
            predict(tensors(1))
