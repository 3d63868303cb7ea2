"""What the numbers of a forecast mean, and the forecaster that gives them."""

from datetime import date

import numpy as np
import pytest

from mlops.models.forecaster import DayRows, Forecaster, day_rows, fit_forecaster
from mlops.models.series import DAYS
from mlops.models.tasks import Lists, forecast_of
from tests.any_forecast import CALLS, FORECASTER, answer, calls, predictor, request

TASK = forecast_of(CALLS)
MONDAYS_LEVEL = 10.0


def numbers_of(*days: tuple[float, ...]) -> np.ndarray:
    """Return a row of numbers; of each day the forecast, the ends of two intervals, the level."""
    row = np.zeros((TASK.days, TASK.numbers_per_day))
    for place, numbers in enumerate(days):
        row[place] = [date(2026, 2, 2).toordinal() + place, *numbers]
    return row.reshape(1, -1)


TWO_DAYS = numbers_of((12, 10, 14, 8, 16, 10), (6, 5, 7, 4, 8, 10))


def test_an_answer_has_each_day_with_its_intervals() -> None:
    assert answer(request([10.0] * 14, days=2)) == {
        "line": "a",
        "forecast": [
            {
                **{"day": "2026-01-19", "expected": 10.1},
                **{"low_80": 9.1, "high_80": 11.1, "low_95": 8.1, "high_95": 12.1},
            },
            {
                **{"day": "2026-01-20", "expected": 10.2},
                **{"low_80": 9.2, "high_80": 11.2, "low_95": 8.2, "high_95": 12.2},
            },
        ],
    }


def test_no_number_is_negative_and_the_intervals_are_in_order() -> None:
    found = answer(request([10.0] * 14, since="2025-12-18", days=10))["forecast"]
    new_year = found[0]
    assert (new_year["day"], new_year["low_95"]) == ("2026-01-01", 0)
    for day in found:
        ordered = [day[name] for name in ("low_95", "low_80", "expected", "high_80", "high_95")]
        assert ordered == sorted(ordered)


def test_a_forecast_without_intervals() -> None:
    plain = calls(answer={"name": "expected"})
    task = forecast_of(plain)
    assert task.numbers_per_day == 3
    numbers = [*[739_650.0, 7.0, 5.0], *[0.0] * 27]
    assert task.answer(numbers) == {
        "forecast": [{"day": date.fromordinal(739_650), "expected": 7.0}]
    }
    label = np.array([task.read_label([8.0])])
    assert task.losses(label, np.array([numbers]))["absolute error"].tolist() == [1]


def test_columns_say_what_single_answers_do() -> None:
    numbers = np.concatenate([TWO_DAYS, numbers_of((1, 1, 1, 1, 1, 1)), numbers_of()])
    columns = TASK.answer_columns(numbers)["forecast"]
    assert isinstance(columns, Lists)
    assert columns.lengths.tolist() == [2, 1, 0]
    days = [day for row in numbers.tolist() for day in TASK.answer(row)["forecast"]]
    assert columns.columns["day"].tolist() == [str(day["day"]) for day in days]
    for name in TASK.names:
        assert columns.columns[name].tolist() == [day[name] for day in days]


def test_the_watched_number_is_the_mean_over_the_level() -> None:
    numbers = np.concatenate([TWO_DAYS, TWO_DAYS * [[1.2]], numbers_of((0, 0, 0, 0, 0, 0))])
    numbers[1, :: TASK.numbers_per_day] = TWO_DAYS[0, :: TASK.numbers_per_day]
    numbers[1, TASK.numbers_per_day - 1 :: TASK.numbers_per_day] /= 1.2
    assert TASK.watched(numbers).tolist() == [0.9, 1.08, 0]
    assert CALLS.watched_one(TWO_DAYS[0].tolist()) == 0.9


@pytest.mark.parametrize(
    ("label", "known"),
    [([1, 2.5], 2), ([None, 3], 1), ([1.0] * 10, 10)],
)
def test_a_label_is_a_list_of_days(label: list[float | None], known: int) -> None:
    found = TASK.read_label(label)
    assert found is not None
    assert len(found) == 10
    assert int((~np.isnan(found)).sum()) == known


