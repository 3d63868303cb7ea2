"""The input format `series-1`: of each day to forecast, what the history and the calendar say.

A model predicts the ratio of a day to its level, which is what such a weekday had lately. So the
history is reduced to ratios here, and one model fits series of any size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property, lru_cache
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlops.models.holidays import Calendar
from mlops.models.inputs import Tensors

if TYPE_CHECKING:
    from mlops.models.contract import Contract, RequestField
    from mlops.models.formats import SeriesFormat

DAYS = "days"
"""Name of the tensor among the inputs of the graph; shape (n, horizon, columns)."""

KINDS = ("weekday", "weekend", "holiday or near one")
"""Kinds of days, whose errors differ."""

COLUMNS = (
    # What an answer needs, and no feature: the day as an ordinal, its level, its kind.
    "day",
    "level",
    "kind",
    "horizon",
    "weekday",
    "day_of_year",
    "month",
    "day_of_month",
    "holiday",
    "holiday_before",
    "holiday_after",
    "days_since_major",
    "days_until_major",
    # Ratios of days to the level of their weekday; NaN where the history does not tell.
    "last_7_days",
    "last_14_days",
    "last_28_days",
    "yesterday",
    "same_weekday",
    "last_year",
    "two_years_ago",
    "around_last_year",
    "level_to_last_year",
)
DAY, LEVEL, KIND = range(3)
FEATURES = COLUMNS[3:]

_WEEK, _YEAR = 7, 364
_LEVEL_DAYS, _LEVEL_WEEKS = 6, 20
"""A level is the mean of so many days of a weekday, which lie at most so many weeks back."""
_BEFORE_LEVEL = 60
"""Days of history that a level in the past needs."""
_RECENT = 35
_FAR = 8
"""From here on a major holiday is far away."""


class SeriesInputs:
    """Turns requests into a tensor of shape (n, most days to forecast, columns).

    Days after a request's own horizon are all zeros.
    """

    fields: tuple[RequestField, ...] = ()

    def __init__(self, contract: Contract, format: SeriesFormat) -> None:
        self._format = format
        self.longest = int(contract.by_name[format.horizon].bounds["le"])
        self.calendar = Calendar(format.holidays)
        self._describe_day: Callable[[int], tuple[int, ...]] = lru_cache(4096)(self._describe)
        self._year_before: Callable[[int], int | None] = lru_cache(4096)(
            self.calendar.same_day_last_year
        )

    @property
    def signature(self) -> Mapping[str, tuple[str, int | None]]:
        """By name, ONNX Runtime's type and the last dimension of each input of the graph."""
        return {DAYS: ("tensor(float)", len(COLUMNS))}

    @cached_property
    def layout(self) -> str:
        """The columns, the days to forecast, and the holidays in the order of their codes; JSON."""
        holidays = [holiday.model_dump(exclude_defaults=True) for holiday in self._format.holidays]
        return json.dumps({"columns": COLUMNS, "days": self.longest, "holidays": holidays})

    def tensors(self, requests: Sequence[object]) -> Tensors:
        """Return the inputs of the graph for validated requests."""
        found = np.zeros((len(requests), self.longest, len(COLUMNS)), np.float32)
        for place, request in enumerate(requests):
            rows = self._rows(vars(request))
            found[place, : len(rows)] = rows
        return {DAYS: found}

    def _rows(self, request: Mapping[str, Any]) -> list[tuple[float, ...]]:
        format = self._format
        history = [nan if number is None else number for number in request[format.history]]
        series = _Series(
            history, request[format.start].toordinal(), self.calendar, self._year_before
        )
        first = series.end
        return [
            (
                day,
                series.level(day),
                *self._describe_day(day)[:1],
                day - first + 1,
                *self._describe_day(day)[1:],
                *series.ratios(day),
            )
            for day in range(first, first + request[format.horizon])
        ]

    def _describe(self, day: int) -> tuple[int, ...]:
        """Return the kind of a day, then the features that the calendar gives."""
        calendar, found = self.calendar, date.fromordinal(day)
        since = next((n for n in range(1, _FAR) if calendar.is_major(day - n)), _FAR)
        until = next((n for n in range(1, _FAR) if calendar.is_major(day + n)), _FAR)
        code, weekday = calendar.code(day), found.weekday()
        kind = 2 if code or since == 1 or until == 1 else int(weekday >= 5)
        neighbours = calendar.code(day - 1), calendar.code(day + 1)
        of_year = found.timetuple().tm_yday
        return (
            *(kind, weekday, of_year, found.month, found.day),
            *(code, *neighbours, since, until),
        )


