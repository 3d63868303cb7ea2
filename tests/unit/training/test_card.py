"""The model card: what it says of the project's own data, and what of anybody else's."""

from dataclasses import replace

import numpy as np
import pytest

from mlops.models.churn.data import load
from mlops.models.churn.training import CHURN_PLAN
from mlops.models.plan import Dataset
from mlops.training.card import model_card
from mlops.training.evaluation import CrossValidation, Figures
from tests.unit.models.telco import TELCO

FIGURES = Figures(roc_auc=0.84, brier=0.135, ece=0.01)
TEXT = CHURN_PLAN.card


@pytest.fixture(scope="module")
def telco() -> Dataset:
    return load(TELCO)


def card(data: Dataset) -> str:
    """With figures that are nobody's."""
    results = {view.name: CrossValidation(FIGURES, FIGURES, 0.01) for view in CHURN_PLAN.views}
    holdout = {view.name: FIGURES for view in CHURN_PLAN.views}
    rows = np.arange(200)
    return model_card(CHURN_PLAN, data, results, holdout, rows, np.full(200, 0.25)).decode()


def test_the_sample_is_described_with_its_limits(telco: Dataset) -> None:
    told = card(telco)
    assert f"## Data\n{TEXT.sample.data}\n\nRows: 7,043" in told
    limits = [f"- {limit}" for limit in (*TEXT.sample.limits, *TEXT.limits)]
    assert told.endswith("\n".join(["## Limits", *limits, ""]))


def test_other_data_is_not_taken_for_the_sample(telco: Dataset) -> None:
    own = replace(telco, digest="sha256:0123")
    told = card(own)
    assert "## Data\nNot the sample that the project ships." in told
    assert "Rows: 7,043, of which 26.5% are positive. Digest: `sha256:0123`." in told
    assert told.endswith("\n".join(["## Limits", *(f"- {limit}" for limit in TEXT.limits), ""]))
    for only_of_the_sample in ("IBM", "evalml", "Eleven", "duplicates", "teaching", "72 months"):
        assert only_of_the_sample not in told