@pytest.mark.parametrize("label", [[], [None], 3, "1", [True], ["1"], [1.0] * 11, None, {"a": 1}])
def test_what_is_no_list_of_days_is_no_label(label: object) -> None:
    assert TASK.read_label(label) is None


def test_losses_are_those_of_the_days_that_are_known_and_asked_for() -> None:
    labels = np.array([TASK.read_label([9, None, 100]), TASK.read_label([9, 8])])
    numbers = np.concatenate([TWO_DAYS, TWO_DAYS])
    found = TASK.losses(labels, numbers)
    assert found["absolute error"].tolist() == [3, 2.5]
    # The first day lies 1 below the 80 % interval of width 4, and in the 95 % one of width 8.
    first = ((4 + 1 * 2 / 0.2) + 8) / 2
    # The second day lies 1 above the 80 % interval of width 2, and at the end of the other.
    second = ((2 + 1 * 2 / 0.2) + 4) / 2
    assert found["interval score"] == pytest.approx([first, (first + second) / 2])
    covered = TASK.covered(labels, numbers)
    assert covered[80][1, :2].tolist() == [0, 0]
    assert covered[95][1, :2].tolist() == [1, 1]
    assert np.isnan(covered[80][0, 1:]).all()


def test_margins_are_five_percent_of_the_champions_losses() -> None:
    assert TASK.margins({"absolute error": 2.0}) == {"absolute error": pytest.approx(0.1)}


def test_the_graph_computes_what_the_forecaster_does() -> None:
    sent = [
        request([10.0, 11.5, None, 0.0, 3.25, 4.0, 8.0] * 4, days=days, since=since)
        for days in (1, 7, 10)
        for since in ("2025-12-01", "2026-02-02", "2024-02-01")
    ]
    tensors = CALLS.encoder.tensors([CALLS.request.model_validate(each) for each in sent])
    found = predictor().predict(tensors)
    assert found.shape == (9, 70)
    assert found == pytest.approx(FORECASTER.predict(tensors[DAYS]), abs=1e-3)
    assert predictor().predict(CALLS.encoder.tensors([])).shape == (0, 70)


def test_a_row_is_the_same_bits_alone_and_among_others() -> None:
    sent = [request([10.0 + n] * 14, days=1 + n) for n in range(5)]
    parsed = [CALLS.request.model_validate(each) for each in sent]
    together = predictor().predict(CALLS.encoder.tensors(parsed)).tolist()
    for each, expected in zip(parsed, together, strict=True):
        assert predictor().predict_one(CALLS.encoder.tensors([each])) == expected


class Ones:
    """Trees that predict the level, and remember how many days they were fitted to."""

    def __init__(self, last: int) -> None:
        self.last = last

    def fit(self, features: object, ratios: object, sample_weight: object) -> None: ...

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.ones(len(features))


def test_intervals_are_as_wide_as_errors_after_the_days_of_the_fit() -> None:
    """The series is 10 each day, and 12 on every tenth day of the last 100 of 400."""
    requests = [
        CALLS.request.model_validate(
            {"line": "a", "since": str(date.fromordinal(736_000 + day)), "calls": [10.0] * 14}
        )
        for day in range(400)
    ]
    tensors = CALLS.encoder.tensors(requests)
    days = tensors[DAYS][:, :, 0]
    labels = np.where((days >= 736_317) & (days % 10 == 0), 12.0, 10.0)
    labels[days == 0] = np.nan
    rows = day_rows(tensors[DAYS], labels)
    assert len(rows) == 400 * 5
    fitted: list[int] = []

    def fit_trees(part: DayRows) -> Ones:
        found = int(part.days.max())
        fitted.append(found)
        return Ones(found)

    found: Forecaster = fit_forecaster(
        rows,
        np.ones(len(rows), np.bool_),
        fit_trees,
        (80, 95),
        calibration_days=100,
        refits=2,
    )
    end = int(rows.days.max()) + 1
    assert fitted == [end - 101, end - 51, end - 1]
    assert found.widths[0] == pytest.approx([0, 0.2])
