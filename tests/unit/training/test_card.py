"""The model card: what it says of the project's own data, and what of anybody else's."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlops.models.churn.training import CHURN_PLAN
from mlops.models.contract import Contract
from mlops.models.plan import CardText
from mlops.training.card import model_card
from mlops.training.data import Dataset
from mlops.training.evidence import CrossValidation, Evidence
from tests.unit.models.telco import telco_data
from tests.unit.training.plans import BIKES, FRUIT, bikes_rows, fruit_rows, read_rows

FIGURES = {"roc_auc": 0.84, "brier": 0.135, "ece": 0.01}
SPREAD = {"roc_auc": 0.0099, "brier": 0.002, "ece": 0.003}
TEXT = CardText(purpose="It shows something.", data="Made up.", limits=())


def evidence(data: Dataset, figures: Mapping[str, float], k: int = 1) -> Evidence:
    """Figures that are nobody's, of the first 200 rows."""
    return Evidence(
        holdout_rows=np.arange(200),
        holdout_numbers=np.full((200, k), 1 / max(k, 4)),
        holdout=dict.fromkeys(data.by_view, figures),
        parity=0.0,
    )


def card(data: Dataset) -> str:
    found = replace(
        evidence(data, FIGURES),
        cross_validation={name: CrossValidation(FIGURES, SPREAD) for name in data.by_view},
    )
    return model_card(data, CHURN_PLAN.card_text(data.digest), found).decode()


def test_the_sample_is_described_with_its_limits() -> None:
    told = card(telco_data())
    assert f"## Data\n{CHURN_PLAN.sample.data}\n\nRows: 7,043; 26.5% are positive." in told
    limits = [f"- {limit}" for limit in (*CHURN_PLAN.sample.limits, *CHURN_PLAN.limits)]
    assert told.endswith("\n".join(["## Limits", *limits, ""]))


def test_other_data_is_not_taken_for_the_sample() -> None:
    told = card(replace(telco_data(), digest="sha256:0123"))
    assert "## Data\nNot the sample that the project ships." in told
    assert "Rows: 7,043; 26.5% are positive. Digest: `sha256:0123`." in told
    assert told.endswith("\n".join(["## Limits", *(f"- {it}" for it in CHURN_PLAN.limits), ""]))
    for only_of_the_sample in ("IBM", "evalml", "Eleven", "duplicates", "teaching", "72 months"):
        assert only_of_the_sample not in told


def test_cross_validated_figures_have_their_spread_unless_they_are_pooled() -> None:
    told = card(telco_data())
    assert (
        "| three_fields: only the required fields are sent | 0.8400 ± 0.0099 | 0.1350 ± 0.0020"
        " | 0.0100 |" in told
    )
    assert "Cross-validated, 5 stratified folds, 5 times;" in told


def test_a_model_that_was_trained_elsewhere_has_the_figures_of_its_holdout_alone(
    tmp_path: Path,
) -> None:
    data = read_rows(tmp_path, FRUIT, fruit_rows())
    figures = {"accuracy": 0.9, "brier": 0.2, "roc_auc": 0.95}
    told = model_card(data, TEXT, evidence(data, figures, k=3)).decode()
    assert [line for line in told.splitlines() if line.startswith("#")] == [
        "# Kind of a fruit",
        "## What it is for",
        "## Data",
        "## Figures",
    ]
    assert "Rows: 300; 33.3% are apple, 33.3% are pear, 33.3% are plum. Digest" in told
    assert "Cross-validated" not in told
    assert "| full | 0.9000 | 0.2000 | 0.9500 |" in told


def test_the_time_until_a_label_is_known_is_said(tmp_path: Path) -> None:
    data = read_rows(tmp_path, BIKES, bikes_rows())
    document = json.loads(data.contract.to_json())
    document["label"]["horizon_days"] = 30
    later = replace(data, contract=Contract.from_json(json.dumps(document).encode(), "a contract"))
    figures = {"mae": 1.5, "rmse": 2.0, "r2": 0.5}
    said = "Whether a prediction was right is known 30 days after it."
    told = [model_card(each, TEXT, evidence(each, figures)).decode() for each in (data, later)]
    assert [said in each for each in told] == [False, True]


def test_a_name_with_a_line_break_breaks_no_line(tmp_path: Path) -> None:
    data = read_rows(tmp_path, FRUIT, fruit_rows())
    document = data.contract.to_json().replace(b'"plum"', b'"plum\\n# red"')
    odd = replace(
        data,
        contract=Contract.from_json(document, "contract.json"),
        labels=["plum\n# red" if label == "plum" else label for label in data.labels],
    )
    figures = {"accuracy": 0.9, "brier": 0.2, "roc_auc": 0.95}
    told = model_card(odd, TEXT, evidence(odd, figures, k=3)).decode()
    assert "33.3% are plum # red. Digest" in told


def test_segments_have_the_levels_and_the_figures_of_the_task(tmp_path: Path) -> None:
    data = read_rows(tmp_path, BIKES, bikes_rows())
    told = model_card(data, TEXT, evidence(data, {"mae": 1.5, "rmse": 20_000, "r2": 0.5})).decode()
    assert "| all | 1.5 | 20,000 | 0.5000 |" in told
    table = told[told.index("## By segment") :].splitlines()[3:]
    assert table[0] == (
        "| segment | rows | mean | predicted | mean absolute error | root mean squared error | R² |"
    )
    rows = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1:] for line in table[2:4]}
    assert rows.keys() == {"holiday False", "holiday True"}
    mean = np.mean([int(row["hired"]) for row in bikes_rows()[:200] if row["holiday"] == "True"])
    assert rows["holiday True"][1:3] == [f"{mean:,.5g}", "0.25"]


@pytest.mark.parametrize(("rows", "shown"), [(49, False), (50, True)])
def test_a_segment_of_few_rows_has_no_figures(tmp_path: Path, rows: int, shown: bool) -> None:
    """Only its number of rows decides."""
    chosen = [
        {**row, "holiday": str(number < rows)} for number, row in enumerate(bikes_rows()[:200])
    ]
    data = read_rows(tmp_path, BIKES, chosen)
    told = model_card(data, TEXT, evidence(data, {"mae": 1, "rmse": 1, "r2": 0})).decode()
    (line,) = [line for line in told.splitlines() if line.startswith("| holiday True")]
    assert ("too few rows" not in line) is shown


def test_a_segment_of_one_class_has_no_figures() -> None:
    data = telco_data()
    stay = np.flatnonzero(data.targets == 0)[:200]
    one_class = replace(evidence(data, FIGURES), holdout_rows=stay)
    told = model_card(data, TEXT, one_class).decode()
    assert told.count("too few rows") >= 2 * 3
