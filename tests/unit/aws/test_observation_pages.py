"""The log page by page, as CloudWatch cuts it. Its answers are in order, and so are those here."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.stub import Stubber

from mlops.aws.observations import LogObservations
from mlops.errors import CloudUnavailable
from mlops.release.analysis import Observation
from tests.unit.aws.api_log import (
    FUNCTION,
    GROUP,
    MINUTE,
    NOON,
    PREDICTED,
    SECOND,
    client,
    counts,
    stream_of,
)
from tests.unit.aws.playing import answer, play

TODAY, YESTERDAY = (stream_of(NOON - days * timedelta(days=1)) for days in (0, 1))


def event(seconds: float, message: str, stream: str = TODAY) -> dict[str, Any]:
    time = int((NOON + seconds * SECOND).timestamp() * 1000)
    return {"timestamp": time, "message": message, "logStreamName": stream}


def served(
    seconds: float, number: int = 0, *, stream: str = TODAY, **facts: Any
) -> list[dict[str, Any]]:
    line = json.dumps(PREDICTED | {"request_id": f"{seconds}-{number}"} | facts)
    start = f"START RequestId: {seconds}-{number} Version: 2\n"
    return [event(seconds, start, stream), event(seconds, line, stream)]


class PlayedLogs:
    """Answers FilterLogEvents page by page. pages: by the day of the streams asked for.

    None has the name that Lambda gives by default.
    """

    def __init__(self, **pages: list[list[dict[str, Any]]]) -> None:
        self._pages = pages
        self.requests: list[dict[str, Any]] = []

    def answer(self, request: AWSPreparedRequest) -> AWSResponse:
        body: Any = request.body
        asked = json.loads(body)
        self.requests.append(asked)
        _, _, day, name = asked["logStreamNamePrefix"].split("/")
        key = f"day_{day}" if name.startswith(FUNCTION) else "by default"
        pages, number = self._pages.get(key, [[]]), int(asked.get("nextToken", 0))
        more = {"nextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return answer(200, {"events": pages[number], **more})

    def observations(self, **bounds: int) -> LogObservations:
        made = client()
        play(made, self.answer)
        return LogObservations(made, GROUP, FUNCTION, **bounds)


def test_what_is_asked() -> None:
    logs = PlayedLogs()
    logs.observations().observe("2", NOON, NOON + MINUTE)
    times = [int((NOON + seconds * SECOND).timestamp() * 1000) for seconds in (-20, 60)]
    assert logs.requests == [
        {
            "logGroupName": GROUP,
            "logStreamNamePrefix": f"2026/01/{day}/{named}[2]",
            "startTime": times[0],
            "endTime": times[1] - 1,
        }
        for day in ("01", "02")
        for named in (FUNCTION, "")
    ]


def test_empty_pages_are_no_end() -> None:
    logs = PlayedLogs(day_02=[[], served(1), [], [], served(2), []])
    found = logs.observations().observe("2", NOON, NOON + MINUTE)
    assert counts(found) == (2, 0, [7.5, 7.5], [0.25, 0.25])


def test_a_start_and_its_answer_on_two_pages() -> None:
    logs = PlayedLogs(day_02=[[line] for line in served(1)])
    assert counts(logs.observations().observe("2", NOON, NOON + MINUTE))[:2] == (1, 0)


def test_of_one_millisecond_the_answer_may_come_first() -> None:
    logs = PlayedLogs(day_02=[served(1)[::-1]])
    assert counts(logs.observations().observe("2", NOON, NOON + MINUTE))[:2] == (1, 0)


def busy(rate: int, **bounds: int) -> Observation:
    """Six minutes of `rate` requests a second, of which 5 % fail in the last three.

    A prediction is the share of the minutes that are over.
    """
    pages = [
        [
            line
            for number in range(rate)
            for line in served(
                second + number / rate,
                prediction=(second + number / rate) / 360,
                status=500 if second >= 180 and (second * rate + number) % 20 == 0 else 200,
            )
        ]
        for second in range(360)
    ]
    return PlayedLogs(day_02=pages).observations(**bounds).observe("2", NOON, NOON + 6 * MINUTE)


def test_all_of_an_interval_counts_however_busy_it_was() -> None:
    """A version that has nine times the other's traffic is judged by the same minutes."""
    stable, canary = busy(50), busy(10)
    assert (stable.requests, stable.errors) == (50 * 360, 50 * 180 // 20)
    assert (canary.requests, canary.errors) == (10 * 360, 10 * 180 // 20)
    assert len(canary.predictions) == canary.requests - canary.errors


@pytest.mark.parametrize("most", [5_000, 1_000, 100])
def test_samples_are_spread_evenly(most: int) -> None:
    found = busy(20, most_samples=most)
    assert most / 2 <= len(found.predictions) == len(found.latencies) <= most
    gaps = np.diff(found.predictions, prepend=0, append=1) * len(found.predictions)
    assert gaps.max() < 1.5  # of an even spread, all are 1
    again = busy(20, most_samples=most)
    assert counts(again) == counts(found)


def test_samples_are_all_there_up_to_the_bound() -> None:
    lines = [line for second in range(10) for line in served(second, duration_ms=second)]
    for most, step, kept in [(10, 1, list(range(10))), (9, 2, [0, 2, 4, 6, 8]), (3, 4, [0, 4, 8])]:
        logs = PlayedLogs(day_02=[lines])
        found = logs.observations(most_samples=most).observe("2", NOON, NOON + MINUTE)
        assert (found.requests, found.latencies.tolist()) == (10, kept)
        assert (found.latency_step, found.prediction_step) == (step, step)


def test_where_all_crash_all_are_counted() -> None:
    """What started in the last 20 s before the end may still be answered."""
    starts = [event(second, f"START RequestId: {second} Version: 2") for second in range(600)]
    logs = PlayedLogs(day_02=[starts[at : at + 10] for at in range(0, 600, 10)])
    found = logs.observations().observe("2", NOON, NOON + 10 * MINUTE)
    assert found.errors == found.requests == 580


def test_two_days_are_read_in_the_order_of_time() -> None:
    early = [
        line
        for second in range(0, 20, 2)
        for line in served(second, stream=YESTERDAY, duration_ms=second)
    ]
    late = [line for second in range(1, 20, 2) for line in served(second, duration_ms=second)]
    logs = PlayedLogs(day_01=[early], day_02=[late])
    found = logs.observations().observe("2", NOON, NOON + MINUTE)
    assert found.latencies.tolist() == list(range(20))


def test_a_log_that_goes_on_and_on() -> None:
    logs = PlayedLogs(day_02=[[]] * 100)
    with pytest.raises(
        CloudUnavailable, match=rf"^log group {GROUP}: .*\[2\] .* 5 pages; a part is not analyzed"
    ):
        logs.observations(most_pages=5).observe("2", NOON, NOON + MINUTE)
    assert len(logs.requests) == 2 + 5  # the day before has a page of each form
    just = PlayedLogs(day_02=[[]] * 5).observations(most_pages=5)
    assert just.observe("2", NOON, NOON + MINUTE).requests == 0


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException"])
def test_a_log_that_cannot_be_read(code: str) -> None:
    logs = client()
    with Stubber(logs) as stubber:
        stubber.add_client_error("filter_log_events", code)
        with pytest.raises(CloudUnavailable, match=f"^log group {GROUP}: .*{code}"):
            LogObservations(logs, GROUP, FUNCTION).observe("2", NOON, NOON + MINUTE)
