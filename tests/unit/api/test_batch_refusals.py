"""Inputs and jobs that are not the caller's, callers without a name, and outages."""

import json
from hashlib import sha256

import pytest

from functions.api.callers import identify_local
from functions.api.settings import Settings
from mlops.batch.job import Keys
from mlops.batch.jobs import MAX_INPUT_BYTES
from mlops.errors import StoreThrottled, StoreUnavailable
from mlops.registry.objects import Stat
from tests.unit.api.batch_service import (
    ALICE,
    ALICES_FOLDER,
    BATCH,
    BOB,
    ROOT,
    ROWS,
    BatchService,
    assert_problem,
    both_doors,
    signed_by,
)
from tests.unit.api.service import service

MARKER = "mArKeR-41c7"
UPLOADS = f"{BATCH}/uploads"


def test_a_model_that_there_is_not(batch: BatchService) -> None:
    for answer in (batch.submit(model=MARKER), batch.submit(model=MARKER, pin=None)):
        problem = assert_problem(answer, 404, "model-not-found")
        assert MARKER not in json.dumps(problem)


@pytest.mark.parametrize(
    "url",
    [
        "s3://another-bucket/batch/uploads/{folder}/rows.csv",
        "s3://store-2/batch/uploads/{folder}/rows.csv",
        "https://store/batch/uploads/{folder}/rows.csv",
        "s3://store/models/churn-model-v1.0.0/golden.csv",
        "s3://store/batch/jobs/job_1/results.csv",
        "s3://store/batch/uploads/local/rows.csv",
        "s3://store/batch/uploads/{folder}2/rows.csv",
        "s3://store/batch/uploads/{folder}/../local/rows.csv",
        "s3://store/batch/uploads/{folder}/./rows.csv",
        "s3://store/batch/uploads/{folder}//rows.csv",
        "s3://store/batch/uploads/{folder}/%2e%2e/local/rows.csv",
        "s3://store/batch/uploads/{folder}/..\\local\\rows.csv",
        "s3://store/batch/uploads/{folder}/rows\u0000.csv",
        "s3://store/batch/uploads/{folder}/rows\n.csv",
        "s3://store/batch/uploads/{folder}/.csv",
        "S3://store/batch/uploads/{folder}/rows.csv",
        " s3://store/batch/uploads/{folder}/rows.csv",
        "../rows.csv",
        ".csv",
    ],
)
def test_an_input_elsewhere_is_forbidden_and_not_looked_at(batch: BatchService, url: str) -> None:
    """Where another bucket is named, S3 hears nothing of it."""
    answer = batch.submit(rows=None, input=url.format(folder=ALICES_FOLDER))
    problem = assert_problem(answer, 403, "input-forbidden")
    assert f"{ROOT}batch/uploads/{ALICES_FOLDER}/" in problem["detail"]
    assert batch.calls == []
    assert list(batch.store.keys("batch/")) == []
    assert batch.queue.sent == []


def test_an_input_that_is_not_there(batch: BatchService) -> None:
    url = f"{ROOT}batch/uploads/{ALICES_FOLDER}/{MARKER}.csv"
    problem = assert_problem(batch.submit(rows=None, input=url), 422, "input-refused")
    assert problem["detail"] == "There is no such input object. Upload it first"
    assert batch.queue.sent == []


def test_an_input_that_is_too_large(batch: BatchService, monkeypatch: pytest.MonkeyPatch) -> None:
    url = batch.upload()
    monkeypatch.setattr(batch.store, "stat", lambda key: Stat("1", MAX_INPUT_BYTES + 1))
    problem = assert_problem(batch.submit(rows=None, input=url), 422, "input-refused")
    assert "536,870,912 bytes" in problem["detail"]


