"""Submitting, cancelling, retrying; what of it can meet what."""

import json
from dataclasses import replace

import pytest

from mlops.batch.job import Format, Keys, Task, folder_of, format_of
from mlops.batch.jobs import MAX_INPUT_BYTES, Submission
from mlops.batch.progress import JobState
from mlops.errors import (
    InputRefused,
    JobConflict,
    JobEnded,
    JobNotFound,
    ModelNotFound,
    VersionNotFound,
)
from mlops.inference.loading import ServedModel
from mlops.inference.version import Pin
from mlops.registry.objects import Stat
from tests.unit.batch.bench import OWNER, VERSION, Bench, csv_of, task_of

ROWS = ({"customer_id": "ключ", "tenure": 1, "monthly_charges": 1.5},)
INLINE = Submission(OWNER, "churn", Format.JSONL, Format.JSONL, rows=ROWS)


class Died(BaseException):
    """What no handler catches: the process is gone."""


def test_the_life_of_a_job() -> None:
    bench = Bench()
    bench.submit(csv_of(20_001, bad=[5]))
    assert bench.status().state is JobState.QUEUED
    bench.step()
    running = bench.status()
    assert (running.state, running.rows_total, running.rows_done) == (JobState.RUNNING, 20_001, 0)
    bench.step()
    assert (bench.status().rows_done, bench.status().rows_failed) == (9_999, 1)
    bench.drain()
    ended = bench.status()
    assert (ended.state, ended.rows_done, ended.rows_failed) == (JobState.SUCCEEDED, 20_000, 1)
    assert ended.job is not None
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert ended.job.submitted_at < ended.started_at < ended.ended_at


def test_the_same_submission_is_the_same_job() -> None:
    bench = Bench()
    first = bench.jobs.submit("job-1", INLINE)
    again = bench.jobs.submit("job-1", INLINE)
    assert first.job == again.job
    bench.drain()
    assert bench.status().rows_done == 1
    bench.jobs.submit("job-1", INLINE)
    assert not bench.queue.waiting, "it is done"


@pytest.mark.parametrize(
    "other",
    [
        replace(INLINE, rows=({**ROWS[0], "tenure": 2},)),
        replace(INLINE, owner="bob"),
        replace(INLINE, output_format=Format.CSV),
        replace(INLINE, pin=VERSION.pin),
    ],
)
def test_another_submission_under_the_same_id_is_refused(other: Submission) -> None:
    bench = Bench()
    bench.jobs.submit("job-1", INLINE)
    with pytest.raises(JobConflict):
        bench.jobs.submit("job-1", other)


def test_a_submission_that_died_before_it_was_queued() -> None:
    bench = Bench()
    bench.jobs.accept("job-1", INLINE)
    assert bench.status().state is JobState.QUEUED
    bench.jobs.submit("job-1", INLINE)
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


def test_rows_of_a_submission_that_died_are_not_anothers() -> None:
    """The one laid down its rows and came no further; the other has the same id."""
    bench = Bench()

    def died(operation: str, key: str) -> None:
        if (operation, key) == ("create", Keys("job-1").job):
            raise Died

    bench.before = died
    with pytest.raises(Died):
        bench.jobs.submit("job-1", INLINE)
    bench.before = lambda operation, key: None
    with pytest.raises(JobConflict):
        bench.jobs.submit("job-1", replace(INLINE, rows=({**ROWS[0], "tenure": 2},)))
    bench.jobs.submit("job-1", INLINE)
    bench.drain()
    assert bench.status().rows_done == 1


def test_inline_numbers_and_texts_reach_the_worker_as_they_were() -> None:
    bench = Bench()
    rows = ({"customer_id": 'say "Infinity"\\', "tenure": float("inf"), "monthly_charges": -1e308},)
    bench.jobs.submit("job-1", replace(INLINE, rows=rows))
    content = bench.objects.get(Keys("job-1").inline_rows).content
    assert json.loads(content.replace(b"1e999", b"Infinity")) == rows[0]
    assert b'"tenure": 1e999' in content


def test_two_submissions_at_once() -> None:
    bench = Bench()

    def faster(operation: str, key: str) -> None:
        if (operation, key) == ("create", Keys("job-1").job):
            bench.before = lambda operation, key: None
            bench.jobs.submit("job-1", INLINE)

    bench.before = faster
    assert bench.jobs.submit("job-1", INLINE).job == bench.status().job


def test_an_exact_pin_is_kept_and_an_unknown_model_refused() -> None:
    bench = Bench()
    pin = Pin.parse(f"churn-model-v9.0.0@sha256:{'0' * 64}")
    status = bench.jobs.submit("job-1", replace(INLINE, pin=pin))
    assert status.job is not None
    assert status.job.pin == pin
    for wrong in (replace(INLINE, model="fraud"), replace(INLINE, model="fraud", pin=pin)):
        with pytest.raises(ModelNotFound):
            bench.jobs.submit("job-2", wrong)


def test_an_input_that_is_not_there_or_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    url = "s3://store/batch/uploads/ann/in.csv"
    wanted = Submission(OWNER, "churn", Format.CSV, Format.CSV, input=url)
    with pytest.raises(InputRefused):
        bench.jobs.submit("job-1", wanted)
    monkeypatch.setattr(bench.objects, "stat", lambda key: Stat("1", MAX_INPUT_BYTES + 1))
    with pytest.raises(InputRefused, match="536,870,912"):
        bench.jobs.submit("job-1", wanted)


