"""A job's way through the commands."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.batch_command.conftest import CONTENT, Batch, written
from tests.integration.batch_command.fake_api import BATCH, JOB, SUMMARY, UPLOAD, FakeApi, of


def test_submitting_uploads_the_file_and_names_it_in_a_job(run: Batch, api: FakeApi) -> None:
    ran = run("submit", "rows.csv")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"Submitted {JOB}. To get its results: mlops batch results {JOB}\n"
    link, put, job = api.seen
    assert link.document == {"format": "csv", "bytes": len(CONTENT)}
    assert (put.path, put.body) == (UPLOAD, CONTENT)
    assert job.document == {"model": "churn", "input": "s3://local/abc.csv", "format": "csv"}
    assert len(job.headers["Idempotency-Key"]) == 32
    assert all("Authorization" not in seen.headers for seen in api.seen)


def test_all_that_can_be_asked_for(run: Batch, api: FakeApi) -> None:
    Path("rows").write_bytes(b"{}")
    options = ("--model", "other", "--pin", "p", "--format", "jsonl", "--output-format", "parquet")
    assert run("submit", "rows", *options, "--idempotency-key", "mine").code == 0
    link, _, job = api.seen
    assert link.document == {"format": "jsonl", "bytes": 2}
    assert job.document == {
        "model": "other",
        "pin": "p",
        "input": "s3://local/abc.csv",
        "format": "jsonl",
        "output_format": "parquet",
    }
    assert job.headers["Idempotency-Key"] == "mine"


@pytest.mark.parametrize(
    ("name", "format"),
    [("CUST.CSV", "csv"), ("x.ndjson", "jsonl"), ("d.Parquet", "parquet"), ("x.csv.GZ", "csv.gz")],
)
def test_the_end_of_a_files_name_tells_its_format(
    run: Batch, api: FakeApi, name: str, format: str
) -> None:
    Path(name).write_bytes(b"x")
    assert run("submit", name).code == 0
    assert api.seen[-1].document["format"] == format


def test_a_name_that_tells_no_format_is_refused_with_what_to_do(run: Batch, api: FakeApi) -> None:
    Path("rows.txt").write_bytes(b"x")
    ran = run("submit", "rows.txt")
    assert ran.code == 2
    assert "--format" in ran.err
    assert not api.seen


def test_columns_are_renamed_and_left_out_and_ids_left_alone(run: Batch, api: FakeApi) -> None:
    Path("names.csv").write_text("MonthlyCharges,monthly_charges\nNote,\n")
    options = ("--rename", "customerID=customer_id", "--drop", "Churn")
    ran = run("submit", "rows.csv", *options, "--rename-file", "names.csv", "--no-escape-formulas")
    assert ran.code == 0
    job = api.seen[-1].document
    assert job["rename"] == {
        "MonthlyCharges": "monthly_charges",
        "Note": None,
        "customerID": "customer_id",
        "Churn": None,
    }
    assert job["escape_formulas"] is False


def test_each_submission_has_a_key_of_its_own(run: Batch, api: FakeApi) -> None:
    run("submit", "rows.csv")
    run("submit", "rows.csv")
    keys = [seen.headers["Idempotency-Key"] for seen in api.seen if seen.path == BATCH]
    assert len(set(keys)) == 2


def test_the_same_key_and_file_are_the_same_upload(run: Batch, api: FakeApi) -> None:
    run("submit", "rows.csv", "--idempotency-key", "mine")
    run("submit", "rows.csv", "--idempotency-key", "mine")
    Path("rows.csv").write_bytes(b"other")
    run("submit", "rows.csv", "--idempotency-key", "mine")
    keys = [s.headers["Idempotency-Key"] for s in api.seen if s.path == f"{BATCH}/uploads"]
    assert keys[0] == keys[1] != keys[2]


def test_what_comes_through_a_pipe_is_uploaded_as_a_file_is(run: Batch, api: FakeApi) -> None:
    os.mkfifo("pipe.csv")
    key = ("--idempotency-key", "mine")
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(Path("pipe.csv").write_bytes, CONTENT)
        ran = run("submit", "pipe.csv", *key)
        assert writing.result(timeout=10) == len(CONTENT)
    assert (ran.code, ran.err) == (0, "")
    link, put, _ = api.seen
    assert link.document == {"format": "csv", "bytes": len(CONTENT)}
    assert (put.path, put.body) == (UPLOAD, CONTENT)
    assert run("submit", "rows.csv", *key).code == 0
    assert api.seen[3].headers["Idempotency-Key"] == link.headers["Idempotency-Key"]


def test_waiting_polls_until_the_end_and_downloads(run: Batch, api: FakeApi) -> None:
    going = [of(api.job("queued", 0)), of(api.job("running", 1)), of(api.job("running", 2))]
    api.play(f"GET {BATCH}/{JOB}", *going)
    ran = run("submit", "rows.csv", "--wait", "--output", "out/folder")
    assert ran.code == 0
    assert written("out/folder") == {
        "results.csv": b"results",
        "errors.csv": b"errors",
        "summary.json": b"{}",
    }
    assert "Wrote out/folder/results.csv" in ran.out
    assert "3 predicted, 0 not valid, 3 in all" in ran.out
    assert ran.err == ""


def test_rows_that_are_not_valid_are_a_remark_and_no_failure(run: Batch, api: FakeApi) -> None:
    api.play(f"GET {BATCH}/{JOB}", of(api.job(done=9_997, failed=3)))
    ran = run("submit", "rows.csv", "--wait", "--json")
    assert ran.code == 0
    assert ran.err == f"3 rows are not valid; see {JOB}/errors.csv\n"
    assert ran.document["rows"] == {"total": 10_000, "done": 9_997, "failed": 3}
    names = ("results.csv", "errors.csv", "summary.json")
    assert ran.document["files"] == [f"{JOB}/{name}" for name in names]


def test_one_row_that_is_not_valid_is_a_remark(run: Batch, api: FakeApi) -> None:
    api.play(f"GET {BATCH}/{JOB}", of(api.job(done=9_999, failed=1)))
    assert run("submit", "rows.csv", "--wait").err == f"1 row is not valid; see {JOB}/errors.csv\n"


def test_errors_that_were_only_counted_are_a_remark(run: Batch, api: FakeApi) -> None:
    api.play(f"GET {BATCH}/{JOB}", of(api.job(done=0, failed=700_000)))
    api.play(f"GET {SUMMARY}", of({"errors_found": 1_400_000, "errors_kept": 100_000}))
    ran = run("submit", "rows.csv", "--wait")
    assert ran.err == (
        f"700,000 rows are not valid; see {JOB}/errors.csv\n"
        f"It has the first 100,000 of 1,400,000 errors; {JOB}/summary.json counts all\n"
    )


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_that_did_not_succeed_is_exit_code_1(run: Batch, api: FakeApi, status: str) -> None:
    for command in (["submit", "rows.csv", "--wait"], ["results", JOB], ["status", JOB]):
        api.play(f"GET {BATCH}/{JOB}", of(api.job(status)))
        ran = run(*command)
        assert ran.code == 1
        assert status in ran.out
        assert ("The input is gone" in ran.out) == (status == "failed")
    assert not Path(JOB).exists()


def test_ctrl_c_says_how_to_go_on(
    run: Batch, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    api.play(f"GET {BATCH}/{JOB}", of(api.job("running", 1)))
    ran = run("results", JOB)
    assert (ran.code, ran.out) == (130, "")
    assert ran.err == f"{JOB} continues. To wait for it again: mlops batch results {JOB}\n"


def test_status_cancel_and_retry(run: Batch, api: FakeApi) -> None:
    assert "succeeded" in run("status", JOB).out
    assert "cancelled" in run("cancel", JOB).out
    assert "running" in run("retry", JOB).out
    assert run("status", JOB, "--json").document == api.job()
    assert api.requests() == [
        f"GET {BATCH}/{JOB}",
        f"DELETE {BATCH}/{JOB}",
        f"POST {BATCH}/{JOB}/retry",
        f"GET {BATCH}/{JOB}",
    ]


def test_json_is_one_document(run: Batch, api: FakeApi) -> None:
    assert run("submit", "rows.csv", "--json").document == api.job("queued", 0)
