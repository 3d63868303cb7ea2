"""How the sentiment model is trained: a logistic regression on hashed words and parts of words."""

import csv
import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from mlops.errors import DataInvalid
from mlops.files import describe_os_error
from mlops.models.inputs import Tensors
from mlops.models.plan import Bounds, SampleText, TrainingPlan
from mlops.models.sentiment.contract import SENTIMENT
from mlops.models.text import COUNTS, PLACES

LEXICON = Path("data/sentiment_lexicon.csv.gz")
"""Words with their ratings, which every fit sees besides the sentences."""
STEEPNESS = 0.8
"""Of the logistic curve that makes a probability of a rating."""
CLEAR = 1.0
"""Ratings closer to 0 are unclear: people disagree, and calibration leaves them out."""
_STRENGTH = 5.0
"""Inverse strength of the regularization."""
_CALIBRATION_FOLDS = 2
_SMALL = 1e-12

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class TextClassifier:
    """A logistic regression on normalized TF-IDF, and the straight line that calibrates it.

    rarity: the inverse document frequency of each place. weights: of each place, calibrated.
    intercept: of both together.
    """

    rarity: Numbers
    weights: Numbers
    intercept: float

    def numbers(self, tensors: Tensors) -> Numbers:
        """Return the probability of each text to be positive, shape (n, 1)."""
        values = _matrix(tensors, len(self.rarity))
        values.data = (1 + np.log(values.data)) * self.rarity[values.indices]
        lengths = np.sqrt(values.multiply(values).sum(axis=1).A1 + _SMALL)
        log_odds = values @ self.weights / lengths + self.intercept
        probabilities: Numbers = 1 / (1 + np.exp(-log_odds))
        return probabilities.reshape(-1, 1)

    def graph(self) -> onnx.ModelProto:
        """Return the same computation as ONNX, with places and counts as its inputs.

        Sums are computed in float64, so that a text's last decimal does not depend on how long the
        other texts of a batch are.
        """
        table = np.stack([self.rarity, self.weights], axis=1).astype(np.float32)
        constants = {
            "table": table,
            "one": np.array(1, np.float32),
            "small": np.array(_SMALL),
            "intercept": np.array(self.intercept),
            "certain": np.array(1.0),
            "row": np.array([1], np.int64),
            "last": np.array([-1], np.int64),
        }
        nodes = [
            helper.make_node("Gather", ["table", PLACES], ["pairs"], axis=0),
            helper.make_node("Split", ["pairs"], ["rarity_", "weight_"], axis=-1, num_outputs=2),
            helper.make_node("Squeeze", ["rarity_", "last"], ["rarity"]),
            helper.make_node("Squeeze", ["weight_", "last"], ["weight"]),
            helper.make_node("Max", [COUNTS, "one"], ["at_least_one"]),
            helper.make_node("Log", ["at_least_one"], ["logarithm"]),
            helper.make_node("Add", ["logarithm", "one"], ["damped"]),
            helper.make_node("Min", [COUNTS, "one"], ["there"]),
            helper.make_node("Mul", ["damped", "there"], ["frequency"]),
            helper.make_node("Mul", ["frequency", "rarity"], ["value_"]),
            helper.make_node("Cast", ["value_"], ["value"], to=TensorProto.DOUBLE),
            helper.make_node("Cast", ["weight"], ["exact_weight"], to=TensorProto.DOUBLE),
            helper.make_node("Mul", ["value", "exact_weight"], ["weighted"]),
            helper.make_node("ReduceSum", ["weighted", "row"], ["sum"]),
            helper.make_node("ReduceSumSquare", ["value", "row"], ["squares"]),
            helper.make_node("Add", ["squares", "small"], ["not_zero"]),
            helper.make_node("Sqrt", ["not_zero"], ["length"]),
            helper.make_node("Div", ["sum", "length"], ["normalized"]),
            helper.make_node("Add", ["normalized", "intercept"], ["log_odds"]),
            helper.make_node("Sigmoid", ["log_odds"], ["positive"]),
            helper.make_node("Sub", ["certain", "positive"], ["negative"]),
            helper.make_node("Concat", ["negative", "positive"], ["both"], axis=1),
            helper.make_node("Cast", ["both"], ["probabilities"], to=TensorProto.FLOAT),
        ]
        many = [None, None]
        graph = helper.make_graph(
            nodes,
            SENTIMENT.model,
            [
                helper.make_tensor_value_info(PLACES, TensorProto.INT64, many),
                helper.make_tensor_value_info(COUNTS, TensorProto.FLOAT, many),
            ],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def fit(tensors: Tensors, ratings: NDArray[Any], seed: int) -> TextClassifier:
    """Return a classifier of the sentences and of the lexicon's words.

    ratings: from -4 to 4, of people; the closer to 0, the less they agree.
    """
    words, word_ratings = read_lexicon(LEXICON)
    sentences = _matrix(tensors, SENTIMENT.text.places)
    examples = sparse.vstack([sentences, words]).tocsr()
    chances = 1 / (1 + np.exp(-STEEPNESS * np.concatenate([ratings, word_ratings])))
    of_words = np.arange(len(ratings), len(chances))
    scores = np.empty(len(ratings))
    folds = KFold(_CALIBRATION_FOLDS, shuffle=True, random_state=seed)
    for rows, others in folds.split(ratings):
        scores[others] = _Regression.of(examples, chances, np.append(rows, of_words)).score(
            sentences[others]
        )
    clear = np.abs(ratings) >= CLEAR
    line = LogisticRegression(C=1e6).fit(scores[clear, None], ratings[clear] > 0)
    slope, offset = float(line.coef_[0, 0]), float(line.intercept_[0])
    whole = _Regression.of(examples, chances, np.arange(len(chances)))
    return TextClassifier(
        rarity=whole.tfidf.idf_,
        weights=slope * whole.regression.coef_[0],
        intercept=slope * float(whole.regression.intercept_[0]) + offset,
    )


@dataclass(frozen=True)
class _Regression:
    tfidf: Any
    regression: Any

    @classmethod
    def of(cls, examples: Any, chances: Numbers, rows: NDArray[np.intp]) -> "_Regression":
        """Fit to some rows, each of which is positive with a probability.

        Such a row counts as a positive and as a negative one, by its probability.
        """
        tfidf = TfidfTransformer(sublinear_tf=True)
        # Half as many bytes: the fit mostly waits for memory.
        values = tfidf.fit_transform(examples[rows]).astype(np.float32)
        regression = LogisticRegression(C=_STRENGTH, max_iter=300).fit(
            sparse.vstack([values, values]),
            np.repeat([1, 0], len(rows)),
            sample_weight=np.concatenate([chances[rows], 1 - chances[rows]]),
        )
        return cls(tfidf, regression)

    def score(self, examples: Any) -> Numbers:
        found: Numbers = self.regression.decision_function(self.tfidf.transform(examples))
        return found


def _matrix(tensors: Tensors, size: int) -> Any:
    """Return places and counts as a sparse matrix of shape (n, size)."""
    counts = tensors[COUNTS]
    rows, columns = np.nonzero(counts)
    places = tensors[PLACES][rows, columns]
    return sparse.csr_matrix(
        (counts[rows, columns].astype(np.float64), (rows, places)), shape=(len(counts), size)
    )


@cache
def read_lexicon(path: Path) -> tuple[Any, Numbers]:
    """Return the counts of the words and their ratings. Raise DataInvalid."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            entries = [*csv.DictReader(file)]
    except OSError as error:
        raise DataInvalid(str(path), None, "file", describe_os_error(error)) from error
    requests = [
        SENTIMENT.request.model_validate({"text_id": "word", "text": entry["word"]})
        for entry in entries
    ]
    ratings = np.array([float(entry["rating"]) for entry in entries])
    return _matrix(SENTIMENT.encoder.tensors(requests), SENTIMENT.text.places), ratings


SENTIMENT_PLAN = TrainingPlan(
    contract=SENTIMENT,
    default_data="data/sentiment_reviews.csv.gz",
    fit=fit,
    bounds={
        "full": Bounds(
            minimum={"roc_auc": 0.86}, maximum={"roc_auc": 0.92, "brier": 0.151, "ece": 0.035}
        )
    },
    repeats=1,
    purpose=(
        "Tells whether English sentences of reviews are meant well, so that people can read the"
        " unhappy ones first and follow how their share moves. It is not meant to judge people by"
        " what they write, nor for other languages."
    ),
    sample=SampleText(
        digest="sha256:57ebb007b3f31f48a7d6dc1c428bdfac3dd2ec838f64ba6e913afbf5c1f8e7ce",
        data=(
            "14,274 sentences of product reviews (Hu and Liu 2004) and of film reviews (Pang and"
            " Lee 2005), CC BY 4.0, each rated from -4 to 4 by several people (Hutto and Gilbert"
            " 2014, MIT); and the 7,516 rated words of VADER's lexicon (MIT), which every fit sees."
            " A sentence is positive if its mean rating is above 0. See `data/README.md` for what"
            " was changed."
        ),
        limits=(
            "Sentences of reviews in English, written until 2005: other texts, other languages and"
            " younger words are answered worse.",
            "The figures above are of all sentences, also of those about which people disagree. On"
            " sentences of a clear opinion they are higher: `data/README.md` has some.",
        ),
    ),
    limits=(
        "Probabilities are calibrated on sentences of a clear opinion (a mean rating of 1 or more,"
        " or of -1 or less). For a mixed one the answer tends to be too sure.",
        "Irony, and what a sentence leaves unsaid, are not understood. Names of groups of people"
        " may carry a weight from the reviews that they were used in.",
    ),
)
