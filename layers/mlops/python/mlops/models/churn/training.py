"""How the churn model is trained: gradient boosted trees that know what missing means."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from mlops.models.churn.contract import CHURN
from mlops.models.churn.data import load
from mlops.models.columns import MISSING, Columns, concatenate
from mlops.models.plan import Bounds, CardText, SampleText, TrainingPlan, View

MASKED_COPIES = 3
THREE_FIELDS_SHARE = 0.3
"""Share of the masked rows that keep nothing but the required fields."""

_OPTIONAL = [
    place
    for place, name in enumerate((*CHURN.numeric, *CHURN.categorical))
    if not CHURN.request.model_fields[name].is_required()
]
"""Columns of the fields that a client may leave out."""


def three_fields(columns: Columns) -> Columns:
    """The rows as a client sends them that knows the required fields only."""
    return _blank(columns, np.ones((len(columns), len(_OPTIONAL)), dtype=bool))


def with_masked_copies(
    columns: Columns, labels: NDArray[np.int64], generator: np.random.Generator
) -> tuple[Columns, NDArray[np.int64]]:
    """The rows, and copies of them in which random optional fields are missing.

    Each copied row draws its own rate, uniform in [0, 1), so that all numbers of missing fields
    are met in training; a share loses every optional field.
    """
    copies = [columns]
    for _ in range(MASKED_COPIES):
        rate = generator.random((len(columns), 1))
        mask = generator.random((len(columns), len(_OPTIONAL))) < rate
        mask[generator.random(len(columns)) < THREE_FIELDS_SHARE] = True
        copies.append(_blank(columns, mask))
    return concatenate(copies), np.tile(labels, len(copies))


def fit(columns: Columns, labels: NDArray[np.int64], seed: int) -> HistGradientBoostingClassifier:
    rows, targets = with_masked_copies(columns, labels, np.random.default_rng(seed))
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
    return trees.fit(rows.values, targets)


def _blank(columns: Columns, mask: NDArray[np.bool_]) -> Columns:
    """mask: of shape (n, optional columns)."""
    values = columns.values.copy()
    optional = values[:, _OPTIONAL]
    optional[mask] = MISSING
    values[:, _OPTIONAL] = optional
    return Columns(values)


CHURN_PLAN = TrainingPlan(
    contract=CHURN,
    default_data="data/telco_churn.csv.gz",
    load=load,
    fit=fit,
    views=(
        View(
            "full",
            "every field is sent",
            lambda columns: columns,
            Bounds(min_roc_auc=0.84, max_brier=0.137, max_ece=0.02, leak_roc_auc=0.87),
        ),
        View(
            "three_fields",
            "only the required fields are sent",
            three_fields,
            Bounds(min_roc_auc=0.815, max_brier=0.1465, leak_roc_auc=0.87),
        ),
    ),
    card=CardText(
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
    ),
)