class _Series:
    """The history of one request. Days are ordinals; NaN where a number is not known."""

    def __init__(
        self,
        history: Sequence[float],
        start: int,
        calendar: Calendar,
        year_before: Callable[[int], int | None],
    ) -> None:
        self._history = history
        self._start = start
        self._year_before = year_before
        self._code = calendar.code
        self.end = start + len(history)
        self._ratios: dict[int, float] = {}
        self._levels = self._all_levels()
        self._past_levels = [
            self._level_before(self.end - _YEAR, weekday)
            if self.end - _YEAR - _BEFORE_LEVEL >= start
            else nan
            for weekday in range(_WEEK)
        ]
        self._recent = [*self._recent_ratios()]
        self._constant = (
            _mean([ratio for ratio in self._recent[:7] if ratio == ratio]),
            _mean([ratio for ratio in self._recent[:14] if ratio == ratio]),
            _mean([ratio for ratio in self._recent[:28] if ratio == ratio]),
            self._ratio_now(self.end - 1),
        )

    def level(self, day: int) -> float:
        """Return the level of the day's weekday at the end of the history."""
        return self._levels[_weekday(day)]

    def ratios(self, day: int) -> tuple[float, ...]:
        """Return the features of a day to forecast that the history gives."""
        weekday = _weekday(day)
        level = self._levels[weekday]
        same = next((self._ratio_now(it) for it in self._plain_days(weekday, 4)), nan)
        year_before = self._year_before(day)
        two_before = year_before and self._year_before(year_before)
        around = nan
        if not self._code(day):
            near = [self._ratio_then(it) for it in range(day - _YEAR - 3, day - _YEAR + 4)]
            around = _mean([ratio for ratio in near if ratio == ratio])
        past = self._past_levels[weekday]
        return (
            *self._constant,
            same,
            self._ratio_then(year_before) if year_before else nan,
            self._ratio_then(two_before) if two_before else nan,
            around,
            level / past if past > 0 else 1.0,
        )

    def _value(self, day: int) -> float:
        return self._history[day - self._start] if self._start <= day < self.end else nan

    def _plain_days(self, weekday: int, weeks: int, before: int | None = None) -> Iterator[int]:
        """Yield known days of a weekday that are no holidays, the latest first."""
        last = (self.end if before is None else before) - 1
        last -= (_weekday(last) - weekday) % _WEEK
        for day in range(last, max(self._start, last - _WEEK * weeks + 1) - 1, -_WEEK):
            value = self._history[day - self._start] if day < self.end else nan
            if value == value and not self._code(day):
                yield day

    def _level_before(self, end: int, weekday: int) -> float:
        found: list[float] = []
        for day in self._plain_days(weekday, _LEVEL_WEEKS, end):
            found.append(self._history[day - self._start])
            if len(found) == _LEVEL_DAYS:
                break
        return _mean(found)

    def _all_levels(self) -> list[float]:
        """Return the level of each weekday at the end.

        One without known days in the last weeks has the mean of all its known days, else that of
        the other weekdays.
        """
        found = [self._level_before(self.end, weekday) for weekday in range(_WEEK)]
        for weekday, level in enumerate(found):
            if level != level:
                first = (weekday - _weekday(self._start)) % _WEEK
                found[weekday] = _mean([it for it in self._history[first::_WEEK] if it == it])
        known = [level for level in found if level == level]
        return [level if level == level else _mean(known) for level in found]

    def _recent_ratios(self) -> Iterator[float]:
        """Yield the ratios of the last days that are no holidays, the latest first."""
        for day in range(self.end - 1, max(self._start, self.end - _RECENT - 1) - 1, -1):
            if not self._code(day):
                yield self._ratio_now(day)

    def _ratio_now(self, day: int) -> float:
        """Return the ratio of a day to the level at the end; NaN for a holiday."""
        level = self._levels[_weekday(day)]
        return self._value(day) / level if level > 0 and not self._code(day) else nan

    def _ratio_then(self, day: int) -> float:
        """Return the ratio of a day to the level just before that day."""
        known = self._ratios.get(day)
        if known is None:
            known = nan
            if self._start + _BEFORE_LEVEL <= day < self.end:
                level = self._level_before(day, _weekday(day))
                known = self._value(day) / level if level > 0 else nan
            self._ratios[day] = known
        return known


def _weekday(day: int) -> int:
    return (day + 6) % _WEEK


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else nan


def of_days(tensors: Tensors, column: int) -> NDArray[np.float32]:
    """Return one column of the days of all requests, shape (n, most days to forecast)."""
    found: NDArray[np.float32] = tensors[DAYS][:, :, column]
    return found