def test_a_row_that_is_too_large_is_named(batch: BatchService) -> None:
    answer = batch.submit(rows=[*ROWS, {"customer_id": MARKER * 10_000}])
    problem = assert_problem(answer, 422, "input-refused")
    assert problem["detail"] == "Row 3 of `rows` has more than 65,536 bytes. Leave it out"
    assert list(batch.store.keys("")) == []
    assert batch.queue.sent == []


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/retry")])
@pytest.mark.parametrize(
    "job_id",
    [None, "job_unknown", "uploads", "..", ".hidden", "-", "a%00b", MARKER * 8, "j\u00f6b", "a b"],
)
def test_a_job_that_is_not_ones_own_is_not_there(
    batch: BatchService, method: str, path: str, job_id: str | None
) -> None:
    """None: it is there, and another caller's. The answers do not differ."""
    mine = batch.submitted()
    answers = [
        batch.ask(method, f"{BATCH}/{job_id or mine}{path}", caller=BOB),
        batch.api.through_lambda(
            method,
            f"{BATCH}/{job_id or mine}{path}",
            authorizer={"jwt": {"claims": {"sub": ALICE}}},
        ),
    ]
    for answer in answers:
        if job_id == ".." and answer.json()["type"].endswith(":not-found"):
            continue  # a client that made another path of it
        problem = assert_problem(answer, 404, "job-not-found")
        assert MARKER not in json.dumps(problem)
    assert batch.ask("GET", f"{BATCH}/{mine}").json()["status"] == "queued"


def test_a_callers_name_cannot_be_sent(batch: BatchService) -> None:
    """The gateway says who calls, and no header does."""
    job_id = batch.submitted()
    spoofed = {"x-amzn-iam-user-arn": ALICE, "authorization": ALICE}
    answer = batch.ask("GET", f"{BATCH}/{job_id}", caller=BOB, headers=spoofed)
    assert_problem(answer, 404, "job-not-found")


@pytest.mark.parametrize(
    "authorizer",
    [
        {"jwt": {"claims": {"iss": "https://issuer.example"}, "scopes": None}},
        {"jwt": {"claims": {"sub": ""}}},
        {"jwt": {"claims": None}},
        {"iam": {"userArn": None}},
        {"jwt": {"claims": {"sub": 7}}},
        {"jwt": {"claims": {"sub": ["alice"]}}},
        {"jwt": "alice"},
        {"iam": {"userArn": {"alice": 1}}},
        {"lambda": {"user": "alice"}},
        {},
        [],
        "alice",
        None,
    ],
    ids=str,
)
def test_a_caller_without_a_name_is_forbidden(batch: BatchService, authorizer: object) -> None:
    body = json.dumps({"model": "churn", "rows": ROWS}).encode()
    for method, path, sent in (
        ("POST", BATCH, body),
        ("POST", UPLOADS, b'{"format": "csv", "bytes": 9}'),
        ("GET", f"{BATCH}/job_1", b""),
        ("DELETE", f"{BATCH}/job_1", b""),
        ("POST", f"{BATCH}/job_1/retry", b""),
    ):
        answer = batch.api.through_lambda(method, path, sent, authorizer=authorizer)
        assert_problem(answer, 403, "caller-unknown")
    assert batch.calls == []


