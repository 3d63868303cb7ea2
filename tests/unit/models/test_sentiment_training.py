"""The sentiment model's own estimator, and its graph."""

from pathlib import Path

import numpy as np
import pytest

from mlops.errors import DataInvalid
from mlops.inference.predictor import Predictor
from mlops.models.sentiment.contract import SENTIMENT
from mlops.models.sentiment.training import LEXICON, TextClassifier, fit, read_lexicon
from mlops.training.csv_data import load
from mlops.training.data import take
from mlops.training.export import predict_numbers, to_onnx
from tests.project.files import ROOT
from tests.unit.models.test_text import HOSTILE, tensors

GOOD, BAD = "A wonderful film, I loved it.", "A terrible film, I hated it."


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    """Return a classifier of the lexicon and of a few hundred sentences."""
    data = load(ROOT / "data/sentiment_reviews.csv.gz", SENTIMENT)
    rows = np.arange(0, len(data), 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # the lexicon lies beside the data
        return fit(take(data.tensors, rows), data.fitted[rows], 1)


def test_the_graph_predicts_what_the_estimator_does(classifier: TextClassifier) -> None:
    graph = to_onnx(classifier, SENTIMENT)
    assert len(graph) <= 1.2e6
    predictor = Predictor("sentiment", graph, SENTIMENT)
    inputs = tensors(GOOD, BAD, *HOSTILE.values())
    found = predictor.predict(inputs)
    expected = predict_numbers(classifier, SENTIMENT, inputs)
    assert np.abs(found - expected).max() < 1e-5
    assert found[0, 0] > 0.6 > 0.4 > found[1, 0]
    for text, row in zip((GOOD, BAD, *HOSTILE.values()), found.tolist(), strict=True):
        assert predictor.predict_one(tensors(text)) == row, "beside others as alone"


def test_the_same_rows_give_the_same_graph(classifier: TextClassifier) -> None:
    assert to_onnx(classifier, SENTIMENT) == to_onnx(classifier, SENTIMENT)


def test_sentences_are_positive_above_a_rating_of_0() -> None:
    data = load(ROOT / "data/sentiment_reviews.csv.gz", SENTIMENT)
    assert data.ratings is not None
    assert ((data.ratings > 0) == (data.targets == 1)).all()
    assert set(data.labels) == {0, 1}


def test_a_lexicon_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"none.csv.gz, file: No such file"):
        read_lexicon(tmp_path / "none.csv.gz")
    words, ratings = read_lexicon(ROOT / LEXICON)
    assert words.shape == (len(ratings), SENTIMENT.text.places)
