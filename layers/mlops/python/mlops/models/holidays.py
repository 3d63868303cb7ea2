"""Days that differ from others of their weekday, as rules for any year.

A model of daily numbers sees which of these a day is. The rules are part of its contract, so the
calendar of another country is another list.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from mlops.models.documents import Document

FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Of the days that a calendar knows."""

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
_SATURDAY, _SUNDAY = 5, 6
_YEAR = 365


class Holiday(Document):
    """The rule of one day of the year.

    It is one of these: `month` and `day`; `month`, `weekday` and `nth`; `month`, `day` and
    `weekday`, for the last such weekday until that day; or `easter`, in days after Easter Sunday.

    nth: 1 is the first one of the month, -1 the last one.
    days_after: days that are added.
    observed: whether it moves from a Saturday to the Friday before it, and from a Sunday to the
        Monday after it.
    major: whether the days around it differ, too.
    """

    name: str = Field(min_length=1)
    month: int | None = Field(default=None, ge=1, le=12)
    day: int | None = Field(default=None, ge=1, le=31)
    weekday: Weekday | None = None
    nth: int | None = Field(default=None, ge=-1, le=4)
    easter: int | None = Field(default=None, ge=-60, le=60)
    days_after: int = Field(default=0, ge=-30, le=30)
    observed: bool = False
    major: bool = False

    @model_validator(mode="after")
    def _is_one_rule(self) -> Self:
        sent = {name for name in _PARTS if getattr(self, name) is not None}
        if sent not in _RULES:
            raise ValueError(
                "a holiday needs month and day; month, weekday and nth; month, day and weekday; or"
                " easter"
            )
        if self.nth == 0:
            raise ValueError("nth is 1 to 4, or -1 for the last one")
        if self.month is not None and self.day is not None:
            try:
                date(2001, self.month, self.day)
            except ValueError as error:
                raise ValueError("not every year has this day") from error
        return self

    def in_year(self, year: int) -> date:
        """Return the holiday's day in a year."""
        found = self._before_moves(year)
        if self.observed and found.weekday() in (_SATURDAY, _SUNDAY):
            found += timedelta(1 if found.weekday() == _SUNDAY else -1)
        return found + timedelta(self.days_after)

    def _before_moves(self, year: int) -> date:
        if self.month is None:
            return easter_sunday(year) + timedelta(self.easter or 0)
        if self.weekday is None:
            return date(year, self.month, self.day or 1)
        weekday = _WEEKDAYS.index(self.weekday)
        if self.nth is not None and self.nth > 0:
            first = date(year, self.month, 1)
            return first + timedelta((weekday - first.weekday()) % 7 + 7 * (self.nth - 1))
        last = date(year, self.month, self.day) if self.day else _end_of_month(year, self.month)
        return last - timedelta((last.weekday() - weekday) % 7)


_PARTS = ("month", "day", "weekday", "nth", "easter")
_RULES = (
    {"month", "day"},
    {"month", "weekday", "nth"},
    {"month", "day", "weekday"},
    {"easter"},
)


def easter_sunday(year: int) -> date:
    """Return the day of Easter in the Gregorian calendar.

    The algorithm of Oudin, as in the Explanatory Supplement to the Astronomical Almanac (1992).
    """
    century = year // 100
    golden = year % 19
    shift = (century - 17) // 25
    moon = (century - century // 4 - (century - shift) // 3 + 19 * golden + 15) % 30
    moon -= (moon // 28) * (1 - (moon // 28) * (29 // (moon + 1)) * ((21 - golden) // 11))
    weekday = (year + year // 4 + moon + 2 - century + century // 4) % 7
    days = moon - weekday
    month = 3 + (days + 40) // 44
    return date(year, month, days + 28 - 31 * (month // 4))


def _end_of_month(year: int, month: int) -> date:
    following = date(year + month // 12, month % 12 + 1, 1)
    return following - timedelta(1)


class Calendar:
    """Says of each day which holiday it is. Days are ordinals: 1 is January 1 of the year 1.

    Of two holidays on one day, the first one of the list counts. Holidays of the same name are one
    holiday of several days.
    """

    def __init__(self, holidays: Sequence[Holiday]) -> None:
        self._holidays = holidays
        self.names: tuple[str, ...] = tuple(dict.fromkeys(holiday.name for holiday in holidays))
        self._major = frozenset(
            self.names.index(holiday.name) + 1 for holiday in holidays if holiday.major
        )
        self._years: dict[int, dict[int, int]] = {}
        self._codes = _Codes(self._year)

    def code(self, day: int) -> int:
        """Return the place of the day's holiday among `names`, from 1; 0 for any other day."""
        return self._codes[day]

    def is_major(self, day: int) -> bool:
        return self._codes[day] in self._major

    def same_day_last_year(self, day: int) -> int | None:
        """Return the day that is most like this one: of the same holiday, else of the same weekday.

        None where the year before has no such holiday.
        """
        code = self.code(day)
        if code == 0:
            return day - 364
        found = date.fromordinal(day)
        same = [other for other, its in self._year(found.year - 1).items() if its == code]
        of_month = [other for other in same if date.fromordinal(other).day == found.day]
        if len(same) > 1 and of_month:
            same = of_month
        return min(same, key=lambda other: abs(day - _YEAR - other), default=None)

    def _year(self, year: int) -> dict[int, int]:
        known = self._years.get(year)
        if known is None:
            known = self._years[year] = {}
            for holiday in self._holidays:
                day = holiday.in_year(year)
                if day.year == year:
                    known.setdefault(day.toordinal(), self.names.index(holiday.name) + 1)
        return known


class _Codes(dict[int, int]):
    """The codes of days. A year is added when one of its days is first asked for."""

    def __init__(self, year: Callable[[int], Mapping[int, int]]) -> None:
        self._year = year

    def __missing__(self, day: int) -> int:
        year = date.fromordinal(day).year
        for other in range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1):
            self[other] = 0
        self.update(self._year(year))
        return self[day]
