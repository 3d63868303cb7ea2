"""When a job is shown as failed, and when no longer."""

import pytest

from mlops.batch.job import Format, Keys
from mlops.batch.progress import JobState
from mlops.errors import JobDamaged, OutOfTime, StoreThrottled
from tests.unit.batch.bench import Bench, Killed, csv_of, failing_on
from tests.unit.fakes import overwrite

LARGE = csv_of(20_001, bad=[10_000, 10_001])


def test_a_merge_that_fails_at_its_last_try_is_shown_and_a_redrive_completes_it() -> None:
    bench = Bench()
    bench.submit(LARGE)
    bench.step()
    bench.step()
    bench.step()
    results = Keys("job-1").results(Format.CSV)
    bench.before = failing_on("create", results, StoreThrottled(results, "slow down"))
    with pytest.raises(StoreThrottled):
        bench.step(last=True)
    assert bench.status().state is JobState.FAILED
    bench.before = lambda operation, key: None
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


def test_a_last_try_that_cut_the_input_is_no_failure_while_chunks_wait() -> None:
    bench = Bench()
    bench.submit(LARGE)
    bench.step(last=True, seconds=120)
    bench.clock.time = bench.clock.time.replace(hour=23)
    assert bench.status().state is JobState.RUNNING


def test_a_failed_chunk_that_was_redriven_is_no_failure_while_others_wait() -> None:
    bench = Bench()
    bench.submit(LARGE)
    bench.step()
    with pytest.raises(OutOfTime):
        bench.step(last=True, seconds=1)
    assert bench.status().state is JobState.FAILED
    bench.queue.waiting.rotate(1)
    bench.step()  # the redrive
    assert bench.status().state is JobState.RUNNING


def test_a_crash_between_the_plan_and_its_messages_is_shown_as_failed() -> None:
    bench = Bench()
    bench.submit(LARGE)
    bench.queue.refuse_after, bench.queue.fault = 0, Killed()
    with pytest.raises(Killed):
        bench.step(last=True, seconds=120)
    bench.clock.time = bench.clock.time.replace(hour=23)
    assert bench.status().state is JobState.FAILED
    bench.queue.refuse_after = None
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


@pytest.mark.parametrize("fault", [OutOfTime("none"), Killed()], ids=repr)
def test_a_redriven_chunk_is_no_failure_once_its_last_tries_time_is_over(
    fault: BaseException,
) -> None:
    bench = Bench()
    bench.submit(LARGE)
    bench.step()
    bench.before = failing_on("get", Keys("job-1").chunk(0, "input"), fault)
    with pytest.raises(type(fault)):
        bench.step(last=True, seconds=120)
    bench.clock.time = bench.clock.time.replace(minute=30)
    assert bench.status().state is JobState.FAILED
    bench.before = lambda operation, key: None
    bench.queue.waiting.rotate(1)
    bench.step()  # the redrive
    assert bench.status().state is JobState.RUNNING
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


@pytest.mark.parametrize("left", [0, 5, 100_000])
def test_a_chunk_that_is_not_what_was_cut_is_not_merged(left: int) -> None:
    bench = Bench()
    bench.submit(LARGE)
    bench.step()
    key = Keys("job-1").chunk(1, "input")
    overwrite(bench.objects, key, bench.objects.get(key).content[:left])
    bench.step()
    with pytest.raises(JobDamaged):
        bench.step(last=True)
    assert "does not have its rows" in (bench.status().reason or "")
