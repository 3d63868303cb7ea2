"""Retrying a job: its messages are never multiplied, and it is never left without any."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from mlops.batch import progress, splitting
from mlops.batch.job import Keys, Task
from mlops.batch.progress import MESSAGE_RETENTION, JobState
from mlops.errors import JobEnded, StoreThrottled, StoreUnavailable
from tests.unit.batch.bench import OWNER, Bench, Killed, csv_of, failing_on, task_of

LARGE = csv_of(30_001)
KEYS = Keys("job-1")


def split_job() -> Bench:
    """Return a job of four chunks that wait on the queue."""
    bench = Bench()
    bench.submit(LARGE)
    bench.step()
    assert len(bench.queue.waiting) == 4
    return bench


def fail_next(bench: Bench) -> None:
    """Use up the tries of the next task; it becomes a dead letter."""
    task = task_of(bench.queue.waiting[0])
    assert task.chunk is not None
    key = KEYS.chunk(task.chunk, "input")
    bench.before = failing_on("get", key, StoreThrottled(key, "slow down"))
    with pytest.raises(StoreThrottled):
        bench.step(last=True)
    bench.queue.waiting.pop()
    bench.before = lambda operation, key: None


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_twenty_retries_of_a_job_that_has_not_failed_send_nothing(steps: int) -> None:
    bench = Bench()
    bench.submit(LARGE)
    for _ in range(steps):
        bench.step()
    waiting = list(bench.queue.waiting)
    state = JobState.RUNNING if steps else JobState.QUEUED
    for _ in range(20):
        assert bench.jobs.retry("job-1", OWNER).state is state
    assert list(bench.queue.waiting) == waiting


def test_twenty_retries_of_a_failed_job_send_what_is_missing_once() -> None:
    bench = split_job()
    bench.step()
    fail_next(bench)
    bench.queue.waiting.clear()
    for _ in range(20):
        assert bench.jobs.retry("job-1", OWNER).state is JobState.RUNNING
    assert [task_of(body) for body in bench.queue.waiting] == [
        Task("job-1", chunk, generation=1) for chunk in (1, 2, 3)
    ]
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


def test_two_retries_at_the_same_moment_send_once() -> None:
    bench = split_job()
    fail_next(bench)
    bench.queue.waiting.clear()

    def race(operation: str, key: str) -> None:
        if (operation, key) == ("create", KEYS.retry(1)):
            bench.before = lambda operation, key: None
            bench.jobs.retry("job-1", OWNER)

    bench.before = race
    bench.jobs.retry("job-1", OWNER)
    assert len(bench.queue.waiting) == 4


def test_messages_from_before_a_retry_are_not_worked_on() -> None:
    """Otherwise a chunk would be predicted by both of its messages."""
    bench = split_job()
    fail_next(bench)
    old = len(bench.queue.waiting)
    bench.jobs.retry("job-1", OWNER)
    for _ in range(old):
        bench.step()
    assert bench.status().rows_done == 0
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


def test_a_job_message_that_comes_again_does_not_send_the_chunks_again() -> None:
    bench = Bench()
    bench.submit(LARGE)
    body = bench.queue.waiting[0]
    bench.step()
    for _ in range(20):
        bench.worker.run(task_of(body), bench.attempt())
    assert len(bench.queue.waiting) == 4


def test_a_repeated_submission_does_not_send_the_job_again() -> None:
    bench = Bench()
    bench.submit(LARGE)
    job = bench.status().job
    assert job is not None
    for _ in range(20):
        bench.objects.remove(job.input_key)
        bench.submit(LARGE)
    assert len(bench.queue.waiting) == 1


def test_a_retry_that_the_queue_refuses_has_failed_and_can_be_repeated_at_once() -> None:
    bench = split_job()
    fail_next(bench)
    bench.queue.waiting.clear()
    bench.queue.refuse_after = 1
    with pytest.raises(StoreUnavailable):
        bench.jobs.retry("job-1", OWNER)
    status = bench.status()
    assert (status.state, status.reason) == (
        JobState.FAILED,
        "The queue could not be used. Retry the job",
    )
    bench.queue.refuse_after = None
    assert bench.jobs.retry("job-1", OWNER).state is JobState.RUNNING
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


@pytest.mark.parametrize("sent", [0, 2, None])
def test_a_retry_that_is_killed_while_it_sends_is_shown_and_can_be_repeated(
    sent: int | None,
) -> None:
    bench = split_job()
    fail_next(bench)
    bench.queue.waiting.clear()
    if sent is None:  # all were sent, but it could not say so
        bench.before = failing_on("create", KEYS.retry_sent(1), Killed())
    else:
        bench.queue.refuse_after, bench.queue.fault = sent, Killed()
    with pytest.raises(Killed):
        bench.jobs.retry("job-1", OWNER)
    bench.before, bench.queue.refuse_after = lambda operation, key: None, None
    assert bench.jobs.retry("job-1", OWNER).state is JobState.RUNNING, "it may still be sending"
    bench.clock.time += timedelta(minutes=2)
    status = bench.status()
    assert status.state is JobState.FAILED
    assert "cut off" in (status.reason or "")
    assert bench.jobs.retry("job-1", OWNER).state is JobState.RUNNING
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


def test_a_retry_while_the_input_is_split_sends_the_chunks_of_its_own() -> None:
    """The first worker stores the plan, and its messages come from before the retry."""
    bench = Bench()
    bench.submit(LARGE)
    first = bench.queue.waiting.popleft()
    bench.before = failing_on("create", KEYS.chunk(0, "input"), StoreThrottled("key", "slow"))
    with pytest.raises(StoreThrottled):
        bench.worker.run(task_of(first), bench.attempt(last=True))
    assert bench.status().state is JobState.FAILED

    def retry(operation: str, key: str) -> None:
        if (operation, key) == ("create", KEYS.plan):
            bench.before = lambda operation, key: None
            bench.jobs.retry("job-1", OWNER)

    bench.before = retry
    bench.worker.run(task_of(first), bench.attempt())
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_job_whose_messages_expired_is_shown_as_failed_and_can_be_retried(steps: int) -> None:
    bench = Bench()
    bench.submit(LARGE)
    for _ in range(steps):
        bench.step()
    bench.queue.waiting.clear()
    bench.clock.time += MESSAGE_RETENTION - timedelta(minutes=1)
    assert bench.status().state in (JobState.QUEUED, JobState.RUNNING)
    bench.clock.time += timedelta(hours=2)
    status = bench.status()
    assert status.state is JobState.FAILED
    assert status.reason == (
        "No worker finished the job within 4 days, and the queue keeps its messages no longer."
        " Retry the job"
    )
    assert bench.jobs.retry("job-1", OWNER).state is not JobState.FAILED
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


def test_a_retry_gives_a_job_four_more_days() -> None:
    bench = split_job()
    bench.queue.waiting.clear()
    for _ in range(2):
        bench.clock.time += MESSAGE_RETENTION + timedelta(hours=2)
        assert bench.status().state is JobState.FAILED
        assert bench.jobs.retry("job-1", OWNER).state is JobState.RUNNING
        bench.clock.time += MESSAGE_RETENTION - timedelta(hours=1)
        assert bench.status().state is JobState.RUNNING


def test_a_retry_fails_with_a_reason_of_its_own() -> None:
    bench = Bench()
    bench.submit(csv_of(3))
    bench.replace_input(csv_of(4))
    bench.drain()
    assert bench.status().state is JobState.FAILED
    assert bench.jobs.retry("job-1", OWNER).state is JobState.RUNNING
    bench.objects.remove(f"batch/uploads/{OWNER}/job-1.csv")
    bench.drain()
    assert bench.status().reason == "The input was deleted. Upload it, and submit a new job"


def test_a_job_that_has_finished_is_not_retried() -> None:
    bench = Bench()
    bench.submit(csv_of(3))
    bench.drain()
    with pytest.raises(JobEnded, match="The job has already succeeded"):
        bench.jobs.retry("job-1", OWNER)


def failing_in(operations: int, fault: BaseException) -> Callable[[str, str], None]:
    """For `Bench.before`: fail after so many operations, once."""
    left = operations

    def before(operation: str, key: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise fault

    return before


def disturb(bench: Bench, random: Random) -> None:
    """Do a random thing, with a fault at a random moment."""
    fault = random.choice([Killed(), StoreThrottled("key", "slow down")])
    if random.random() < 0.6:
        bench.before = failing_in(random.randint(1, 25), fault)
    if random.random() < 0.2:
        bench.queue.refuse_after, bench.queue.fault = random.randint(0, 3), fault
    waiting = bench.queue.waiting
    try:
        match random.randrange(6):
            case 0 | 1 if waiting:
                bench.step(last=random.random() < 0.4)
            case 2 if waiting:
                waiting.append(random.choice(list(waiting)))  # delivered twice
            case 3 if waiting:
                waiting.rotate(random.randrange(len(waiting)))
            case 4 if waiting:
                waiting.popleft()  # a dead letter, or expired
            case _:
                bench.jobs.retry("job-1", OWNER)
    except (Killed, StoreThrottled):
        pass
    except JobEnded:
        assert bench.status().state is JobState.SUCCEEDED
    finally:
        bench.before, bench.queue.refuse_after = lambda operation, key: None, None
        bench.clock.time += timedelta(seconds=random.choice([0, 1, 90]))


@pytest.mark.parametrize("seed", range(60))
def test_a_job_is_completed_once_whatever_happens_to_its_messages_and_retries(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (progress, splitting):
        monkeypatch.setattr(module, "ROWS_PER_CHUNK", 10)
    content = csv_of(35, bad=[3, 17])
    calm = Bench()
    calm.submit(content)
    calm.drain()
    random = Random(seed)  # noqa: S311 -- repeatable, not secret
    bench = Bench()
    bench.submit(content)
    for _ in range(25):
        disturb(bench, random)
    # Nothing fails any more. What is still missing has a message, or is shown as failed in time.
    for _ in range(2):
        bench.drain()
        if bench.status().state is not JobState.SUCCEEDED:
            bench.clock.time += MESSAGE_RETENTION + timedelta(hours=2)
            assert bench.status().state is JobState.FAILED
            bench.jobs.retry("job-1", OWNER)
            assert len(bench.queue.waiting) <= 4
    assert bench.status().state is JobState.SUCCEEDED
    assert bench.written() == calm.written()
