"""What a version did, out of what is in the log of the API function."""

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from mlops.aws.observations import LogObservations
from mlops.release.analysis import Observation, Requests, latency_bin
from tests.unit.aws.api_log import (
    EDGES,
    FUNCTION,
    GROUP,
    MINUTE,
    NOON,
    PREDICTED,
    SECOND,
    counts,
    shared_client,
    stream_by_default,
    stream_of,
)

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

DAY = timedelta(days=1)


class Log:
    """A log group, as containers of a function write to it. named: makes names of streams."""

    def __init__(self, logs: "CloudWatchLogsClient") -> None:
        self.logs = logs
        self.named: Callable[[datetime, str], str] = stream_of
        self._ids = map(str, itertools.count())
        self._streams: set[str] = set()
        logs.create_log_group(logGroupName=GROUP)

    def write(
        self, at: datetime, *messages: str, version: str = "2", began: datetime | None = None
    ) -> None:
        """began: when the container was started."""
        stream = self.named(began or at, version)
        if stream not in self._streams:
            self.logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
            self._streams.add(stream)
        time = int(at.timestamp() * 1000)
        self.logs.put_log_events(
            logGroupName=GROUP,
            logStreamName=stream,
            logEvents=[{"timestamp": time, "message": message} for message in messages],
        )

    def start(self, at: datetime, **where: Any) -> str:
        request_id = next(self._ids)
        self.write(at, f"START RequestId: {request_id} Version: 2\n", **where)
        return request_id

    def request(
        self,
        at: datetime,
        *,
        version: str = "2",
        began: datetime | None = None,
        **facts: Any,
    ) -> None:
        """One that was answered a second after its start."""
        where: dict[str, Any] = {"version": version, "began": began}
        request_id = self.start(at - SECOND, **where)
        line = json.dumps(PREDICTED | {"request_id": request_id} | facts)
        end = f"END RequestId: {request_id}\n"
        self.write(at, line, end, f"REPORT RequestId: {request_id}\tDuration: 8 ms\n", **where)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    # Simulated logs take no events that are older than a fortnight, or newer than two hours.
    monkeypatch.setattr("moto.logs.models.utcnow", lambda: NOON.replace(tzinfo=None) + 12 * MINUTE)
    with mock_aws():
        yield Log(shared_client())


def observed(
    log: Log, since: datetime = NOON, until: datetime = NOON + 10 * MINUTE, version: str = "2"
) -> Observation:
    return LogObservations(log.logs, GROUP, FUNCTION).observe(version, since, until, EDGES)


def test_a_log_that_is_empty(log: Log) -> None:
    found = observed(log)
    assert counts(found) == (0, 0, [], [])


def test_what_is_counted(log: Log) -> None:
    log.request(NOON + MINUTE)
    log.request(NOON + 2 * MINUTE, duration_ms=900, cold_start=True, prediction=0.5)
    log.request(NOON + 4 * MINUTE, status=422, prediction=None)
    log.request(NOON + 5 * MINUTE, status=500, prediction=None)
    log.request(NOON + 6 * MINUTE, status=503, prediction=0.75)
    found = observed(log)
    assert counts(found) == (5, 2, [7.5], [0.25, 0.5])
    assert (found.models["churn"].refusals, found.models["churn"].answered) == (1, 2)
    assert (found.others, found.crashes) == (Requests(), 0)


@pytest.mark.parametrize("status", [400, 404, 405, 413, 415, 422, 429, 499])
@pytest.mark.parametrize(("model", "found"), [("churn", (1, 0)), (None, (0, 1))])
def test_what_is_refused_is_no_error_and_no_answer(
    log: Log, status: int, model: str | None, found: tuple[int, int]
) -> None:
    log.request(NOON + MINUTE, status=status, model=model, prediction=None)
    seen = observed(log)
    predictions, others = seen.predictions, seen.others
    assert (predictions.refusals, others.refusals) == found
    assert (predictions.errors, others.errors, predictions.answered) == (0, 0, 0)


@pytest.mark.parametrize(
    ("model", "route", "status", "found"),
    [
        (None, "/healthz", 200, (0, 0, 1, 0)),
        (None, "/readyz", 503, (0, 0, 1, 1)),
        (None, "/v1/predict/batch", 202, (0, 0, 1, 0)),
        (None, "/v1/predict/batch/{job_id}", 500, (0, 0, 1, 1)),
        ("sentiment", "/v1/predict/sentiment", 500, (1, 1, 0, 0)),
        (None, None, 404, (0, 0, 1, 0)),
        (None, None, 500, (1, 1, 0, 0)),  # nobody knows what it was for
        (None, None, None, (1, 1, 0, 0)),
        (None, 7, 200, (0, 0, 1, 0)),
        (7, "/v1/predict/churn", 200, (0, 0, 1, 0)),
    ],
)
def test_what_is_no_prediction_is_counted_apart(
    log: Log, model: object, route: object, status: int | None, found: tuple[int, int, int, int]
) -> None:
    log.request(NOON + MINUTE, model=model, route=route, status=status, prediction=None)
    predictions, others = observed(log).predictions, observed(log).others
    found_here = predictions.requests, predictions.errors, others.requests, others.errors
    assert found_here == found


@pytest.mark.parametrize("named", [stream_of, stream_by_default])
def test_only_that_version_counts(log: Log, named: Callable[[datetime, str], str]) -> None:
    log.named = named
    for number, version in enumerate(["2", "1", "12", "20", "$LATEST"]):
        for _ in range(number + 1):
            log.request(NOON + MINUTE, version=version)
    found = [
        observed(log, version=version).predictions.requests for version in ("1", "2", "12", "3")
    ]
    assert found == [2, 1, 3, 0]