@pytest.mark.parametrize(
    ("authorizer", "owner"),
    [
        (signed_by(ALICE), f"iam:{ALICE}"),
        ({"jwt": {"claims": {"sub": "auth0|5f1c"}, "scopes": ["predict"]}}, "jwt:auth0|5f1c"),
        ({"jwt": {"claims": {"sub": ALICE}}}, f"jwt:{ALICE}"),
        ({"jwt": {"claims": {"sub": "s" * 252}}}, "jwt:" + "s" * 252),
        ({"jwt": {"claims": {"sub": "s" * 253}}}, f"jwt-sha256:{sha256(b's' * 253).hexdigest()}"),
        ({"jwt": {"claims": {"sub": "Zoë"}}}, f"jwt-sha256:{sha256('Zoë'.encode()).hexdigest()}"),
        (
            {"jwt": {"claims": {"sub": "\ud800"}}},
            "jwt-sha256:" + sha256(b"\xed\xa0\x80").hexdigest(),
        ),
        (signed_by("a" * 2048), f"iam-sha256:{sha256(b'a' * 2048).hexdigest()}"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_job_belongs_to_its_caller(batch: BatchService, authorizer: object, owner: str) -> None:
    body = json.dumps({"model": "churn", "rows": ROWS}).encode()
    answer = batch.api.through_lambda("POST", BATCH, body, authorizer=authorizer)
    job = json.loads(batch.store.get(Keys(answer.json()["job_id"]).job).content)
    assert job["owner"] == owner
    location = answer.headers["location"]
    assert batch.api.through_lambda("GET", location, authorizer=authorizer).status == 200
    assert batch.ask("GET", location, caller=BOB).status == 404


@pytest.mark.parametrize(
    "outage", [StoreThrottled("batch/x", "SlowDown"), StoreUnavailable("batch/x", "refused")]
)
def test_an_outage_of_the_store(batch: BatchService, outage: Exception) -> None:
    job_id = batch.submitted()
    batch.outages.append(outage)
    for answer in (
        batch.submit(),
        batch.ask("GET", f"{BATCH}/{job_id}"),
        batch.ask("DELETE", f"{BATCH}/{job_id}"),
        batch.ask("POST", f"{BATCH}/{job_id}/retry"),
    ):
        problem = assert_problem(answer, 503, "batch-unavailable")
        assert answer.headers["retry-after"] == "5"
        assert "service's log" in problem["detail"]
    assert batch.api.log_lines("failure")[0]["reason"] == str(outage)
    assert batch.api.predict().status == 200
    batch.outages.clear()
    assert batch.ask("GET", f"{BATCH}/{job_id}").status == 200


def test_an_outage_of_the_queue_loses_no_job(batch: BatchService) -> None:
    batch.queue.down = True
    assert_problem(batch.submit(key="march"), 503, "batch-unavailable")
    assert batch.queue.sent == []
    batch.queue.down = False
    job_id = batch.submitted(key="march")
    assert batch.queue.sent == [{"job_id": job_id, "chunk": None}]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(store="s3://bucket"),
        Settings(queue="https://sqs.example/queue"),
        Settings(store="", queue=""),
        Settings(store="gopher://store", queue="queue"),
    ],
    ids=str,
)
def test_without_store_or_queue_there_are_no_jobs(settings: Settings) -> None:
    api = service(settings=settings, identify=identify_local)
    submission = json.dumps({"model": "churn", "rows": ROWS}).encode()
    for answer in (
        *both_doors(api, BATCH, submission),
        api.asgi("GET", f"{BATCH}/job_1"),
        api.asgi("DELETE", f"{BATCH}/job_1"),
        api.asgi("POST", f"{BATCH}/job_1/retry"),
    ):
        assert_problem(answer, 503, "batch-unavailable")
    assert "reason" in api.log_lines("failure")[0]
    assert api.predict().status == 200


def test_a_folder_without_a_server_has_no_uploads() -> None:
    api = service(settings=Settings(store="folder", queue="queue"), identify=identify_local)
    assert_problem(
        api.asgi("POST", UPLOADS, b'{"format": "csv", "bytes": 9}'), 503, "batch-unavailable"
    )
    assert "MLOPS_SERVED_AT" in api.log_lines("failure")[0]["reason"]


def test_the_log_knows_the_job_but_not_the_caller(batch: BatchService) -> None:
    job_id = batch.submitted(key=MARKER)
    batch.ask("GET", f"{BATCH}/{job_id}", caller=BOB)
    batch.ask("GET", f"{BATCH}/{MARKER}")
    submitted, hidden, unknown = batch.api.log_lines("request")
    assert (submitted["route"], submitted["job_id"]) == (BATCH, job_id)
    assert (hidden["route"], hidden.get("job_id")) == (f"{BATCH}/{{job_id}}", None)
    assert submitted["caller_hash"] == unknown["caller_hash"] != hidden["caller_hash"]
    log = batch.api.log.getvalue().decode()
    assert [name for name in (ALICE, BOB, MARKER, "alice", "C1") if name in log] == []
