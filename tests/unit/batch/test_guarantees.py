"""Never lost, never doubled: a fault at every place where there can be one."""

from collections.abc import Callable
from itertools import count

import pytest

from mlops.batch.job import Keys, Task
from mlops.batch.progress import JobState
from mlops.errors import (
    ArtifactCorrupt,
    OutOfTime,
    StoreThrottled,
    StoreUnavailable,
)
from mlops.inference.loading import ServedModel
from mlops.inference.version import Pin
from tests.unit.batch.bench import (
    OWNER,
    VERSION,
    Bench,
    Killed,
    csv_of,
    failing_on,
    load,
    task_of,
)

SMALL = csv_of(50, bad=[7, 50])
LARGE = csv_of(20_001, bad=[10_000, 10_001])
BOTH = pytest.mark.parametrize("content", [SMALL, LARGE], ids=["one chunk", "three chunks"])


def failing_at(number: int, fault: BaseException) -> Callable[[str, str], None]:
    """Fail ahead of the operation of that number, counted from 1: the one before it was done."""
    operations = count(1)

    def before(operation: str, key: str) -> None:
        if next(operations) == number:
            raise fault

    return before


def undisturbed(content: bytes) -> dict[str, bytes]:
    bench = Bench()
    bench.submit(content)
    bench.drain()
    return bench.written()


@BOTH
def test_messages_that_come_twice_give_one_result(content: bytes) -> None:
    bench = Bench()
    bench.submit(content)
    while bench.queue.waiting:
        body = bench.queue.waiting.popleft()
        for _ in range(2):
            bench.worker.run(task_of(body), bench.attempt())
    assert bench.written() == undisturbed(content)
    assert bench.status().state is JobState.SUCCEEDED


@BOTH
def test_two_workers_with_the_same_message_give_one_result(content: bytes) -> None:
    """Ahead of each object the one writes, the other does the whole task."""
    bench = Bench()
    bench.submit(content)
    racing = False

    def race(operation: str, key: str) -> None:
        nonlocal racing
        if operation == "create" and not racing:
            racing = True
            bench.worker.run(task, bench.attempt())
            racing = False

    while bench.queue.waiting:
        task = task_of(bench.queue.waiting.popleft())
        if task.chunk is not None and task.chunk in (0, 2) or len(content) == len(SMALL):
            bench.before = race
        bench.worker.run(task, bench.attempt())
        bench.before = lambda operation, key: None
    assert bench.written() == undisturbed(content)
    assert bench.status().state is JobState.SUCCEEDED


@BOTH
@pytest.mark.parametrize("fault", [Killed(), StoreThrottled("key", "slow down")], ids=repr)
def test_a_fault_at_any_operation_is_repeated_to_the_same_bytes(
    content: bytes, fault: BaseException
) -> None:
    """The n-th operation on the store fails, for each n; the messages come again."""
    expected, n = undisturbed(content), 0
    while True:
        bench = Bench()
        bench.submit(content)
        bench.before = failing_at(n, fault)
        failed = 0
        while bench.queue.waiting:
            try:
                bench.step()
            except type(fault):
                failed += 1
                assert bench.status().state in (JobState.QUEUED, JobState.RUNNING)
        assert bench.written() == expected
        assert bench.status().state is JobState.SUCCEEDED
        if not failed and n:
            return  # past the last operation
        n += 1


def test_a_crash_between_results_and_summary_is_completed_by_the_next_try() -> None:
    bench = Bench()
    bench.submit(SMALL)
    bench.before = failing_on("create", Keys("job-1").summary, Killed())
    with pytest.raises(Killed):
        bench.step()
    assert bench.status().state is JobState.RUNNING
    assert bench.written() == undisturbed(SMALL)
    bench.before = lambda operation, key: None
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED
    assert bench.written() == undisturbed(SMALL)


def test_a_worker_that_is_killed_at_each_try_is_shown_as_a_failed_job() -> None:
    """Nobody is left to say so: once its last try's time is over, the job has failed."""
    bench = Bench()
    bench.submit(SMALL)

    def killed(pin: Pin) -> ServedModel:
        raise Killed

    bench.model = killed
    for last in (False, False, True):
        with pytest.raises(Killed):
            bench.step(last=last, seconds=120)
    assert bench.status().state is JobState.RUNNING
    bench.clock.time = bench.clock.time.replace(minute=30)
    status = bench.status()
    assert status.state is JobState.FAILED
    assert status.reason is not None and "stopped at each of its tries" in status.reason