def test_other_functions_may_write_to_the_same_group(log: Log) -> None:
    log.request(NOON + MINUTE)
    for name in ("mlops-Batch", f"{FUNCTION}2", f"a-{FUNCTION}"):
        log.named = partial(stream_of, function=name)
        log.request(NOON + MINUTE, status=500)
    assert counts(observed(log)) == (1, 0, [7.5], [0.25])


def test_an_interval_begins_with_its_first_moment_and_ends_before_its_last(log: Log) -> None:
    for seconds in (-1, 0, 599, 600):
        log.request(NOON + seconds * SECOND, prediction=abs(seconds) / 1000)
    assert counts(observed(log))[3] == [0.0, 0.599]


def test_at_midnight_containers_of_two_days_write(log: Log) -> None:
    midnight = NOON.replace(hour=0)
    log.request(midnight - MINUTE, prediction=0.1)
    log.request(midnight + MINUTE, prediction=0.2, began=midnight - 5 * MINUTE)
    log.request(midnight + 2 * MINUTE, prediction=0.3)
    found = observed(log, midnight - 5 * MINUTE, midnight + 5 * MINUTE)
    assert counts(found)[3] == [0.1, 0.2, 0.3]


def test_a_container_of_the_day_before_counts(log: Log) -> None:
    log.request(NOON + MINUTE, began=NOON - DAY)
    assert observed(log).predictions.requests == 1


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Traceback (most recent call last):",
        '{"message": "request", "status": 200',
        '{"message": "failure", "status": 500}',
        '{"status": 500}',
        '["request"]',
        "{" * 100_000,
        '{"message":' * 50_000,
        "INIT_START Runtime Version: python",
        "REPORT RequestId: START RequestId: 1 Version: 2",
    ],
)
def test_lines_that_are_somebody_elses(log: Log, line: str) -> None:
    log.write(NOON + MINUTE, line or " ")
    log.request(NOON + 2 * MINUTE)
    assert counts(observed(log)) == (1, 0, [7.5], [0.25])


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"status": "200"}, (1, 1, [], [])),  # it never got as far as an answer
        ({"status": None}, (1, 1, [], [])),
        ({"status": True}, (1, 1, [], [])),
        ({"prediction": "0.5"}, (1, 0, [], [])),
        ({"prediction": True}, (1, 0, [], [])),
        ({"prediction": float("nan")}, (1, 0, [], [])),
        ({"prediction": 10**400}, (1, 0, [], [])),
        ({"prediction": 1.5}, (1, 0, [7.5], [0.999])),  # of whatever scale; the last bin is open
        ({"prediction": -1e300}, (1, 0, [7.5], [0.0])),
        ({"duration_ms": float("inf")}, (1, 0, [], [0.25])),
        ({"duration_ms": -1}, (1, 0, [], [0.25])),
        ({"duration_ms": 10**400}, (1, 0, [], [0.25])),
        ({"duration_ms": {}}, (1, 0, [], [0.25])),
        ({"cold_start": None}, (1, 0, [], [0.25])),
        ({"request_id": ["unhashable"]}, (2, 1, [7.5], [0.25])),  # its start is nobody's
    ],
)
def test_fields_that_are_not_what_they_should_be(
    log: Log, facts: dict[str, Any], found: tuple[int, int, list[float], list[float]]
) -> None:
    log.request(NOON + MINUTE, **facts)
    assert counts(observed(log)) == found


def test_an_invocation_without_a_request_line_crashed(log: Log) -> None:
    log.request(NOON + MINUTE)
    log.start(NOON + 2 * MINUTE)
    assert counts(observed(log)) == (2, 1, [7.5], [0.25])


def test_an_invocation_that_may_still_run_is_no_crash_yet(log: Log) -> None:
    end = NOON + 10 * MINUTE
    log.start(end - 19 * SECOND)
    assert observed(log).predictions.requests == 0
    after = observed(log, end, end + 10 * MINUTE)
    assert after.crashes == 1


@pytest.mark.parametrize("seconds", [0, 1, 19, 20, 21, 30, 59])
def test_a_crash_counts_in_one_interval_exactly(log: Log, seconds: int) -> None:
    log.start(NOON + seconds * SECOND)
    looks = [
        observed(log, NOON + n * 15 * SECOND, NOON + (n + 1) * 15 * SECOND) for n in range(-2, 8)
    ]
    assert sum(look.crashes for look in looks) == 1
    assert not any(look.models for look in looks)


def test_an_answer_in_the_next_interval_is_an_answer_there(log: Log) -> None:
    end = NOON + 10 * MINUTE
    log.request(end)
    assert observed(log).predictions.requests == 0
    assert counts(observed(log, end, end + MINUTE)) == (1, 0, [7.5], [0.25])


def test_each_model_is_counted_by_itself(log: Log) -> None:
    """A forecast of 20,400 is as good a prediction as a probability."""
    log.request(NOON + MINUTE, model="churn")
    loans: dict[str, Any] = {"model": "loans", "route": "/v1/predict/loans"}
    log.request(NOON + MINUTE, **loans, prediction=20_400.5, duration_ms=3)
    log.request(NOON + MINUTE, **loans, prediction=-7, duration_ms=3)
    log.request(NOON + MINUTE, **loans, status=500, prediction=None)
    edges = {"loans": (0.0, 1_000.0, 20_400.5)}
    found = LogObservations(log.logs, GROUP, FUNCTION).observe("2", NOON, NOON + DAY, edges)
    assert found.models == {
        "churn": Requests(1, latencies={latency_bin(7.5): 1}),
        "loans": Requests(3, 1, 0, {latency_bin(3): 2}, {0: 1, 3: 1}),
    }
