"""What versions of the API did, as their log in CloudWatch Logs tells it."""

import heapq
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlops.aws.calls import CONFIG, calling, opening, session
from mlops.errors import CloudUnavailable
from mlops.release.analysis import Observation

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

MOST_SAMPLES = 5_000
MOST_PAGES = 2_000
"""Of the streams of one day and form. A page has up to 10,000 lines or 1 MB, and may be empty."""

_TIME_IS_UP = timedelta(seconds=20)
"""After its start, an invocation has been answered or never will be: the time-out is 15 s."""

_OLDEST_CONTAINER = timedelta(days=1)
_PREDICTION = re.compile(r"/v1/predict/(?!batch$)[^/]+")
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
        client = session().client("logs", config=CONFIG)
    return client


class LogObservations:
    """Implements `Observations`. group: the log group of the API function. function: its name.

    An invocation that started and has no request line crashed or ran out of time. It counts as a
    prediction that failed, 20 s after its start: intervals that follow one another count it once.
    So does a request that failed before anybody knew what it was for.

    Requests and errors are counted over all of an interval: versions are compared, and the busier
    one must not be analyzed by fewer minutes than the other. Of latencies and predictions up to
    `most_samples` each are kept, evenly spread, for they are kept in memory and in the store.

    Raises CloudUnavailable, too, where an interval has more than `most_pages` of a day's log.
    """

    def __init__(
        self,
        client: "CloudWatchLogsClient",
        group: str,
        function: str,
        *,
        most_samples: int = MOST_SAMPLES,
        most_pages: int = MOST_PAGES,
    ) -> None:
        self._client = client
        self._group = group
        self._function = function
        self._most_samples = most_samples
        self._most_pages = most_pages

    def observe(self, version: str, since: datetime, until: datetime) -> Observation:
        latencies, predictions = _Evenly(self._most_samples), _Evenly(self._most_samples)
        seen = _Seen(_milliseconds(since), latencies, predictions)
        for line in self._lines(version, since - _TIME_IS_UP, until):
            seen.note(line)
        seen.close(_milliseconds(until))
        return Observation(
            requests=seen.requests,
            errors=seen.errors,
            latencies=np.array(latencies.kept, dtype=np.float64),
            predictions=np.array(predictions.kept, dtype=np.float64),
            refusals=seen.refusals,
            other_requests=seen.other_requests,
            other_errors=seen.other_errors,
            other_refusals=seen.other_refusals,
            latency_step=latencies.step,
            prediction_step=predictions.step,
        )

    def _lines(self, version: str, since: datetime, until: datetime) -> Iterator["_Line"]:
        """All lines of a version's containers, in their order.

        A container writes to the stream of the day on which it was started. Where a function has
        a log group of its own choice, Lambda names the streams after the function, too (Lambda
        Developer Guide, "Configuring CloudWatch log groups"); in the group that it makes itself
        they have no such name. A prefix is no pattern, so both are asked for.
        """
        prefixes = [
            f"{day:%Y/%m/%d}/{named}[{version}]"
            for day in _days(since - _OLDEST_CONTAINER, until)
            for named in (self._function, "")
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
                    reason = f"{prefix} has more than {number} pages; a part is not analyzed"
                    raise CloudUnavailable(f"log group {self._group}", reason)


class _Line(NamedTuple):
    """time: milliseconds since 1970."""

    time: int
    message: str


class _Evenly:
    """Every `step`-th value that it is given. It is doubled whenever more than `most` are kept."""

    def __init__(self, most: int) -> None:
        self.kept: list[float] = []
        self.step = 1
        self._most = most
        self._given = 0

    def add(self, value: float) -> None:
        if self._given % self.step == 0:
            self.kept.append(value)
        if len(self.kept) > self._most:
            del self.kept[1::2]
            self.step *= 2
        self._given += 1


@dataclass
class _Seen:
    """What lines told so far. first: since when requests count, in milliseconds since 1970.

    alone: when a start or a request line was written that has not met the other one, by request id
    and whether it is the start; the oldest first. None stays for longer than an invocation may
    take, so these are few, however many crash. Of one millisecond, the lines come in any order.
    """

    first: int
    latencies: _Evenly
    predictions: _Evenly
    alone: dict[tuple[str, bool], int] = field(default_factory=dict)
    requests: int = 0
    errors: int = 0
    refusals: int = 0
    other_requests: int = 0
    other_errors: int = 0
    other_refusals: int = 0

    def note(self, line: _Line) -> None:
        """Lines that are not understood are somebody else's."""
        self.close(line.time)
        if start := _START.match(line.message):
            self._pair(start[1], line.time, is_start=True)
        elif facts := _request(line.message):
            self._pair(str(facts.get("request_id")), line.time, is_start=False)
            if line.time >= self.first:
                self._count(facts)

    def close(self, now: int) -> None:
        """Count the invocations whose time was up before `now`, and that never answered."""
        while self.alone:
            (request_id, is_start), time = next(iter(self.alone.items()))
            up = time + _TIME_IS_UP // _MS
            if up >= now:
                return
            del self.alone[request_id, is_start]
            if is_start and up >= self.first:
                self.requests += 1
                self.errors += 1

    def _pair(self, request_id: str, time: int, *, is_start: bool) -> None:
        if self.alone.pop((request_id, not is_start), None) is None:
            self.alone.setdefault((request_id, is_start), time)

    def _count(self, facts: dict[str, object]) -> None:
        status = _number(facts.get("status"), 599)
        prediction = _number(facts.get("prediction"), 1)
        duration = _number(facts.get("duration_ms"), _HOUR_MS)
        route, failed = facts.get("route"), status is None or status >= 500
        refused = status is not None and 400 <= status < 500
        # Health checks are many, and would dilute whatever goes wrong.
        if not (failed if route is None else _PREDICTION.fullmatch(str(route))):
            self.other_requests += 1
            self.other_errors += failed
            self.other_refusals += refused
            return
        self.requests += 1
        self.errors += failed
        self.refusals += refused
        if status != 200 or prediction is None:
            return
        self.predictions.add(prediction)
        if duration is not None and facts.get("cold_start") is False:
            self.latencies.add(duration)


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
