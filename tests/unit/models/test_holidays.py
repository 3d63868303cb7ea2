"""Rules for holidays, in any year."""

from datetime import date

import pytest
from pydantic import ValidationError

from mlops.models.holidays import Calendar, Holiday, easter_sunday


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ({"month": 7, "day": 4}, ["2026-07-04", "2027-07-04"]),
        ({"month": 7, "day": 4, "observed": True}, ["2026-07-03", "2027-07-05", "2028-07-04"]),
        ({"month": 11, "weekday": "thursday", "nth": 4}, ["2026-11-26", "2027-11-25"]),
        (
            {"month": 11, "weekday": "thursday", "nth": 4, "days_after": 1},
            ["2026-11-27", "2027-11-26"],
        ),
        ({"month": 5, "weekday": "monday", "nth": -1}, ["2026-05-25", "2027-05-31"]),
        ({"month": 12, "weekday": "thursday", "nth": -1}, ["2026-12-31"]),
        ({"month": 3, "day": 17, "weekday": "saturday"}, ["2026-03-14", "2018-03-17"]),
        ({"easter": -2}, ["2024-03-29", "2025-04-18", "2026-04-03"]),
        ({"easter": 39}, ["2024-05-09"]),
    ],
)
def test_a_rule_gives_the_day_of_each_year(rule: dict[str, object], days: list[str]) -> None:
    holiday = Holiday.model_validate({"name": "x", **rule})
    for day in map(date.fromisoformat, days):
        assert holiday.in_year(day.year) == day


def test_easter_of_the_earliest_and_latest_kind() -> None:
    days = ("1913-03-23", "1943-04-25", "2000-04-23", "2008-03-23", "2038-04-25", "2160-03-23")
    assert [str(easter_sunday(int(day[:4]))) for day in days] == [*days]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({}, "a holiday needs month and day"),
        ({"month": 5}, "a holiday needs month and day"),
        ({"month": 5, "day": 1, "easter": 2}, "a holiday needs month and day"),
        ({"month": 5, "weekday": "monday"}, "a holiday needs month and day"),
        ({"month": 5, "weekday": "monday", "nth": 0}, "nth is 1 to 4, or -1"),
        ({"month": 2, "day": 29}, "not every year has this day"),
        ({"month": 13, "day": 1}, "less than or equal to 12"),
        ({"month": 5, "weekday": "moonday", "nth": 1}, "Input should be 'monday'"),
    ],
)
def test_a_rule_that_means_no_day_is_refused(rule: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Holiday.model_validate({"name": "x", **rule})


CALENDAR = Calendar(
    [
        Holiday(name="New Year", month=1, day=1, major=True),
        Holiday(name="Eve", month=12, day=31),
        Holiday(name="between", month=12, day=29),
        Holiday(name="between", month=12, day=30),
        Holiday(name="last", month=12, day=31),
        Holiday(name="long weekend", month=5, weekday="monday", nth=-1),
    ]
)


def ordinal(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def test_the_first_of_two_holidays_on_one_day_counts() -> None:
    assert CALENDAR.names == ("New Year", "Eve", "between", "last", "long weekend")
    codes = [CALENDAR.code(ordinal(f"2025-12-{day}")) for day in (28, 29, 30, 31)]
    assert codes == [0, 3, 3, 2]
    assert CALENDAR.is_major(ordinal("2026-01-01"))
    assert not CALENDAR.is_major(ordinal("2025-12-31"))


@pytest.mark.parametrize(
    ("day", "before"),
    [
        ("2026-01-01", "2025-01-01"),
        ("2025-12-30", "2024-12-30"),
        ("2026-05-25", "2025-05-26"),
        ("2026-05-26", "2025-05-27"),
        ("2024-02-29", "2023-03-02"),
        ("2025-02-28", "2024-03-01"),
    ],
)
def test_the_same_day_last_year_is_of_the_same_holiday_or_weekday(day: str, before: str) -> None:
    found = CALENDAR.same_day_last_year(ordinal(day))
    assert found is not None
    assert str(date.fromordinal(found)) == before


def test_a_holiday_that_the_year_before_had_on_no_day_of_it_has_none() -> None:
    moving = Calendar([Holiday(name="observed", month=1, day=1, observed=True)])
    # January 1, 2022 was a Saturday: observed on a day of 2021, which is not in its year.
    assert moving.same_day_last_year(ordinal("2023-01-02")) is None