def test_nobody_elses_job_can_be_seen_or_touched() -> None:
    bench = Bench()
    bench.jobs.submit("job-1", INLINE)
    for ask in (bench.jobs.status, bench.jobs.cancel, bench.jobs.retry):
        for job_id, owner in (("job-1", "bob"), ("job-2", OWNER), ("../x", OWNER), ("", OWNER)):
            with pytest.raises(JobNotFound):
                ask(job_id, owner)
    assert bench.status().state is JobState.QUEUED


def test_a_job_that_has_not_started_is_cancelled() -> None:
    bench = Bench()
    bench.jobs.submit("job-1", INLINE)
    assert bench.jobs.cancel("job-1", OWNER).state is JobState.CANCELLED
    assert bench.jobs.cancel("job-1", OWNER).state is JobState.CANCELLED
    bench.drain()
    assert bench.status().state is JobState.CANCELLED
    assert bench.written() == {}
    with pytest.raises(JobEnded):
        bench.jobs.retry("job-1", OWNER)


def test_chunks_that_have_not_started_are_not_done() -> None:
    bench = Bench()
    bench.submit(csv_of(20_001))
    bench.step()
    bench.step()
    bench.jobs.cancel("job-1", OWNER)
    bench.drain()
    status = bench.status()
    assert (status.state, status.rows_done) == (JobState.CANCELLED, 10_000)


def test_a_job_that_is_done_cannot_be_cancelled_or_retried() -> None:
    bench = Bench()
    bench.jobs.submit("job-1", INLINE)
    bench.drain()
    for ask in (bench.jobs.cancel, bench.jobs.retry):
        with pytest.raises(JobEnded, match="succeeded"):
            ask("job-1", OWNER)


@pytest.mark.parametrize("operation", ["create", "get"])
def test_whoever_is_first_cancels_or_finishes(operation: str) -> None:
    """A cancellation at the last moment wins or is refused; nothing in between."""
    bench = Bench()
    bench.jobs.submit("job-1", INLINE)
    refused = False

    def cancel(found: str, key: str) -> None:
        nonlocal refused
        if (found, key) == (operation, Keys("job-1").outcome):
            bench.before = lambda operation, key: None
            try:
                bench.jobs.cancel("job-1", OWNER)
            except JobEnded:
                refused = True

    bench.before = cancel
    bench.drain()
    expected = JobState.SUCCEEDED if refused else JobState.CANCELLED
    assert bench.status().state is expected
    assert refused is (operation == "get")
    assert bool(bench.written()) is refused


def test_a_retry_of_a_job_that_still_runs_sends_what_is_missing_again() -> None:
    bench = Bench()
    bench.submit(csv_of(20_001))
    bench.step()
    bench.step()
    bench.queue.waiting.clear()  # lost
    bench.jobs.retry("job-1", OWNER)
    assert [task_of(body) for body in bench.queue.waiting] == [
        Task("job-1", 1),
        Task("job-1", 2),
    ]
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


def test_a_retry_fails_anew_with_its_own_reason() -> None:
    bench = Bench()
    bench.submit(csv_of(3))
    bench.replace_input(csv_of(4))
    bench.drain()
    assert bench.status().state is JobState.FAILED
    assert bench.jobs.retry("job-1", OWNER).state is JobState.RUNNING
    bench.objects.remove(f"batch/uploads/{OWNER}/job-1.csv")
    bench.drain()
    assert bench.status().reason == "The input is gone"


def test_a_rejected_message_is_a_failed_job_of_its_submitter() -> None:
    bench = Bench()
    bench.jobs.reject("job-1", OWNER, "format: Input should be 'csv'")
    bench.jobs.reject("job-1", OWNER, "the same message comes again")
    status = bench.status()
    assert (status.state, status.job) == (JobState.FAILED, None)
    assert status.reason == "format: Input should be 'csv'"
    with pytest.raises(JobNotFound):
        bench.jobs.status("job-1", "bob")
    for ask in (bench.jobs.retry, bench.jobs.cancel):
        with pytest.raises(JobEnded):
            ask("job-1", OWNER)
    bench.jobs.submit("job-1", INLINE)
    assert bench.status().state is JobState.QUEUED, "sent again, and right"


def test_folders_of_owners_differ() -> None:
    owners = [
        "x" * 256,
        ":" * 256,
        "/" * 67,
        "ann",
        "Ann",
        "a.n",
        "a=2en",
        "arn:aws:iam::1:user/ann",
        "a/b",
        "a",
        "a%2Fb",
        "..",
        ".",
    ]
    folders = [folder_of(owner) for owner in owners]
    assert len(set(folders)) == len(owners)
    assert max(map(len, folders)) <= 200
    assert not any(set(folder) & set("/.%:") for folder in folders)


def test_a_name_tells_the_format() -> None:
    assert format_of("a.csv") is Format.CSV
    assert format_of("a.csv.gz") is Format.CSV_GZIP
    assert format_of("a.b.parquet") is Format.PARQUET
    assert format_of("csv") is None
    assert format_of("a.zip") is None


def test_a_failed_job_can_be_cancelled() -> None:
    """Others of its chunks may still run."""
    bench = Bench()
    bench.submit(csv_of(3))
    bench.replace_input(csv_of(4))
    bench.drain()
    assert bench.jobs.cancel("job-1", OWNER).state is JobState.CANCELLED


def test_a_pin_that_leads_to_nothing_fails_the_job_and_rings_no_alarm() -> None:
    def unknown(pin: Pin) -> ServedModel:
        raise VersionNotFound(str(pin.version))

    bench = Bench(model=unknown)
    bench.submit(csv_of(3))
    bench.drain()  # nothing is raised, so nothing comes to the dead letters
    assert bench.status().reason == "There is no version churn-model-v1.0.0 in the store"
