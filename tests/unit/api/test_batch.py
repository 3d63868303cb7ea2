"""The life of a job, as its submitter sees it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.api.callers import identify_local
from mlops.batch.job import Format, Job, Keys, Task
from tests.unit.api.batch_service import (
    ALICE,
    ALICES_FOLDER,
    BATCH,
    BOB,
    NOW,
    ROOT,
    ROWS,
    BatchService,
    assert_problem,
    batch_service,
    cancelled,
    chunk_failed,
    failed,
    half_done,
    started,
    succeeded,
)
from tests.unit.fakes import MemoryObjects

JOB_ID = "job_" + "1".zfill(32)
State = Callable[[MemoryObjects, str], None]


def job_of(batch: BatchService, job_id: str = JOB_ID) -> Job:
    return Job.from_bytes(batch.store.get(Keys(job_id).job).content)


def test_rows_are_accepted(batch: BatchService) -> None:
    answer = batch.submit()
    assert answer.status == 202
    assert answer.headers["location"] == f"{BATCH}/{JOB_ID}"
    assert answer.json() == {
        "job_id": JOB_ID,
        "status": "queued",
        "model_version": "churn-model-v1.0.0",
        "submitted_at": "2026-03-04T05:06:07Z",
        "started_at": None,
        "ended_at": None,
        "rows": {"total": None, "done": 0, "failed": 0},
        "reason": None,
        "links": None,
    }
    assert batch.queue.sent == [{"job_id": JOB_ID, "chunk": None}]
    job = job_of(batch)
    assert (job.owner, job.pin) == (f"iam:{ALICE}", batch.api.pin)
    assert (job.input_format, job.output_format) == (Format.JSONL, Format.JSONL)
    lines = batch.store.get(job.input_key).content.splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_a_server_on_this_machine_has_one_caller() -> None:
    batch = batch_service(identify=identify_local)
    body = json.dumps({"model": "churn", "rows": ROWS}).encode()
    answer = batch.api.asgi("POST", BATCH, body)
    assert answer.status == 202
    assert job_of(batch).owner == "local"
    shown = batch.api.asgi("GET", answer.headers["location"])
    assert (shown.status, shown.json()) == (200, answer.json())
    assert batch.api.asgi("POST", f"{BATCH}/{JOB_ID}/retry").status == 202
    assert batch.api.asgi("DELETE", f"{BATCH}/{JOB_ID}").json()["status"] == "cancelled"
    created = batch.api.asgi("POST", f"{BATCH}/uploads", b'{"format": "csv", "bytes": 9}')
    assert created.status == 201
    assert created.json()["input"].startswith(f"{ROOT}batch/uploads/local/")


@pytest.mark.parametrize("format", Format)
def test_the_format_is_told_by_the_inputs_name(batch: BatchService, format: Format) -> None:
    url = batch.upload(f"march.{format}")
    job = job_of(batch, batch.submitted(rows=None, input=url))
    assert (job.input_key, job.input_format, job.output_format) == (
        f"batch/uploads/{ALICES_FOLDER}/march.{format}",
        format,
        format,
    )


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("CUST.CSV", Format.CSV),
        ("x.ndjson", Format.JSONL),
        ("d.Parquet", Format.PARQUET),
        ("x.csv.GZ", Format.CSV_GZIP),
    ],
)
def test_the_end_of_a_name_may_be_written_in_other_ways(
    batch: BatchService, name: str, format: Format
) -> None:
    job = job_of(batch, batch.submitted(rows=None, input=batch.upload(name)))
    assert job.input_format is format


def test_a_job_keeps_what_its_columns_are_called(batch: BatchService) -> None:
    renames = {"customerID": "customer_id", "Churn": None}
    job = job_of(batch, batch.submitted(rename=renames, escape_formulas=False))
    assert (job.rename, job.dropped, job.escape_formulas) == (renames, ["Churn"], False)
    plain = job_of(batch, batch.submitted())
    assert (plain.rename, plain.escape_formulas) == ({}, True)


def test_formats_may_be_said(batch: BatchService) -> None:
    url = batch.upload("march")
    job_id = batch.submitted(rows=None, input=url, format="csv.gz", output_format="parquet")
    job = job_of(batch, job_id)
    assert (job.input_format, job.output_format) == (Format.CSV_GZIP, Format.PARQUET)
    job = job_of(batch, batch.submitted(format="jsonl", output_format="csv"))
    assert (job.input_format, job.output_format) == (Format.JSONL, Format.CSV)


def test_a_pin_may_name_another_version(batch: BatchService) -> None:
    pin = f"churn-model-v0.9.0@sha256:{'a' * 64}"
    answer = batch.submit(pin=pin)
    assert answer.json()["model_version"] == "churn-model-v0.9.0"
    assert str(job_of(batch).pin) == pin


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (started, {"status": "running", "started_at": "2026-03-04T05:06:08Z"}),
        (half_done, {"status": "running", "rows": {"total": 15000, "done": 9997, "failed": 3}}),
        (
            failed,
            {
                "status": "failed",
                "ended_at": "2026-03-04T05:06:07Z",
                "reason": "Line 7: a quote that is never closed",
            },
        ),
        (cancelled, {"status": "cancelled", "started_at": None, "links": None}),
        (
            succeeded,
            {
                "status": "succeeded",
                "started_at": "2026-03-04T05:06:08Z",
                "ended_at": "2026-03-04T05:06:09Z",
                "rows": {"total": 2, "done": 1, "failed": 1},
                "reason": None,
                "links": {
                    "results": f"https://get.example/batch/jobs/{JOB_ID}/results.csv",
                    "errors": f"https://get.example/batch/jobs/{JOB_ID}/errors.csv",
                    "summary": f"https://get.example/batch/jobs/{JOB_ID}/summary.json",
                    "expires_at": "2026-03-04T06:06:07Z",
                },
            },
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_state_is_shown(batch: BatchService, state: State, shown: dict[str, Any]) -> None:
    state(batch.store, batch.submitted(output_format="csv"))
    answer = batch.ask("GET", f"{BATCH}/{JOB_ID}")
    assert answer.status == 200
    assert {name: answer.json()[name] for name in shown} == shown


def test_a_message_that_was_no_job_is_shown_as_failed(batch: BatchService) -> None:
    content = {
        "at": NOW.isoformat(),
        "owner": f"iam:{ALICE}",
        "reason": "rows: Input should be a list",
    }
    batch.store.create(Keys("march-1").rejected, json.dumps(content).encode())
    shown = batch.ask("GET", f"{BATCH}/march-1").json()
    assert (shown["status"], shown["reason"]) == ("failed", "rows: Input should be a list")
    assert (shown["model_version"], shown["submitted_at"]) == (None, None)
    for method, path in (("DELETE", ""), ("POST", "/retry")):
        assert_problem(batch.ask(method, f"{BATCH}/march-1{path}"), 409, "job-ended")


@pytest.mark.parametrize("state", [None, started, half_done, cancelled])
def test_cancelling(batch: BatchService, state: State | None) -> None:
    job_id = batch.submitted()
    if state:
        state(batch.store, job_id)
    for _ in range(2):
        answer = batch.ask("DELETE", f"{BATCH}/{job_id}")
        assert (answer.status, answer.json()["status"]) == (200, "cancelled")
    assert batch.ask("GET", f"{BATCH}/{job_id}").json() == answer.json()


@pytest.mark.parametrize(("state", "why"), [(succeeded, "succeeded")])
def test_too_late_to_cancel(batch: BatchService, state: State, why: str) -> None:
    state(batch.store, batch.submitted())
    problem = assert_problem(batch.ask("DELETE", f"{BATCH}/{JOB_ID}"), 409, "job-ended")
    assert why in problem["detail"]


@pytest.mark.parametrize(
    ("states", "sent"),
    [([failed], None), ([half_done, chunk_failed], 1)],
)
def test_twenty_retries_of_a_failed_job_send_what_is_missing_once(
    batch: BatchService, states: list[State], sent: int | None
) -> None:
    job_id = batch.submitted()
    for state in states:
        state(batch.store, job_id)
    batch.queue.sent.clear()
    for _ in range(20):
        answer = batch.ask("POST", f"{BATCH}/{job_id}/retry")
        assert (answer.status, answer.json()["status"]) == (202, "running")
        assert answer.json()["reason"] is None
    assert batch.queue.sent == [json.loads(Task(job_id, sent, generation=1).to_text())]


@pytest.mark.parametrize(
    ("state", "shown"), [(None, "queued"), (started, "running"), (half_done, "running")]
)
def test_retries_of_a_job_that_has_not_failed_show_its_state_and_send_nothing(
    batch: BatchService, state: State | None, shown: str
) -> None:
    job_id = batch.submitted()
    if state:
        state(batch.store, job_id)
    batch.queue.sent.clear()
    for _ in range(20):
        answer = batch.ask("POST", f"{BATCH}/{job_id}/retry")
        assert (answer.status, answer.json()["status"]) == (202, shown)
    assert batch.queue.sent == []


@pytest.mark.parametrize("state", [succeeded, cancelled])
def test_nothing_to_retry(batch: BatchService, state: State) -> None:
    state(batch.store, batch.submitted())
    batch.queue.sent.clear()
    assert_problem(batch.ask("POST", f"{BATCH}/{JOB_ID}/retry"), 409, "job-ended")
    assert batch.queue.sent == []


def test_a_key_gives_the_same_job_back(batch: BatchService) -> None:
    first = batch.submit(key="march")
    before = list(batch.store.keys("batch/"))
    again = batch.submit(key="march")
    assert (again.status, again.json(), again.headers["location"]) == (
        202,
        first.json(),
        first.headers["location"],
    )
    assert list(batch.store.keys("batch/")) == before
    assert batch.queue.sent == [{"job_id": first.json()["job_id"], "chunk": None}]
    started(batch.store, first.json()["job_id"])
    assert batch.submit(key="march").json()["status"] == "running"
    assert len(batch.queue.sent) == 1


def test_without_a_key_each_request_is_a_job(batch: BatchService) -> None:
    assert batch.submitted() != batch.submitted()


def test_a_key_is_its_owners(batch: BatchService) -> None:
    assert batch.submitted(key="march") != batch.submitted(key="march", caller="bob")
    assert batch.submitted(key="march") != batch.submitted(key="april")


@pytest.mark.parametrize(
    "changed",
    [
        {"rows": ROWS[:1]},
        {"output_format": "csv"},
        {"pin": f"churn-model-v1.0.0@sha256:{'a' * 64}"},
    ],
)
def test_a_key_stands_for_one_request(batch: BatchService, changed: dict[str, Any]) -> None:
    batch.submitted(key="march")
    problem = assert_problem(batch.submit(key="march", **changed), 409, "idempotency-key-reused")
    assert "march" not in json.dumps(problem)
    assert len(batch.queue.sent) == 1


@pytest.mark.parametrize("format", Format)
def test_an_upload_can_be_submitted(batch: BatchService, format: Format) -> None:
    answer = batch.ask("POST", f"{BATCH}/uploads", {"format": format, "bytes": 7})
    key = f"batch/uploads/{ALICES_FOLDER}/{1:032x}.{format}"
    assert answer.status == 201
    assert answer.json() == {
        "url": f"https://put.example/{key}",
        "method": "PUT",
        "headers": {"Content-Length": "7"},
        "input": ROOT + key,
        "expires_at": "2026-03-04T06:06:07Z",
        "max_bytes": 536_870_912,
    }
    batch.store.create(key, b"content")
    job = job_of(batch, batch.submitted(rows=None, input=answer.json()["input"]))
    assert (job.input_key, job.input_format) == (key, format)


def test_the_size_of_an_upload_may_be_any_whole_number_of_json(batch: BatchService) -> None:
    answer = batch.ask("POST", f"{BATCH}/uploads", {"format": "csv", "bytes": 7.0})
    assert answer.json()["headers"] == {"Content-Length": "7"}


def test_two_uploads_do_not_meet(batch: BatchService) -> None:
    body = {"format": "csv", "bytes": 7}
    inputs = [batch.ask("POST", f"{BATCH}/uploads", body).json() for _ in range(2)]
    first, second = (document["input"] for document in inputs)
    assert first != second


def test_a_repeated_submission_uploads_to_the_same_place(batch: BatchService) -> None:
    def input_for(key: str, caller: str = ALICE) -> str:
        headers = {"Idempotency-Key": key}
        body = {"format": "csv", "bytes": 7}
        answer = batch.ask("POST", f"{BATCH}/uploads", body, caller=caller, headers=headers)
        found: str = answer.json()["input"]
        return found

    assert input_for("march") == input_for("march")
    assert len({input_for("march"), input_for("april"), input_for("march", BOB)}) == 3
