"""How the churn model is trained: gradient boosted trees that know what missing means."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from mlops.models.churn.contract import CHURN
from mlops.models.inputs import Tensors
from mlops.models.plan import Bounds, SampleText, TrainingPlan
from mlops.models.tabular import INPUT, MISSING

MASKED_COPIES = 3
THREE_FIELDS_SHARE = 0.3
"""Share of the masked rows that keep nothing but the required fields."""

_OPTIONAL = [
    place for place, field in enumerate(CHURN.encoder.fields) if field.name not in CHURN.required
]
"""Columns of the fields that a client may leave out."""


def with_masked_copies(
    matrix: NDArray[np.float32], labels: NDArray[Any], generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the rows, and copies of them in which random optional fields are missing.

    Each copied row draws its own rate, uniform in [0, 1), so that all numbers of missing fields
    are met in training; a share loses every optional field.
    """
    copies = [matrix]
    for _ in range(MASKED_COPIES):
        rate = generator.random((len(matrix), 1))
        mask = generator.random((len(matrix), len(_OPTIONAL))) < rate
        mask[generator.random(len(matrix)) < THREE_FIELDS_SHARE] = True
        copy = matrix.copy()
        copy[:, _OPTIONAL] = np.where(mask, MISSING, matrix[:, _OPTIONAL])
        copies.append(copy)
    return np.concatenate(copies), np.tile(labels, len(copies))


def fit(tensors: Tensors, labels: NDArray[Any], seed: int) -> HistGradientBoostingClassifier:
    """Return the trees, fitted to the rows and to their masked copies."""
    rows, targets = with_masked_copies(tensors[INPUT], labels, np.random.default_rng(seed))
    # The categories are few, and trees cut their positions into whatever groups they need.
    trees = HistGradientBoostingClassifier(
        # As good as 150 trees at 0.05, and the trees are most of what a prediction costs.
        learning_rate=0.12,
        max_iter=60,
        max_leaf_nodes=8,
        # A customer and its masked copies count once.
        min_samples_leaf=40 * (1 + MASKED_COPIES),
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
    return trees.fit(rows, targets)


CHURN_PLAN = TrainingPlan(
    contract=CHURN,
    default_data="data/telco_churn.csv.gz",
    fit=fit,
    bounds={
        "full": Bounds(
            minimum={"roc_auc": 0.84}, maximum={"roc_auc": 0.87, "brier": 0.137, "ece": 0.02}
        ),
        "three_fields": Bounds(
            minimum={"roc_auc": 0.815}, maximum={"roc_auc": 0.87, "brier": 0.1465}
        ),
    },
    purpose=(
        "Ranks the customers of a telephone and internet provider by their probability to"
        " leave, so that people can decide whom to talk to first. It is not meant to decide"
        " prices, contracts or credit, nor for customers of another kind of business."
    ),
    sample=SampleText(
        digest="sha256:88be4b93fbe0cc83421af1c503794c97c342eca914c1576db7c276e61d61358a",
        data=(
            "IBM's Telco customer churn sample: 7,043 customers of a made-up provider in"
            " California, published by IBM as a sample data set. The copy in `data/` is the"
            " one that the BSD-licensed `evalml` package carries; apart from the ids it equals"
            " `wa_churn` of R's MIT-licensed `modeldata`. Eleven customers in their first"
            " month have a blank total charge, which is a missing value. 22 rows are duplicates"
            " and are kept."
        ),
        limits=(
            "The data is a sample made for teaching: the figures say how the method works, not"
            " how your customers behave. Train on your own data before acting on an answer.",
            "Few customers stay beyond 72 months in the data; above that the answer is that of"
            " 72 months. The same holds for charges above 119 dollars a month.",
        ),
    ),
    limits=(
        "One snapshot without dates: nothing here shows how the model ages.",
        "With three fields the answer is a rough one; see the figures of that view.",
        "Gender, age and family are among the optional fields. Compare the segments above"
        " before using the answers in a way that treats these groups differently.",
    ),
)
