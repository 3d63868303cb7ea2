"""The log page by page, as CloudWatch cuts it. Its answers are in order, and so are those here."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.stub import Stubber

from mlops.aws.observations import LogObservations
from mlops.errors import CloudUnavailable
from mlops.release.analysis import Observation
from tests.unit.aws.api_log import (
    EDGES,
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
    logs.observations().observe("2", NOON, NOON + MINUTE, EDGES)
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
    found = logs.observations().observe("2", NOON, NOON + MINUTE, EDGES)
    assert counts(found) == (2, 0, [7.5, 7.5], [0.25, 0.25])


def test_a_start_and_its_answer_on_two_pages() -> None:
    logs = PlayedLogs(day_02=[[line] for line in served(1)])
    assert counts(logs.observations().observe("2", NOON, NOON + MINUTE, EDGES))[:2] == (1, 0)


def test_of_one_millisecond_the_answer_may_come_first() -> None:
    logs = PlayedLogs(day_02=[served(1)[::-1]])
    assert counts(logs.observations().observe("2", NOON, NOON + MINUTE, EDGES))[:2] == (1, 0)


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
    return (
        PlayedLogs(day_02=pages).observations(**bounds).observe("2", NOON, NOON + 6 * MINUTE, EDGES)
    )


def test_all_of_an_interval_counts_however_busy_it_was() -> None:
    """A version that has five times the other's traffic is compared over the same minutes."""
    stable, canary = busy(50), busy(10)
    assert counts(stable)[:2] == (50 * 360, 50 * 180 // 20)
    assert counts(canary)[:2] == (10 * 360, 10 * 180 // 20)
    for found in (stable.models["churn"], canary.models["churn"]):
        assert sum(found.predictions.values()) == sum(found.latencies.values()) == found.answered


def test_where_all_crash_all_are_counted() -> None:
    """What started in the last 20 s before the end may still be answered."""
    starts = [event(second, f"START RequestId: {second} Version: 2") for second in range(600)]
    logs = PlayedLogs(day_02=[starts[at : at + 10] for at in range(0, 600, 10)])
    found = logs.observations().observe("2", NOON, NOON + 10 * MINUTE, EDGES)
    assert found.crashes == 580


def test_two_days_are_read_in_the_order_of_time() -> None:
    early = [
        line
        for second in range(0, 20, 2)
        for line in served(second, stream=YESTERDAY, duration_ms=second)
    ]
    late = [line for second in range(1, 20, 2) for line in served(second, duration_ms=second)]
    logs = PlayedLogs(day_01=[early], day_02=[late])
    found = logs.observations().observe("2", NOON, NOON + MINUTE, EDGES)
    assert counts(found)[2] == list(range(20))


def test_a_log_that_goes_on_and_on() -> None:
    logs = PlayedLogs(day_02=[[]] * 100)
    with pytest.raises(
        CloudUnavailable, match=rf"^log group {GROUP}: .*\[2\] .* 5 pages; a part is not analyzed"
    ):
        logs.observations(most_pages=5).observe("2", NOON, NOON + MINUTE, EDGES)
    assert len(logs.requests) == 2 + 5  # the day before has a page of each form
    just = PlayedLogs(day_02=[[]] * 5).observations(most_pages=5)
    assert counts(just.observe("2", NOON, NOON + MINUTE, EDGES))[0] == 0


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException"])
def test_a_log_that_cannot_be_read(code: str) -> None:
    logs = client()
    with Stubber(logs) as stubber:
        stubber.add_client_error("filter_log_events", code)
        with pytest.raises(CloudUnavailable, match=f"^log group {GROUP}: .*{code}"):
            LogObservations(logs, GROUP, FUNCTION).observe("2", NOON, NOON + MINUTE, EDGES)
