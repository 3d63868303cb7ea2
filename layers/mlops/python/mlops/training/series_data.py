"""A CSV file of one series, a day in each row, read as forecasts whose outcome is known."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from mlops.errors import ContractInvalid, DataInvalid
from mlops.models.cells import is_blank, parse_number
from mlops.models.column_names import find_fault
from mlops.models.contract import Contract
from mlops.models.schemas import parse_date
from mlops.models.tasks import forecast_of
from mlops.training.csv_data import read_table
from mlops.training.data import Dataset, stand_in
from mlops.training.evaluation import HOLDOUT_FORECASTS, ORIGIN_STEP

_ONE = timedelta(1)


def load_series(path: Path, contract: Contract) -> Dataset:
    """Read a CSV file, gzipped or not, with a column of dates and one of numbers.

    The days must rise. A day that is left out, or whose number is blank, is unknown. The forecasts
    begin every few days, each with all of the history that a client may send. Those at the end of
    the data, which become the holdout, do not overlap and are of the default horizon.

    Raises:
        DataInvalid: The file cannot be used; the error names file, line and column.
        ContractInvalid: The contract does not say which column has the numbers.
    """
    if contract.label is None:
        reason = "label is missing: the column of the training data that has the numbers"
        raise ContractInvalid(contract.model, [reason])
    content, lines = read_table(path)
    start = contract.by_name[contract.series.start]
    first, numbers = _days(str(path), lines, contract, start.column, contract.label.column)
    requests, labels = [], []
    for request, label in _forecasts(contract, first, numbers):
        requests.append(request)
        labels.append(label)
    if not labels:
        raise DataInvalid(str(path), None, "file", "it has too few days for a forecast")
    return Dataset(contract, requests, labels, f"sha256:{hashlib.sha256(content).hexdigest()}")


def _days(
    source: str,
    lines: Iterator[tuple[int, list[str]]],
    contract: Contract,
    day_column: str,
    number_column: str,
) -> tuple[date, list[float | None]]:
    """Return the first day, and the numbers of all days from there on."""
    line, header = next(lines, (0, []))
    wanted = frozenset({day_column, number_column})
    named = [name for name in header if name in wanted]
    if fault := find_fault(named, wanted, wanted):
        raise DataInvalid(source, line, "header", fault)
    places = header.index(day_column), header.index(number_column)
    first: date | None = None
    numbers: list[float | None] = []
    for line, cells in lines:
        if len(cells) != len(header):
            reason = f"the row has {len(cells)} cells, the header {len(header)}"
            raise DataInvalid(source, line, "row", reason)
        day = parse_date(cells[places[0]])
        if day is None:
            raise DataInvalid(source, line, day_column, "should be a date, such as 2026-01-31")
        first = first or day
        expected = first + timedelta(len(numbers))
        if day < expected:
            reason = f"the days should rise, each once; the one before is {expected - _ONE}"
            raise DataInvalid(source, line, day_column, reason)
        if (day - expected).days > _LONGEST_GAP:
            reason = f"more than {_LONGEST_GAP} days are missing before it"
            raise DataInvalid(source, line, day_column, reason)
        numbers += [None] * (day - expected).days
        numbers.append(_number(source, line, number_column, cells[places[1]], contract))
    if first is None:
        raise DataInvalid(source, None, "file", "it has no rows")
    return first, numbers


_LONGEST_GAP = 366


def _number(source: str, line: int, column: str, text: str, contract: Contract) -> float | None:
    if is_blank(text):
        return None
    number = parse_number(text)
    bounds = contract.by_name[contract.series.history].bounds
    if not isinstance(number, int | float) or not bounds["ge"] <= number <= _highest(bounds):
        reason = f"should be a number from {bounds['ge']} to {_highest(bounds)}"
        raise DataInvalid(source, line, column, reason)
    return float(number)


def _highest(bounds: Mapping[str, float]) -> float:
    return bounds["le"] if "le" in bounds else bounds["lt"]


def _forecasts(
    contract: Contract, first: date, numbers: Sequence[float | None]
) -> Iterator[tuple[dict[str, Any], list[float | None]]]:
    """Yield requests, and what happened on the days that they ask for."""
    series, task = contract.series, forecast_of(contract)
    history = contract.by_name[series.history]
    shortest, longest = history.min_length or 1, history.max_length or 1
    holdout = len(numbers) - HOLDOUT_FORECASTS * task.default_days
    origins = [
        *((day, task.days) for day in range(shortest, holdout - task.days + 1, ORIGIN_STEP)),
        *((day, task.default_days) for day in range(holdout, len(numbers), task.default_days)),
    ]
    for origin, days in origins:
        begin = max(0, origin - longest)
        sent, label = list(numbers[begin:origin]), list(numbers[origin : origin + days])
        known = len(sent) - sent.count(None)
        if (
            origin < shortest
            or known < series.least_known
            or not any(it is not None for it in label)
        ):
            continue
        request: dict[str, Any] = {
            series.start: str(first + timedelta(begin)),
            series.history: sent,
            series.horizon: days,
        }
        if contract.subject is not None:
            request[contract.subject] = stand_in(contract.by_name[contract.subject], 0)
        yield request, label
