"""What stands in for SQS on one's own machine treats the handler as SQS does."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from functions.batch.polling import (
    RETRY_SECONDS,
    TIMEOUT_SECONDS,
    VISIBILITY_SECONDS,
    LocalContext,
    poll,
)
from mlops.batch.job import Task
from mlops.errors import StoreThrottled
from mlops.local.queue import FolderQueue
from tests.unit.handler.service import MAX_RECEIVES, Service


@pytest.fixture
def queue(tmp_path: Path, service: Service) -> FolderQueue:
    return FolderQueue(tmp_path / "queue", service.clock, MAX_RECEIVES)


def run(service: Service, queue: FolderQueue, rests: Sequence[float] = ()) -> None:
    """Poll until nothing is left, and after so many seconds once more."""
    left = [*rests, None]

    def rest() -> None:
        seconds = left.pop(0)
        service.clock.time += timedelta(seconds=seconds or 0)

    poll(queue, service.handler, is_wanted=lambda: bool(left), rest=rest)


def test_what_is_done_is_gone(service: Service, queue: FolderQueue) -> None:
    queue.send([Task("a").to_text(), Task("b", 3).to_text()], "ann")
    run(service, queue, [VISIBILITY_SECONDS, VISIBILITY_SECONDS])
    assert service.worker.tasks == [Task("a"), Task("b", 3)]


def test_what_failed_comes_again_soon_and_not_for_ever(
    service: Service, queue: FolderQueue, tmp_path: Path
) -> None:
    def doing(task: Task) -> None:
        if task.job_id == "poison":
            raise StoreThrottled("key", "no")

    service.worker.doing = doing
    queue.send([Task("poison").to_text(), Task("good").to_text()], "ann")
    run(service, queue, [RETRY_SECONDS] * 5)
    lasts = [attempt.last for task, attempt in service.worker.ran if task.job_id == "poison"]
    assert lasts == [False, False, True]
    assert service.worker.tasks.count(Task("good")) == 1
    assert [path.read_text() for path in (tmp_path / "queue/dead").iterdir()] == [
        Task("poison").to_text()
    ]


def test_it_stops_between_two_messages(service: Service, queue: FolderQueue) -> None:
    queue.send([Task("a").to_text(), Task("b").to_text()], "ann")
    poll(queue, service.handler, is_wanted=lambda: not service.worker.ran, rest=lambda: None)
    assert service.worker.tasks == [Task("a")]


def test_a_task_has_time_and_less_and_less_of_it() -> None:
    assert 0 < LocalContext().get_remaining_time_in_millis() <= TIMEOUT_SECONDS * 1000
    assert LocalContext(deadline=0).get_remaining_time_in_millis() == 0
    assert LocalContext().aws_request_id != LocalContext().aws_request_id


def test_nobody_else_gets_a_task_while_it_has_time() -> None:
    assert VISIBILITY_SECONDS > TIMEOUT_SECONDS