def test_a_last_try_that_succeeds_is_no_failure() -> None:
    bench = Bench()
    bench.submit(LARGE)
    while bench.queue.waiting:
        bench.step(last=True, seconds=120)
    bench.clock.time = bench.clock.time.replace(hour=23)
    assert bench.status().state is JobState.SUCCEEDED


def test_a_task_without_enough_time_is_not_started() -> None:
    bench = Bench()
    bench.submit(SMALL)
    with pytest.raises(OutOfTime):
        bench.step(seconds=5)
    assert bench.written() == {}
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


def test_a_split_that_runs_out_of_time_is_repeated() -> None:
    bench = Bench()
    bench.submit(LARGE)

    def slow(operation: str, key: str) -> None:
        if operation == "create" and key.endswith("/input"):
            bench.clock.time = bench.clock.time.replace(minute=bench.clock.time.minute + 1)

    bench.before = slow
    with pytest.raises(OutOfTime):
        bench.step(seconds=120)
    assert all(task_of(body).chunk is None for body in bench.queue.waiting)
    bench.before = lambda operation, key: None
    bench.drain()
    assert bench.written() == undisturbed(LARGE)


def test_a_poison_job_fails_with_the_reason_and_a_redrive_completes_it() -> None:
    bench = Bench()
    bench.submit(SMALL)
    poisoned: list[Callable[[Pin], ServedModel]] = [bench.model]

    def corrupt(pin: Pin) -> ServedModel:
        raise ArtifactCorrupt("churn-model-v1.0.0", "model.onnx", "sha256:1", "sha256:2")

    bench.model = corrupt
    for last in (False, False, True):
        with pytest.raises(ArtifactCorrupt):
            bench.step(last=last)
        failed = JobState.FAILED if last else JobState.RUNNING
        assert bench.status().state is failed
    assert "model.onnx" in (bench.status().reason or "")
    bench.model = poisoned[0]
    bench.drain()  # the redrive
    assert bench.status().state is JobState.SUCCEEDED
    assert bench.written() == undisturbed(SMALL)


def test_an_unexpected_error_is_not_quoted() -> None:
    bench = Bench()
    bench.submit(SMALL)

    def surprising(pin: Pin) -> ServedModel:
        raise ValueError("C12345 is secret")

    bench.model = surprising
    with pytest.raises(ValueError, match="secret"):
        bench.step(last=True)
    assert bench.status().reason == (
        "An unexpected error (ValueError); the service's logs say more"
    )


def test_one_chunk_fails_and_a_retry_runs_only_what_is_missing() -> None:
    bench = Bench()
    bench.submit(LARGE)
    bench.step()
    rows = Keys("job-1").chunk(1, "input")
    bench.before = failing_on("get", rows, StoreThrottled(rows, "slow down"))
    while bench.queue.waiting:
        if task_of(bench.queue.waiting[0]).chunk == 1:
            with pytest.raises(StoreThrottled):
                bench.step(last=True)
            bench.queue.waiting.pop()  # to the dead letters
        else:
            bench.step()
    status = bench.status()
    assert (status.state, status.rows_done + status.rows_failed) == (JobState.FAILED, 10_001)
    assert bench.written() == {}
    bench.before = lambda operation, key: None
    assert bench.jobs.retry("job-1", OWNER).state is JobState.RUNNING
    assert [task_of(body) for body in bench.queue.waiting] == [Task("job-1", 1, generation=1)]
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED
    assert bench.written() == undisturbed(LARGE)


def test_a_release_during_a_job_does_not_change_its_pin() -> None:
    """Jobs and worker get another pin between submission and work, and between two chunks."""
    asked: list[Pin] = []

    def watched(pin: Pin) -> ServedModel:
        asked.append(pin)
        return load(pin)

    bench = Bench(model=watched)
    bench.submit(LARGE)
    bench.pins = {"churn": Pin(VERSION.pin.version.next_minor(), VERSION.pin.digest)}
    bench.step()
    bench.jobs.retry("job-1", OWNER)
    bench.drain()
    assert set(asked) == {VERSION.pin}
    assert bench.written() == undisturbed(LARGE)


def test_chunks_that_the_queue_refused_are_sent_again() -> None:
    """The messages that were sent before it did come twice later."""
    bench = Bench()
    bench.submit(LARGE)
    body = bench.queue.waiting.popleft()
    bench.queue.refuse_after = 1
    with pytest.raises(StoreUnavailable):
        bench.worker.run(task_of(body), bench.attempt())
    bench.queue.refuse_after = None
    bench.worker.run(task_of(body), bench.attempt())
    assert len(bench.queue.waiting) == 4
    bench.drain()
    assert bench.written() == undisturbed(LARGE)
