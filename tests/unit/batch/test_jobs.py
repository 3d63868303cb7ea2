"""Submitting, cancelling, retrying; what of it can meet what."""

import json
from dataclasses import replace

import pytest

from mlops.batch.job import (
    MAX_CHUNK_BYTES,
    MAX_RECORD_BYTES,
    Format,
    Keys,
    folder_of,
    format_of,
)
from mlops.batch.jobs import MAX_INPUT_BYTES, Submission
from mlops.batch.progress import JobState
from mlops.errors import (
    InputRefused,
    JobConflict,
    JobEnded,
    JobNotFound,
    ModelNotFound,
)
from mlops.inference.version import Pin
from mlops.registry.objects import Stat
from tests.unit.batch.bench import OWNER, VERSION, Bench, Killed, csv_of, failing_on

ROWS = ({"customer_id": "ключ", "tenure": 1, "monthly_charges": 1.5},)
INLINE = Submission(OWNER, "churn", Format.JSONL, Format.JSONL, rows=ROWS)


def test_a_job_is_queued_then_running_then_succeeded() -> None:
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


def test_a_submission_that_died_before_it_was_queued_can_be_repeated() -> None:
    bench = Bench()
    bench.jobs.accept("job-1", INLINE)
    assert bench.status().state is JobState.QUEUED
    bench.jobs.submit("job-1", INLINE)
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


def test_rows_of_a_submission_that_died_do_not_become_those_of_another() -> None:
    """The one laid down its rows and came no further; the other has the same id."""
    bench = Bench()
    bench.before = failing_on("create", Keys("job-1").job, Killed())
    with pytest.raises(Killed):
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


def row_of(size: int) -> dict[str, str]:
    """Return a row of so many bytes as JSON."""
    return {"customer_id": "é" * 2 + "x" * (size - len('{"customer_id": ""}') - 4)}


@pytest.mark.parametrize("before", [0, 1, 9_999])
def test_a_row_that_is_too_large_is_refused_when_it_is_submitted(before: int) -> None:
    bench = Bench()
    rows = [{"customer_id": "C1"}] * before + [row_of(MAX_RECORD_BYTES + 1)]
    with pytest.raises(InputRefused) as caught:
        bench.jobs.submit("job-1", replace(INLINE, rows=rows))
    assert str(caught.value) == (
        f"Row {before + 1:,} of `rows` has more than 65,536 bytes. Leave it out"
    )
    assert list(bench.objects.keys("")) == []
    assert not bench.queue.waiting


def test_rows_that_are_too_large_together_are_refused_when_they_are_submitted() -> None:
    bench = Bench()
    rows = [row_of(MAX_RECORD_BYTES)] * 255
    rest = MAX_CHUNK_BYTES - 255 * (MAX_RECORD_BYTES + 1)
    with pytest.raises(InputRefused) as caught:
        bench.jobs.submit("job-1", replace(INLINE, rows=[*rows, row_of(rest)]))
    assert str(caught.value) == (
        "`rows` has more than 16,777,216 bytes. Submit several jobs of fewer rows"
    )
    assert list(bench.objects.keys("")) == []


def test_rows_as_large_as_they_may_be_are_errors_of_rows_at_most() -> None:
    bench = Bench()
    good = {"customer_id": "C1", "tenure": 1, "monthly_charges": 2.5}
    rows = [row_of(MAX_RECORD_BYTES)] * 255
    rest = MAX_CHUNK_BYTES - 255 * (MAX_RECORD_BYTES + 1) - len(json.dumps(good)) - 2
    bench.jobs.submit("job-1", replace(INLINE, rows=[good, *rows, row_of(rest)]))
    assert bench.objects.stat(Keys("job-1").inline_rows).bytes == MAX_CHUNK_BYTES
    bench.drain()
    assert (bench.status().rows_done, bench.status().rows_failed) == (1, 256)


def test_two_equal_submissions_at_once_are_one_job() -> None:
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
    of_fraud = Pin.parse(f"fraud-model-v1.0.0@sha256:{'0' * 64}")
    for wrong in (
        replace(INLINE, model="fraud"),
        replace(INLINE, model="fraud", pin=pin),
        replace(INLINE, model="fraud", pin=of_fraud),
        replace(INLINE, pin=of_fraud),
    ):
        with pytest.raises(ModelNotFound):
            bench.jobs.submit("job-2", wrong)


def test_an_input_that_is_missing_or_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_long_reason_is_cut() -> None:
    bench = Bench()
    bench.jobs.reject("job-1", OWNER, "x" * 100_000)
    assert bench.status().reason == "x" * 1_000


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
