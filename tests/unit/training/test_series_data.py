"""A CSV file of a series as forecasts whose outcome is known."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from mlops.errors import ContractInvalid, DataInvalid
from mlops.models.series import DAY, DAYS
from mlops.models.tasks import forecast_of
from mlops.training.data import Dataset, take
from mlops.training.evaluation import HOLDOUT_FORECASTS, ORIGIN_STEP, ForecastEvaluation
from mlops.training.loading import load
from mlops.training.series_data import load_series
from tests.any_forecast import CALLS, FORECASTER, calls

START = date(2019, 1, 1)
EVALUATION = ForecastEvaluation(forecast_of(CALLS))


def write(path: Path, numbers: Sequence[object], start: date = START) -> Path:
    rows = [f"{start + timedelta(day)},{number}" for day, number in enumerate(numbers)]
    file = path / "calls.csv"
    file.write_text("\n".join(["since,calls", *rows, ""]))
    return file


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return load(write(tmp_path, [day % 7 + 1 for day in range(2_500)]), CALLS)


def test_each_forecast_has_its_history_and_what_happened(data: Dataset) -> None:
    row = 100
    request, label = data.requests[row], data.labels[row]
    first = date.fromisoformat(request["since"]) + timedelta(len(request["calls"]))
    numbers = [(first - START).days % 7 + 1]
    assert label[0] == numbers[0]
    assert len(label) == request["days"] == 10
    assert len(request["calls"]) == 400
    assert request["calls"][-1] == (numbers[0] - 2) % 7 + 1
    assert len(data.requests[0]["calls"]) == 14
    assert {each["line"] for each in data.requests} == {"row 0"}


def test_the_holdout_is_after_all_that_is_trained_on_and_does_not_overlap(data: Dataset) -> None:
    train, holdout = EVALUATION.split(data)
    days = data.tensors[DAYS][:, :, DAY]
    assert len(holdout) == HOLDOUT_FORECASTS
    held_out = days[holdout][days[holdout] > 0]
    assert len(np.unique(held_out)) == len(held_out) == 5 * HOLDOUT_FORECASTS
    assert days[train].max() < held_out.min()
    assert date.fromordinal(int(held_out.max())) == START + timedelta(2_499)
    assert len(train) + len(holdout) == len(data)


def test_folds_roll_their_origin_forward(data: Dataset) -> None:
    days = data.tensors[DAYS][:, :, DAY]
    holdout = days[EVALUATION.split(data)[1]].max(axis=1).min()
    folds = [*EVALUATION.folds(data)]
    assert len(folds) == EVALUATION.fold_count
    ends = []
    for train, test in folds:
        assert days[train].max() < days[test][:, 0].min()
        assert days[test].max() < holdout
        assert len(test) >= 170 // ORIGIN_STEP
        ends.append(days[train].max())
    assert ends == sorted(ends)


def test_a_view_sends_the_last_days_of_the_history(data: Dataset) -> None:
    short, whole = data.by_view["two_weeks"][DAYS], data.by_view["all_days"][DAYS]
    assert np.array_equal(short[:, :, DAY], whole[:, :, DAY])
    assert not np.isnan(whole[-1, 0]).all()
    assert data.by_view["all_days"] is data.tensors


def test_figures_and_their_parts(data: Dataset) -> None:
    _, rows = EVALUATION.split(data)
    numbers = FORECASTER.predict(take(data.tensors, rows)[DAYS])
    found = EVALUATION.compute(data.targets[rows], numbers)
    names = [figure.name for figure in EVALUATION.figures]
    assert names == ["mae", "interval_score", "coverage_80", "coverage_95"]
    assert set(found) == set(names)
    # The ratio is 1 % too high for each day of the horizon, and no day leaves its interval.
    assert found["mae"] == pytest.approx(0.03 * 4, rel=0.05)
    assert found["coverage_80"] == found["coverage_95"] == 1
    by_horizon, by_kind = EVALUATION.breakdown(data, rows, numbers)
    assert [part[0] for part in by_horizon.parts] == ["1", "2", "3", "4", "5"]
    assert {part[1] for part in by_horizon.parts} == {str(HOLDOUT_FORECASTS)}
    assert [part[0] for part in by_kind.parts][:2] == ["weekday", "weekend"]


def test_days_that_are_left_out_or_blank_are_unknown(tmp_path: Path) -> None:
    file = write(tmp_path, range(200))
    lines = file.read_text().splitlines()
    del lines[12]
    lines[5] = lines[5].split(",")[0] + ","
    file.write_text("\n".join(lines))
    history = load_series(file, CALLS).requests[0]["calls"]
    assert history[:4] == [0, 1, 2, 3]
    assert [place for place, number in enumerate(history) if number is None] == [4, 11]


def test_too_few_days_are_named(tmp_path: Path, data: Dataset) -> None:
    few = load(write(tmp_path, range(300)), CALLS)
    assert "too few to judge by: 2,190 are needed" in EVALUATION.find_shortages(few.targets)[0]
    assert EVALUATION.find_shortages(data.targets) == []
    same = np.ones_like(data.targets)
    assert "nothing to predict" in EVALUATION.find_shortages(same)[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "header: columns that are missing: calls, since"),
        ("since,calls\n", "file: it has no rows"),
        ("since,calls\n2026-01-05,1\n", "file: it has too few days for a forecast"),
        ("since,number\n2026-01-05,1\n", "missing: calls"),
        ("since,calls,calls\n2026-01-05,1,1\n", "appear twice: calls"),
        ("since,calls\n05.01.2026,1\n", "line 2, since: should be a date"),
        ("since,calls\n2026-01-05,one\n", "line 2, calls: should be a number from 0 to 1000"),
        ("since,calls\n2026-01-05,-1\n", "line 2, calls: should be a number from 0 to 1000"),
        ("since,calls\n2026-01-05,1\n2026-01-05,1\n", "line 3, since: the days should rise"),
        ("since,calls\n2026-01-05,1\n2026-01-04,1\n", "line 3, since: the days should rise"),
        ("since,calls\n2026-01-05,1\n2028-01-04,1\n", "more than 366 days are missing"),
        ("since,calls\n2026-01-05,1,2\n", "line 2, row: the row has 3 cells, the header 2"),
    ],
)
def test_a_file_that_cannot_be_used_names_line_and_column(
    tmp_path: Path, text: str, reason: str
) -> None:
    file = tmp_path / "calls.csv"
    file.write_text(text)
    with pytest.raises(DataInvalid) as caught:
        load_series(file, CALLS)
    assert reason in str(caught.value)


def test_a_contract_without_a_label_cannot_be_trained(tmp_path: Path) -> None:
    with pytest.raises(ContractInvalid, match="label is missing"):
        load_series(write(tmp_path, range(200)), calls(label=None))
