"""The log page by page, as CloudWatch cuts it. Its answers are in order, and so are those here."""

import json
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.stub import Stubber

from mlops.aws.observations import LogObservations
from mlops.errors import CloudUnavailable
from tests.unit.aws.api_log import GROUP, MINUTE, NOON, PREDICTED, SECOND, client, counts
from tests.unit.aws.playing import answer, play


def event(seconds: float, message: str, stream: str = "2026/01/02/[2]0") -> dict[str, Any]:
    time = int((NOON + seconds * SECOND).timestamp() * 1000)
    return {"timestamp": time, "message": message, "logStreamName": stream}


def served(seconds: float, number: int = 0) -> list[dict[str, Any]]:
    line = json.dumps(PREDICTED | {"request_id": f"{seconds}-{number}"})
    start = f"START RequestId: {seconds}-{number} Version: 2\n"
    return [event(seconds, start), event(seconds, line)]


class PlayedLogs:
    """Answers FilterLogEvents page by page. pages: by the day of the streams asked for."""

    def __init__(self, **pages: list[list[dict[str, Any]]]) -> None:
        self._pages = pages
        self.requests: list[dict[str, Any]] = []

    def answer(self, request: AWSPreparedRequest) -> AWSResponse:
        body: Any = request.body
        asked = json.loads(body)
        self.requests.append(asked)
        day = f"day_{asked['logStreamNamePrefix'][8:10]}"
        pages, number = self._pages.get(day, [[]]), int(asked.get("nextToken", 0))
        more = {"nextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return answer(200, {"events": pages[number], **more})

    def observations(self, **bounds: int) -> LogObservations:
        made = client()
        play(made, self.answer)
        return LogObservations(made, GROUP, **bounds)


def test_what_is_asked() -> None:
    logs = PlayedLogs()
    logs.observations().observed("2", NOON, NOON + MINUTE)
    times = [int((NOON + seconds * SECOND).timestamp() * 1000) for seconds in (-20, 60)]
    assert logs.requests == [
        {
            "logGroupName": GROUP,
            "logStreamNamePrefix": f"2026/01/{day}/[2]",
            "startTime": times[0],
            "endTime": times[1] - 1,
        }
        for day in ("01", "02")
    ]


def test_empty_pages_are_no_end() -> None:
    logs = PlayedLogs(day_02=[[], served(1), [], [], served(2), []])
    found = logs.observations().observed("2", NOON, NOON + MINUTE)
    assert counts(found) == (2, 0, [7.5, 7.5], [0.25, 0.25])


def test_a_start_and_its_answer_on_two_pages() -> None:
    logs = PlayedLogs(day_02=[[line] for line in served(1)])
    assert counts(logs.observations().observed("2", NOON, NOON + MINUTE))[:2] == (1, 0)


def test_no_more_requests_are_read_than_needed() -> None:
    pages = [[line for n in range(10) for line in served(page, n)] for page in range(30)]
    logs = PlayedLogs(day_02=pages)
    found = logs.observations(most_requests=25).observed("2", NOON, NOON + MINUTE)
    assert (found.requests, found.errors, len(found.predictions)) == (25, 0, 25)
    assert [request.get("nextToken") for request in logs.requests] == [
        None,
        None,
        "1",
        "2",
    ]  # a day each


def test_starts_whose_answers_were_not_read_are_no_crashes() -> None:
    """A crash at 0 s has had its time by the last line that is read, what started at 15 s not."""
    starts = [event(second, f"START RequestId: {second} Version: 2") for second in (0, 15)]
    many = [line for n in range(25) for line in served(30, n)]
    answered = event(31, json.dumps(PREDICTED | {"request_id": "15"}))
    logs = PlayedLogs(day_02=[[*starts, *many, answered]])
    found = logs.observations(most_requests=20).observed("2", NOON, NOON + 10 * MINUTE)
    assert (found.requests, found.errors) == (19, 1)


def test_where_all_crash_reading_ends_too() -> None:
    starts = [event(second, f"START RequestId: {second} Version: 2") for second in range(600)]
    logs = PlayedLogs(day_02=[starts[at : at + 10] for at in range(0, 600, 10)])
    found = logs.observations(most_requests=50).observed("2", NOON, NOON + 10 * MINUTE)
    assert 0 < found.errors == found.requests <= 50
    assert len(logs.requests) == 1 + 6  # the day before has one page


def test_two_days_are_read_in_the_order_of_time() -> None:
    early = [line for second in range(0, 20, 2) for line in served(second)]
    for line in early:
        line["logStreamName"] = "2026/01/01/[2]0"
    late = [line for second in range(1, 20, 2) for line in served(second)]
    logs = PlayedLogs(day_01=[early], day_02=[late])
    found = logs.observations(most_requests=10).observed("2", NOON, NOON + MINUTE)
    assert (found.requests, found.errors) == (10, 0)


def test_a_log_that_goes_on_and_on() -> None:
    logs = PlayedLogs(day_02=[[]] * 100)
    with pytest.raises(CloudUnavailable, match=rf"^log group {GROUP}: .*\[2\] .* 5 pages"):
        logs.observations(most_pages=5).observed("2", NOON, NOON + MINUTE)
    assert len(logs.requests) == 1 + 5
    just = PlayedLogs(day_02=[[]] * 5).observations(most_pages=5)
    assert just.observed("2", NOON, NOON + MINUTE).requests == 0


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException"])
def test_a_log_that_cannot_be_read(code: str) -> None:
    logs = client()
    with Stubber(logs) as stubber:
        stubber.add_client_error("filter_log_events", code)
        with pytest.raises(CloudUnavailable, match=f"^log group {GROUP}: .*{code}"):
            LogObservations(logs, GROUP).observed("2", NOON, NOON + MINUTE)
