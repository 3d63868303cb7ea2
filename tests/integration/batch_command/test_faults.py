"""What may go wrong on the way, and the one line that says so."""

import socket
from pathlib import Path
from typing import Any

import pytest

from mlops.cli import batch
from tests.integration.batch_command.conftest import CONTENT, Batch, written
from tests.integration.batch_command.fake_api import (
    BATCH,
    CUT,
    ERRORS,
    JOB,
    RESULTS,
    SUMMARY,
    UPLOAD,
    Answer,
    FakeApi,
    of,
    problem,
)

BUSY = problem(503, "Batch jobs cannot be used at the moment", detail="The service's logs say why.")


@pytest.mark.parametrize("request_name", [f"POST {BATCH}/uploads", f"POST {BATCH}"])
def test_a_service_that_is_busy_is_asked_again_under_the_same_key(
    run: Batch, api: FakeApi, request_name: str
) -> None:
    api.play(request_name, BUSY, CUT, BUSY)
    assert run("submit", "rows.csv").code == 0
    assert api.requests().count(request_name) == 4
    keys = {seen.headers["Idempotency-Key"] for seen in api.seen if seen.path == BATCH}
    assert len(keys) == 1


def test_an_interrupted_upload_is_begun_anew(run: Batch, api: FakeApi) -> None:
    api.play(f"PUT {UPLOAD}", CUT, CUT)
    assert run("submit", "rows.csv").code == 0
    assert [seen.body == CONTENT for seen in api.seen if seen.path == UPLOAD] == [
        False,
        False,
        True,
    ]


def test_an_upload_whose_answer_got_lost_is_there(run: Batch, api: FakeApi) -> None:
    api.play(f"PUT {UPLOAD}", CUT, Answer(412))
    assert run("submit", "rows.csv").code == 0


@pytest.mark.parametrize(
    ("request_name", "answers", "line"),
    [
        (
            f"POST {BATCH}/uploads",
            [BUSY] * 4,
            "Batch jobs cannot be used at the moment. The service's logs say why."
            " Request id 8f5ad0c1",
        ),
        (
            f"POST {BATCH}",
            [
                problem(
                    422,
                    "The request is not right",
                    errors=[{"field": "pin", "type": "pin", "detail": "A pin looks like this"}],
                )
            ],
            "The request is not right. pin: A pin looks like this",
        ),
        (
            f"POST {BATCH}/uploads",
            [of({"message": "Forbidden"}, 403)],
            f"POST {BATCH}/uploads was answered with 403 Forbidden. Forbidden."
            " Check that the AWS credentials, or MLOPS_API_TOKEN, are for this API",
        ),
        (
            f"PUT {UPLOAD}",
            [Answer(403, b"<Error><Code>AccessDenied</Code></Error>")],
            "The upload was answered with 403 Forbidden."
            " Check that the AWS credentials, or MLOPS_API_TOKEN, are for this API",
        ),
        (
            f"POST {BATCH}",
            [Answer(302, b"", {"Location": "https://elsewhere.example.com/"})],
            f"POST {BATCH} was answered with 302 Found",
        ),
        (
            f"POST {BATCH}",
            [problem(400, "Not right", errors=["x", {"message": "m"}])],
            'Not right. "x". {"message": "m"}',
        ),
        (f"POST {BATCH}/uploads", [Answer(200, b"<html>")], "does not answer with JSON"),
        (f"POST {BATCH}", [CUT] * 4, "cannot be reached: Remote end closed connection"),
        (f"PUT {UPLOAD}", [CUT] * 4, "cannot be reached: "),
    ],
)
def test_what_went_wrong_is_one_line(
    run: Batch, api: FakeApi, request_name: str, answers: list[Answer], line: str
) -> None:
    api.play(request_name, *answers)
    assert line in run("submit", "rows.csv").refusal
    assert api.requests().count(request_name) == len(answers)


FOREIGN: list[Any] = [{}, [], None, "x", {"rows": {}}]


@pytest.mark.parametrize("document", FOREIGN)
def test_what_another_service_answers_is_one_line(
    run: Batch, api: FakeApi, document: object
) -> None:
    routes = {
        ("submit", "rows.csv"): f"POST {BATCH}/uploads",
        ("submit", "rows.csv", "--wait"): f"POST {BATCH}",
        ("status", JOB): f"GET {BATCH}/{JOB}",
        ("results", JOB): f"GET {BATCH}/{JOB}",
        ("cancel", JOB): f"DELETE {BATCH}/{JOB}",
        ("retry", JOB): f"POST {BATCH}/{JOB}/retry",
    }
    host = api.url.removeprefix("http://")
    for arguments, request_name in routes.items():
        api.play(request_name, of(document))
        refusal = run(*arguments).refusal
        assert refusal.startswith(f"{host} does not answer like this API; wrong fields: ")


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ({"job_id": "../elsewhere"}, "job_id"),
        ({"links": None}, "all"),
        ({"rows": {"total": "3", "done": 3, "failed": 0}}, "rows.total"),
        ({"links": {"results": "http://[x", "errors": "", "summary": None}}, "links.errors"),
    ],
)
def test_a_job_of_another_service_is_not_downloaded(
    run: Batch, api: FakeApi, part: dict[str, object], wrong: str
) -> None:
    api.play(f"GET {BATCH}/{JOB}", of({**api.job(), **part}))
    assert f"does not answer like this API; wrong fields: {wrong}" in run("results", JOB).refusal
    assert api.requests() == [f"GET {BATCH}/{JOB}"]


