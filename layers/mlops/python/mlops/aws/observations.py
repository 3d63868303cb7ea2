"""What versions of the API did, as their log in CloudWatch Logs tells it."""

import heapq
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import boto3
import numpy as np

from mlops.aws.calls import CONFIG, calling, opening
from mlops.errors import CloudUnavailable
from mlops.release.judge import Observed

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

MOST_REQUESTS = 5_000
MOST_PAGES = 200
"""Of a stream of one day. A page has up to 10,000 lines or 1 MB, and may be empty."""

_TIME_IS_UP = timedelta(seconds=20)
"""After its start, an invocation has been answered or never will be: the time-out is 15 s."""

_OLDEST_CONTAINER = timedelta(days=1)
_START = re.compile(r"START RequestId: (\S+) Version: ")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_HOUR_MS = 3_600_000


def logs_client() -> "CloudWatchLogsClient":
    """A client set up by the AWS CLI's environment variables and files.

    Raises CloudUnavailable where these are wrong.
    """
    with opening("logs"):
        client = boto3.Session().client("logs", config=CONFIG)
    return client


class LogObservations:
    """Implements `Observations`. group: the log group of the API function.

    An invocation that started and has no request line crashed or ran out of time. It counts as a
    request that failed, 20 s after its start: intervals that follow one another count it once.

    most_requests: how many of an interval are read at most, from its beginning on; what happened
    after them does not count.
    Raises CloudUnavailable, too, where a day's log is longer than `most_pages`.
    """

    def __init__(
        self,
        client: "CloudWatchLogsClient",
        group: str,
        *,
        most_requests: int = MOST_REQUESTS,
        most_pages: int = MOST_PAGES,
    ) -> None:
        self._client = client
        self._group = group
        self._most_requests = most_requests
        self._most_pages = most_pages

    def observed(self, version: str, since: datetime, until: datetime) -> Observed:
        seen = _Seen(_milliseconds(since))
        end = _milliseconds(until)
        for line in self._lines(version, since - _TIME_IS_UP, until):
            seen.note(line)
            if seen.requests >= self._most_requests or len(seen.started) > self._most_requests:
                end = line.time
                break
        crashed = seen.crashed(end)
        return Observed(
            requests=seen.requests + crashed,
            errors=seen.errors + crashed,
            latencies=np.array(seen.latencies, dtype=np.float64),
            predictions=np.array(seen.predictions, dtype=np.float64),
        )

    def _lines(self, version: str, since: datetime, until: datetime) -> Iterator["_Line"]:
        """All lines of a version's containers, in their order.

        A container writes to the stream of the day on which it was started.
        """
        prefixes = [
            f"{day:%Y/%m/%d}/[{version}]" for day in _days(since - _OLDEST_CONTAINER, until)
        ]
        bounds = _milliseconds(since), _milliseconds(until)
        streams = [self._stream(prefix, *bounds) for prefix in prefixes]
        return heapq.merge(*streams, key=lambda line: line.time)

    def _stream(self, prefix: str, first: int, end: int) -> Iterator["_Line"]:
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=self._group,
            logStreamNamePrefix=prefix,
            startTime=first,
            endTime=end - 1,  # which is part of it
        )
        with calling(f"log group {self._group}"):
            for number, page in enumerate(pages, start=1):
                for event in page["events"]:
                    # Simulations know no prefix.
                    if event["logStreamName"].startswith(prefix):
                        yield _Line(event["timestamp"], event["message"])
                if number >= self._most_pages and page.get("nextToken"):
                    reason = f"{prefix} has more than {number} pages"
                    raise CloudUnavailable(f"log group {self._group}", reason)


class _Line(NamedTuple):
    """time: milliseconds since 1970."""

    time: int
    message: str


@dataclass
class _Seen:
    """What lines told so far. first: since when requests count, in milliseconds since 1970.

    started: when invocations did, by request id.
    """

    first: int
    started: dict[str, int] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    requests: int = 0
    errors: int = 0
    latencies: list[float] = field(default_factory=list)
    predictions: list[float] = field(default_factory=list)

    def note(self, line: _Line) -> None:
        """Lines that are not understood are somebody else's."""
        if start := _START.match(line.message):
            self.started[start[1]] = line.time
        elif facts := _request(line.message):
            self.answered.add(str(facts.get("request_id")))
            if line.time >= self.first:
                self._count(facts)

    def crashed(self, end: int) -> int:
        """Invocations whose time was up before `end`, and that never answered."""
        waited = _TIME_IS_UP // _MS
        return sum(
            self.first <= time + waited < end and request_id not in self.answered
            for request_id, time in self.started.items()
        )

    def _count(self, facts: dict[str, object]) -> None:
        status = _number(facts.get("status"), 599)
        prediction = _number(facts.get("prediction"), 1)
        duration = _number(facts.get("duration_ms"), _HOUR_MS)
        self.requests += 1
        self.errors += status is None or status >= 500
        if status != 200 or prediction is None:
            return
        self.predictions.append(prediction)
        if duration is not None and facts.get("cold_start") is False:
            self.latencies.append(duration)


def _request(message: str) -> dict[str, object] | None:
    if not message.startswith("{"):
        return None
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return found if found.get("message") == "request" else None


def _number(value: object, most: int) -> float | None:
    """A number from 0 to `most`; JSON as Python reads it has NaN, and true is no number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most:
        return float(value)
    return None


def _days(since: datetime, until: datetime) -> Iterator[date]:
    day = since.astimezone(UTC).date()
    while day <= until.astimezone(UTC).date():
        yield day
        day += _DAY


def _milliseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MS
