"""Labelled rows: their labels as numbers, and what clients of each view send of them."""

from pathlib import Path

import numpy as np
import pytest

from mlops.models.churn.contract import CHURN
from mlops.models.tabular import INPUT
from mlops.training.data import Dataset, take, views_of
from tests.unit.models.telco import telco_data
from tests.unit.training.plans import BIKES, FRUIT, bikes_rows, read_rows

TEMPERATURE, WIND, HOLIDAY, DAY, WEATHER = range(5)


@pytest.fixture
def bikes(tmp_path: Path) -> Dataset:
    return read_rows(tmp_path, BIKES, bikes_rows(12))


def test_a_view_has_its_fields_and_the_required_ones(bikes: Dataset) -> None:
    whole, some = bikes.by_view["all"][INPUT], bikes.by_view["some"][INPUT]
    assert whole is bikes.tensors[INPUT]
    kept = [TEMPERATURE, HOLIDAY, DAY]
    np.testing.assert_array_equal(some[:, kept], whole[:, kept])
    assert np.isnan(some[:, [WIND, WEATHER]]).all()


def test_a_field_that_is_not_sent_has_its_default() -> None:
    rows = [{"hour_id": 1_000, "temperature": 20, "holiday": True}]
    contract = BIKES.model_validate(
        BIKES.model_dump(by_alias=True)
        | {"views": ({"name": "least", "description": "", "fields": "required"},)}
    )
    data = Dataset(contract, rows, [5], "sha256:none")
    assert data.tensors[INPUT][0, HOLIDAY] == 1
    assert data.by_view["least"][INPUT][0, HOLIDAY] == 0


def test_three_fields_of_churn_are_what_such_a_client_sends() -> None:
    sent = CHURN.encoder.tensors(
        [
            CHURN.request.model_validate(
                {name: row[name] for name in ("customer_id", "tenure", "monthly_charges")}
            )
            for row in telco_data().requests[:5]
        ]
    )
    reduced = take(telco_data().by_view["three_fields"], np.arange(5))
    np.testing.assert_array_equal(sent[INPUT], reduced[INPUT])


def test_a_contract_without_views_has_one_with_all_fields() -> None:
    (view,) = views_of(FRUIT)
    assert (view.name, view.fields) == ("full", "all")


def test_positions_of_classes_are_integers_and_other_labels_are_not() -> None:
    requests = [{"weight": 30, "length": 4}] * 2
    kinds = Dataset(FRUIT, requests, ["plum", "apple"], "sha256:none").targets
    assert (kinds.tolist(), kinds.dtype) == ([2, 0], np.int64)
    hired = Dataset(BIKES, [], [3, 4.5], "sha256:none").targets
    assert (hired.tolist(), hired.dtype) == ([3.0, 4.5], np.float64)
    assert telco_data().targets.dtype == np.int64


def test_rows_without_a_value_are_a_group(bikes: Dataset) -> None:
    assert bikes.groups("weather").tolist()[:3] == ["dry", "rain", "missing"]