def test_a_job_that_is_not_there(run: Batch) -> None:
    for command in ("status", "results", "cancel", "retry"):
        assert run(command, "job_other").refusal == "There is no such job"


def test_nobody_listens(run: Batch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    refusal = run("status", JOB, "--url", f"http://{address}").refusal
    hint = "Start the API with `make run`, or name another one in MLOPS_API_URL"
    assert refusal == f"{address} cannot be reached: Connection refused. {hint}"


@pytest.mark.parametrize("cut", [CUT, Answer(200, b"results" * 1000, cut_after=100)])
def test_a_download_that_is_cut_off_leaves_nothing(run: Batch, api: FakeApi, cut: Answer) -> None:
    api.play(f"GET {ERRORS}", *[cut] * 10)
    ran = run("results", JOB)
    assert ran.code == 1
    (line,) = ran.err.splitlines()
    assert line.startswith("mlops: ")
    assert written(JOB) == {"results.csv": b"results"}
    assert run("results", JOB).code == 1  # still
    api.script.clear()
    assert run("results", JOB).code == 0
    assert written(JOB).keys() == {"results.csv", "errors.csv", "summary.json"}


def test_a_link_that_has_expired(run: Batch, api: FakeApi) -> None:
    api.play(f"GET {RESULTS}", Answer(403, b"<Error><Code>AccessDenied</Code></Error>"))
    assert "The download of results.csv was answered with 403" in run("results", JOB).refusal


def test_a_name_that_we_would_not_give_is_not_taken(run: Batch, api: FakeApi) -> None:
    links = {
        "results": f"{api.url}{RESULTS}?X-Amz-Signature=..%2F",
        "errors": f"{api.url}/..%2F..%2Ferrors.csv%2F..",
        "summary": f"{api.url}{SUMMARY}",
    }
    api.play(f"GET {BATCH}/{JOB}", of({**api.job(), "links": links}))
    api.play(f"GET {RESULTS}?X-Amz-Signature=..%2F", Answer(body=b"results"))
    api.play("GET /..%2F..%2Ferrors.csv%2F..", Answer(body=b"errors"))
    assert run("results", JOB, "--output", "out").code == 0
    assert written("out").keys() == {"results.csv", "errors", "summary.json"}


def test_a_file_that_is_too_large_is_not_uploaded(run: Batch, api: FakeApi) -> None:
    too_large = problem(
        422, "The request breaks its contract", detail="bytes: Input should be less"
    )
    api.play(f"POST {BATCH}/uploads", too_large)
    assert "bytes: Input should be less" in run("submit", "rows.csv").refusal
    assert api.requests() == [f"POST {BATCH}/uploads"]


def test_a_pipe_without_an_end_is_not_uploaded(
    run: Batch, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MAX_INPUT_BYTES", 3_000_000)
    refusal = run("submit", "/dev/zero", "--format", "csv").refusal
    assert refusal == "/dev/zero: it holds more than 3,000,000 bytes"
    assert api.requests() == []


def test_an_empty_pipe_is_not_uploaded(run: Batch, api: FakeApi) -> None:
    assert run("submit", "/dev/null", "--format", "csv").refusal == "/dev/null: it is empty"
    assert api.requests() == []


def test_a_file_that_is_empty_is_not_uploaded(run: Batch, api: FakeApi) -> None:
    Path("rows.csv").write_bytes(b"")
    assert run("submit", "rows.csv").refusal == "rows.csv: it is empty"
    assert api.requests() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "nothing.csv"], "does not exist"),
        (["submit", "rows"], "use --format"),
        (["submit", "rows.csv", "--format", "xls"], "is not one of"),
        (["submit", "rows.csv", "--output", "out"], "--wait"),
        (["status", "../models"], "is not the id of a job"),
        (["cancel"], "Missing argument"),
    ],
)
def test_a_wrong_command_line_asks_nobody(
    run: Batch, api: FakeApi, arguments: list[str], said: str
) -> None:
    Path("rows").write_bytes(b"")
    ran = run(*arguments)
    assert ran.code == 2
    assert said in ran.err
    assert api.seen == []
