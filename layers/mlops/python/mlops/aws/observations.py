"""What versions of the API did, as their log in CloudWatch Logs tells it."""

import heapq
import json
import re
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from mlops.aws.calls import CONFIG, calling, opening, session
from mlops.errors import CloudUnavailable
from mlops.release.analysis import Observation, Requests, latency_bin
from mlops.release.ports import Edges

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

MOST_PAGES = 2_000
"""Of the streams of one day and form. A page has up to 10,000 lines or 1 MB, and may be empty."""

_TIME_IS_UP = timedelta(seconds=20)
"""After its start, an invocation has been answered or never will be: the time-out is 15 s."""

_OLDEST_CONTAINER = timedelta(days=1)
_START = re.compile(r"START RequestId: (\S+) Version: ")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_HOUR_MS = 3_600_000
_LARGEST = sys.float_info.max


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
    crash 20 s after its start: intervals that follow one another count it once. So does a request
    that failed before anybody knew what it was for.

    Raises CloudUnavailable, too, where an interval has more than `most_pages` of a day's log.
    """

    def __init__(
        self,
        client: "CloudWatchLogsClient",
        group: str,
        function: str,
        *,
        most_pages: int = MOST_PAGES,
    ) -> None:
        self._client = client
        self._group = group
        self._function = function
        self._most_pages = most_pages

    def observe(
        self, version: str, since: datetime, until: datetime, edges: Mapping[str, Edges]
    ) -> Observation:
        seen = _Seen(_milliseconds(since), edges)
        for line in self._lines(version, since - _TIME_IS_UP, until):
            seen.note(line)
        seen.close(_milliseconds(until))
        return Observation(
            models={name: kind.counted() for name, kind in seen.models.items()},
            others=seen.others.counted(),
            crashes=seen.crashes,
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


@dataclass
class _Kind:
    """What lines told of one kind of requests; see `Requests`."""

    requests: int = 0
    errors: int = 0
    refusals: int = 0
    latencies: Counter[int] = field(default_factory=Counter)
    predictions: Counter[int] = field(default_factory=Counter)

    def counted(self) -> Requests:
        return Requests(**vars(self))


@dataclass
class _Seen:
    """What lines told so far. first: since when requests count, in milliseconds since 1970.

    edges: see `Observations`.
    alone: when a start or a request line was written that has not met the other one, by request id
    and whether it is the start; the oldest first. None stays for longer than an invocation may
    take, so these are few, however many crash. Of one millisecond, the lines come in any order.
    """

    first: int
    edges: Mapping[str, Edges]
    alone: dict[tuple[str, bool], int] = field(default_factory=dict)
    models: defaultdict[str, _Kind] = field(default_factory=lambda: defaultdict(_Kind))
    others: _Kind = field(default_factory=_Kind)
    crashes: int = 0

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
                self.crashes += 1

    def _pair(self, request_id: str, time: int, *, is_start: bool) -> None:
        if self.alone.pop((request_id, not is_start), None) is None:
            self.alone.setdefault((request_id, is_start), time)

    def _count(self, facts: dict[str, object]) -> None:
        status = _number(facts.get("status"), at_least=0, at_most=599)
        route, failed = facts.get("route"), status is None or status >= 500
        if route is None and failed:
            self.crashes += 1
            return
        # Only the line of a prediction names a model. Health checks are many, and would dilute
        # whatever goes wrong.
        model = facts.get("model")
        kind = self.models[model] if isinstance(model, str) else self.others
        kind.requests += 1
        kind.errors += failed
        kind.refusals += status is not None and 400 <= status < 500
        prediction = _number(facts.get("prediction"))
        if not isinstance(model, str) or status != 200 or prediction is None:
            return
        if model in self.edges:
            kind.predictions[bisect_right(self.edges[model], prediction)] += 1
        duration = _number(facts.get("duration_ms"), at_least=0, at_most=_HOUR_MS)
        if duration is not None and facts.get("cold_start") is False:
            kind.latencies[latency_bin(duration)] += 1


def _request(message: str) -> dict[str, object] | None:
    if not message.startswith("{"):
        return None
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return found if found.get("message") == "request" else None


def _number(
    value: object, *, at_least: float = -_LARGEST, at_most: float = _LARGEST
) -> float | None:
    """A number in these bounds; JSON as Python reads it has NaN, and true is no number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if at_least <= value <= at_most else None
    return None


def _days(since: datetime, until: datetime) -> Iterator[date]:
    day = since.astimezone(UTC).date()
    while day <= until.astimezone(UTC).date():
        yield day
        day += _DAY


def _milliseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MS
