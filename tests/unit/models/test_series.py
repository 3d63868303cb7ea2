"""Requests of the input format `series-1`, and what a model sees of them."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from mlops.errors import ContractInvalid
from mlops.models.ridership.contract import RIDERSHIP
from mlops.models.series import COLUMNS, DAYS
from tests.any_forecast import CALLS, answer, calls, document, request

WEEK = [10.0, 11.0, 12.0, 13.0, 14.0, 4.0, 2.0]
"""From Monday on."""


def columns(**changed: Any) -> dict[str, NDArray[np.float32]]:
    """Return by name the columns of the days of one request, shape (days,)."""
    parsed = CALLS.request.model_validate(request(WEEK * 4) | changed)
    (days,) = CALLS.encoder.tensors([parsed])[DAYS]
    return dict(zip(COLUMNS, days.T, strict=True))


def refuse(**changed: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as caught:
        CALLS.request.model_validate(request(WEEK * 4) | changed)
    return [(*error["loc"], error["msg"]) for error in caught.value.errors()]


def as_days(found: NDArray[np.float32]) -> list[str]:
    return [str(date.fromordinal(int(day))) for day in found if day]


def test_the_days_after_the_history_have_the_level_of_their_weekday() -> None:
    found = columns(days=8)
    assert as_days(found["day"]) == [str(date(2026, 2, 2) + timedelta(n)) for n in range(8)]
    assert found["level"].tolist() == [*WEEK, WEEK[0], 0, 0]
    assert found["horizon"].tolist() == [*range(1, 9), 0, 0]
    assert found["weekday"][:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert found["kind"][:8].tolist() == [0, 0, 0, 0, 0, 1, 1, 0]
    assert found["last_7_days"][:8] == pytest.approx(1)


@pytest.mark.parametrize("days", [1, 10])
def test_the_shortest_and_longest_horizon(days: int) -> None:
    found = answer(request(WEEK * 4, days=days))["forecast"]
    assert [day["day"] for day in found] == [str(date(2026, 2, 2 + n)) for n in range(days)]


@pytest.mark.parametrize("sent", [{}, {"days": None}])
def test_without_a_horizon_the_default_is_meant(sent: dict[str, None]) -> None:
    assert len(answer(request(WEEK * 4, **sent))["forecast"]) == 5


def test_holidays_and_the_days_beside_them_are_told() -> None:
    found = columns(since="2025-12-01", calls=WEEK * 4, days=7)  # until December 28
    assert as_days(found["day"])[3:5] == ["2026-01-01", "2026-01-02"]
    assert found["holiday"][:5].tolist() == [0, 0, 0, 1, 0]
    assert found["holiday_before"][:5].tolist() == [0, 0, 0, 0, 1]
    assert found["holiday_after"][:5].tolist() == [0, 0, 1, 0, 0]
    assert found["days_until_major"][:5].tolist() == [3, 2, 1, 8, 8]
    assert found["days_since_major"][:5].tolist() == [8, 8, 8, 8, 1]
    assert found["kind"][:5].tolist() == [0, 0, 2, 2, 2]


def test_a_holiday_of_the_history_is_no_part_of_a_level() -> None:
    start = date(2025, 12, 15)
    history = [*WEEK * 4]
    history[(date(2026, 1, 1) - start).days] = 900.0
    assert columns(since=str(start), calls=history, days=7)["level"][:7].tolist() == WEEK


def test_unknown_days_are_left_out_of_levels_and_ratios() -> None:
    history: list[float | None] = [*WEEK * 3, 12.0, *[None] * 5, 2.0]
    found = columns(calls=history, days=7)
    assert found["level"][0] == pytest.approx((10 * 3 + 12) / 4)
    assert found["level"][1:7].tolist() == WEEK[1:]
    # Of the last seven days two are known: a Monday, and a Sunday.
    known = (12 / 10.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    assert found["last_7_days"][0] == pytest.approx(np.mean([known[0], 1.0]))
    assert found["yesterday"][0] == pytest.approx(1)
    unknown = columns(calls=[*WEEK * 3, *[None] * 7])
    assert np.isnan(unknown["last_7_days"][0])
    assert np.isnan(unknown["yesterday"][0])
    assert unknown["last_14_days"][0] == pytest.approx(1)


def test_a_weekday_that_is_never_known_has_the_mean_of_the_other_levels() -> None:
    history = [*[None, 2.0, 2.0, 2.0, 2.0, 2.0, 8.0] * 3]
    assert columns(calls=history, days=2)["level"][:2].tolist() == [3, 2]


def test_a_weekday_that_was_known_long_ago_has_the_level_of_then() -> None:
    history = [*WEEK, *[None, *WEEK[1:]] * 40]
    assert columns(since="2025-01-06", calls=history, days=1)["level"][0] == WEEK[0]


def test_a_history_of_zeros_is_forecast_as_zero() -> None:
    found = columns(calls=[0.0] * 14)
    assert found["level"].tolist() == [0] * 10
    assert np.isnan(found["last_7_days"][0])
    days = answer(request([0.0] * 14))["forecast"]
    assert {day[name] for day in days for name in day if name != "day"} == {0.0}


def test_last_year_is_compared_with_the_level_of_then() -> None:
    """The history of 400 days grows by half, with a dip that comes back each year."""
    start = date(2025, 1, 6)
    history = [10.0] * 200 + [15.0] * 200
    end = start + timedelta(400)
    dip = end - timedelta(364) - start
    history[dip.days] = 5.0
    found = columns(since=str(start), calls=history, days=2)
    assert np.isnan(found["last_year"][0]), "the level of then needs 60 days before"
    longer = calls(
        fields=[
            field | ({"max_length": 800} if field["name"] == "calls" else {})
            for field in document()["fields"]
        ]
    )
    sent = request([*[10.0] * 100, *history], since=str(start - timedelta(100)), days=2)
    (days,) = longer.encoder.tensors([longer.request.model_validate(sent)])[DAYS]
    by_name = dict(zip(COLUMNS, days.T, strict=True))
    assert by_name["last_year"][:2].tolist() == [0.5, 1.0]
    assert by_name["level_to_last_year"][0] == pytest.approx(1.5)
    assert by_name["around_last_year"][0] == pytest.approx((6 + 0.5) / 7)


@pytest.mark.parametrize("start", ["2024-02-01", "2023-12-02", "2024-02-16"])
def test_leap_days_are_days_like_others(start: str) -> None:
    first = date.fromisoformat(start)
    count = (date(2024, 2, 28) - first).days if first.month != 2 else 14
    found = answer(request([10.0] * max(count, 14), since=start, days=10))["forecast"]
    after = first + timedelta(max(count, 14))
    assert [day["day"] for day in found] == [str(after + timedelta(n)) for n in range(10)]


def test_the_forecast_goes_over_a_leap_day() -> None:
    found = answer(request([10.0] * 14, since="2024-02-12", days=5))["forecast"]
    assert [day["day"] for day in found][2:] == ["2024-02-28", "2024-02-29", "2024-03-01"]


@pytest.mark.parametrize(
    ("changed", "errors"),
    [
        ({"calls": []}, [("calls", "List should have at least 14 items after validation, not 0")]),
        ({"calls": [1.0] * 13}, [("calls", "List should have at least 14 items")]),
        ({"calls": [1.0] * 401}, [("calls", "List should have at most 400 items")]),
        (
            {"calls": [None] * 14},
            [("calls", "0 of the numbers are known, at least 7 are needed")],
        ),
        (
            {"calls": [1.0] * 6 + [None] * 20},
            [("calls", "6 of the numbers are known, at least 7 are needed")],
        ),
        ({"calls": [1.0] * 13 + [-1.0]}, [("calls", 13, "greater than or equal to 0")]),
        ({"calls": [1.0] * 13 + ["1"]}, [("calls", 13, "should be a valid number")]),
        ({"calls": [1.0] * 13 + [float("nan")]}, [("calls", 13, "should be a finite number")]),
        ({"calls": "1, 2"}, [("calls", "should be a valid list")]),
        ({"days": 0}, [("days", "greater than or equal to 1")]),
        ({"days": 11}, [("days", "less than or equal to 10")]),
        ({"days": 1.5}, [("days", "should be a valid integer")]),
        ({"since": "2024-02-30"}, [("since", "should be a date, such as 2026-01-31")]),
        ({"since": "1999-12-31"}, [("since", "greater than or equal to 2000-01-01")]),
        ({"since": "2031-01-01"}, [("since", "less than or equal to 2030-12-31")]),
        (
            {"since": "2030-12-01"},
            [("calls", "A forecast of the 10 days after the history would end after 2030-12-31")],
        ),
        ({"more": 1}, [("more", "Extra inputs are not permitted")]),
    ],
)
def test_a_request_that_cannot_be_answered_names_the_field(
    changed: dict[str, Any], errors: Sequence[tuple[Any, ...]]
) -> None:
    found = refuse(**changed)
    assert [error[:-1] for error in found] == [error[:-1] for error in errors]
    for (*_, message), (*_, part) in zip(found, errors, strict=True):
        assert part in message


def test_a_start_in_the_future_is_answered_until_the_last_day() -> None:
    found = answer(request([1.0] * 14, since="2030-12-08", days=10))["forecast"]
    assert found[-1]["day"] == "2030-12-31"


def test_seven_known_days_are_enough() -> None:
    history = [*[None] * 100, *WEEK, *[None] * 293]
    assert len(answer(request(history, days=10))["forecast"]) == 10


def test_no_requests_have_no_rows() -> None:
    assert CALLS.encoder.tensors([])[DAYS].shape == (0, 10, len(COLUMNS))


def test_the_layout_has_all_that_changes_what_a_column_means() -> None:
    inputs = document()["inputs"]
    others = [
        calls(inputs=inputs | {"holidays": inputs["holidays"][::-1]}),
        calls(
            fields=[
                field | ({"le": 9} if field["name"] == "days" else {})
                for field in document()["fields"]
            ]
        ),
    ]
    assert all(other.encoder.layout != CALLS.encoder.layout for other in others)
    renamed = calls(inputs=inputs | {"least_known": 8})
    assert renamed.encoder.layout == CALLS.encoder.layout


def with_field(name: str, **changed: Any) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in (field | changed).items() if value != "-"}
        if field["name"] == name
        else field
        for field in document()["fields"]
    ]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"inputs": {"format": "series-2"}}, "inputs: Input tag 'series-2'"),
        ({"inputs": {}}, "inputs.format: a forecast needs series-1"),
        ({"task": "regression"}, "inputs.format: a forecast needs series-1"),
        (
            {"inputs": document()["inputs"] | {"start": "begin"}},
            "inputs of series-1 need 'begin', of type date",
        ),
        ({"inputs": document()["inputs"] | {"seasons": 1}}, "inputs.seasons: Extra inputs"),
        (
            {"inputs": document()["inputs"] | {"holidays": [{"name": "x"}]}},
            "inputs.holidays.x: a holiday needs",
        ),
        (
            {"fields": [*document()["fields"], {"name": "open", "type": "boolean"}]},
            "take since, calls, days and no others",
        ),
        ({"fields": with_field("since", le="-")}, "since: the bounds ge and le are needed"),
        ({"fields": with_field("since", ge="1800-01-01")}, "its years must lie from 1900 to 2199"),
        ({"fields": with_field("since", ge="2031-01-01")}, "no date lies between its bounds"),
        ({"fields": with_field("since", ge=3)}, "the bounds of a date are dates"),
        ({"fields": with_field("days", ge="2020-01-01")}, "the bounds of a date are dates"),
        ({"fields": with_field("since", ge="soon")}, "since.ge: Input should be"),
        ({"fields": with_field("since", required=False)}, "must be required"),
        ({"fields": with_field("calls", ge=-1)}, "no number of a series is negative"),
        ({"fields": with_field("calls", min_length=3)}, "min_length is below 7"),
        ({"fields": with_field("days", ge=0)}, "it needs ge = 1, and le"),
        ({"fields": with_field("days", le=1_000)}, "le is above 366 days"),
        ({"fields": with_field("days", default="-")}, "default is missing"),
        ({"fields": document()["fields"][::-1]}, "'since' must come before 'calls'"),
        ({"segments": ["line"]}, "segments: a forecast has none"),
        ({"answer": {"name": "day"}}, "'day' has a meaning already"),
        ({"answer": {"name": "x", "intervals": [95, 80]}}, "answer.intervals: they must rise"),
        ({"answer": {"name": "x", "intervals": [100]}}, "less than or equal to 99"),
    ],
)
def test_a_contract_of_a_series_that_cannot_be_used_is_refused(
    changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ContractInvalid) as caught:
        calls(**changed)
    assert reason in str(caught.value)


def test_ridership_takes_what_is_promised() -> None:
    known = {"series_id": "Clark/Lake", "start": "2015-11-08"}
    histories: list[list[Any]] = [[19.1] * 42, [19.1] * 28 + [None] * 14, [19.1] * 800]
    for history in histories:
        RIDERSHIP.request.model_validate(known | {"history": history})
    refused: list[list[Any]] = [[19.1] * 41, [19.1] * 801, [19.1] * 27 + [None] * 20, [None] * 42]
    for history in refused:
        with pytest.raises(ValidationError):
            RIDERSHIP.request.model_validate(known | {"history": history})
    sent = RIDERSHIP.request.model_validate(known | {"history": [19.1] * 60})
    assert vars(sent)["horizon"] == 14
    days = RIDERSHIP.response.model_json_schema()["$defs"]["RidershipDay"]["properties"]
    assert [*days] == ["day", "ridership", "low_80", "high_80", "low_95", "high_95"]
