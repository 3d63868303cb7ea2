"""Each message is done or named as failed, whatever happens to it or beside it."""

import json
from typing import Any

import pytest

from functions.batch.handling import create_handler
from mlops.batch.job import Task
from mlops.errors import (
    InputRefused,
    JobConflict,
    JobNotFound,
    MlopsError,
    ModelNotFound,
    OutOfTime,
    StoreThrottled,
    StoreUnavailable,
)
from tests.unit.handler.service import (
    JOB,
    NOW,
    REMAINING,
    SUBMITTER,
    Context,
    FailingJobs,
    Service,
    failures,
    record,
    submission,
)

CUSTOMER = "C-7590-VHVEG"


class Panic(BaseException):
    """As extensions in Rust raise: not an Exception."""


def test_a_task_is_handed_to_the_worker(service: Service) -> None:
    assert service.handle({"job_id": JOB, "chunk": None}, {"job_id": JOB, "chunk": 7}) == []
    assert service.worker.tasks == [Task(JOB), Task(JOB, 7)]


def test_what_the_api_puts_on_the_queue_is_a_task(service: Service) -> None:
    assert service.handle(Task(JOB).to_text(), Task(JOB, 0).to_text()) == []
    assert service.worker.tasks == [Task(JOB), Task(JOB, 0)]


def test_a_submission_becomes_a_job(service: Service) -> None:
    assert service.handle(submission()) == []
    assert service.worker.tasks == [Task(JOB)]
    job = service.job()
    assert (job.owner, job.input_format, job.output_format) == (SUBMITTER, "jsonl", "jsonl")


def test_the_same_submission_twice_is_one_job(service: Service) -> None:
    assert service.handle(submission(), submission()) == []
    first = service.job()
    assert service.handle(submission()) == []
    assert service.job() == first
    assert service.worker.tasks == [Task(JOB)] * 3  # the worker knows what is done


def test_another_submission_under_the_same_id_fails(service: Service) -> None:
    assert service.handle(submission(), submission(submitted_by="somebody-else")) == ["message-1"]
    assert service.job().owner == SUBMITTER
    assert service.lines()[1]["error"] == JobConflict.__name__


@pytest.mark.parametrize("receives", [1, 2, 3, 4])
def test_the_worker_knows_the_last_try_and_its_deadline(service: Service, receives: int) -> None:
    service.handle(service.accepted(), receives=receives)
    ((_, attempt),) = service.worker.ran
    assert attempt.last is (receives >= 3)
    assert attempt.deadline == NOW + REMAINING


@pytest.mark.parametrize(
    "error",
    [
        StoreThrottled("key", "throttled"),
        OutOfTime("late"),
        JobNotFound(JOB),
        MemoryError(),
        KeyError("x"),
        SystemExit(1),
        Panic("index out of bounds"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_is_raised_its_siblings_are_done(service: Service, error: BaseException) -> None:
    def doing(task: Task) -> None:
        if task.job_id == "poison":
            raise error

    service.worker.doing = doing
    tasks = [Task("one"), Task("poison"), Task("three")]
    assert service.handle(*[task.to_text() for task in tasks]) == ["message-1"]
    assert service.worker.tasks == tasks
    assert [line["outcome"] for line in service.lines()] == ["done", "failed", "done"]
    assert service.lines()[1]["error"] == type(error).__name__


def test_an_error_with_long_words_and_a_deep_stack_makes_a_short_line(service: Service) -> None:
    def doing(task: Task) -> None:
        dig(400)

    def dig(depth: int) -> None:
        if depth:
            further(depth)
        raise StoreUnavailable("key", "x" * 100_000)

    def further(depth: int) -> None:  # a second function, or Python would show one line for all
        dig(depth - 1)

    service.worker.doing = doing
    assert service.handle(Task(JOB).to_text()) == ["message-0"]
    (line,) = service.lines()
    assert len(line["reason"]) == 1_000
    assert len(line["stack"]) == 20
    assert "dig" in line["stack"][-1], "the innermost frames are kept"


def test_a_task_tells_the_worker_which_retry_it_is_of(service: Service) -> None:
    service.handle('{"job_id": "a", "chunk": 2}', '{"job_id": "a", "chunk": 2, "generation": 3}')
    assert service.worker.tasks == [Task("a", 2), Task("a", 2, generation=3)]


def test_what_is_no_message_is_named_and_its_siblings_are_done(service: Service) -> None:
    bodies = ["", "{", "[]", "null", '"text"', "\ud800", {}, {"job_id": JOB}, {"chunk": 1}]
    failed = service.handle(*bodies, service.accepted("good"))
    assert failed == [f"message-{number}" for number in range(len(bodies))]
    assert service.worker.tasks == [Task("good")]


def test_a_wrong_submission_is_shown_to_its_submitter(service: Service) -> None:
    assert service.handle(submission(format="xls")) == ["message-0"]
    reason = service.reason()
    assert reason is not None and reason.startswith("format: ")
    assert service.worker.tasks == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"input": "s3://other/uploads/x.csv", "rows": None}, "s3://bucket/"),
        ({"input": "s3://bucket/batch/uploads/nightly/x.csv", "rows": None}, "no such input"),
        ({"model": "fraud"}, "There is no model 'fraud'"),
        ({"rows": [{"customer_id": "x" * 70_000}]}, "Row 1 of `rows` has more than 65,536 bytes"),
    ],
)
def test_a_submission_that_cannot_be_accepted_is_shown_too(
    service: Service, changed: dict[str, Any], reason: str
) -> None:
    assert service.handle(submission(**changed)) == ["message-0"]
    shown = service.reason()
    assert shown is not None and reason in shown
    assert service.worker.tasks == []


def test_a_redrive_after_a_fix_is_accepted(service: Service) -> None:
    late = "s3://bucket/batch/uploads/nightly/x.csv"
    message = submission(input=late, rows=None)
    assert service.handle(message) == ["message-0"]
    service.objects.create("batch/uploads/nightly/x.csv", b"customer_id\n")
    assert service.handle(message) == []
    assert service.reason() is None


@pytest.mark.parametrize("body", [{"job_id": "../x", "submitted_by": SUBMITTER}, {"job_id": JOB}])
def test_where_nobody_is_named_nobody_is_told(service: Service, body: object) -> None:
    assert service.handle(body) == ["message-0"]
    assert list(service.objects.keys("")) == []


@pytest.mark.parametrize("error", [StoreThrottled("key", "no"), StoreUnavailable("key", "no")])
def test_a_store_that_is_away_rejects_nobody(service: Service, error: MlopsError) -> None:
    service.handler = service.handler_with(FailingJobs(service.jobs, error))
    assert service.handle(submission()) == ["message-0"]
    assert list(service.objects.keys("")) == []


@pytest.mark.parametrize("body", ["{", submission(format="xls"), submission()])
def test_a_rejection_that_cannot_be_written_is_a_failure_only(
    service: Service, body: object
) -> None:
    error = ModelNotFound("churn")
    service.handler = service.handler_with(FailingJobs(service.jobs, error, also_rejecting=True))
    assert service.handle(body) == ["message-0"]


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "event",
        {},
        {"Records": None},
        {"Records": {}},
        {"Records": []},
        {"Records": ["record"]},
        {"Records": [{}]},
        {"Records": [{"messageId": None}]},
        {"Records": [{"messageId": ""}]},
        {"Records": [record('{"job_id": "good", "chunk": null}'), {"body": "no id"}]},
        {"version": "2.0", "rawPath": "/"},
    ],
)
def test_what_is_no_event_of_sqs_is_never_a_success(service: Service, event: object) -> None:
    # The empty identifier has SQS keep every message.
    assert failures(service.handler(event, Context())) == [""]
    assert service.worker.ran == []
    (line,) = service.lines()
    assert (line["level"], line["message"]) == ("error", "this is no event of SQS")


@pytest.mark.parametrize("name", ["body", "attributes"])
@pytest.mark.parametrize("value", [None, 7, {}])
def test_a_record_that_lacks_something_is_named(service: Service, name: str, value: object) -> None:
    wrong = record(Task(JOB).to_text()) | {name: value}
    good = record(Task("good").to_text(), "message-1")
    assert failures(service.handler({"Records": [wrong, good]}, Context())) == ["message-0"]
    del wrong[name]
    assert failures(service.handler({"Records": [wrong, good]}, Context())) == ["message-0"]


def test_a_context_that_is_none_is_a_failure(service: Service) -> None:
    no_context: Any = None
    event = {"Records": [record(Task(JOB).to_text())]}
    assert failures(service.handler(event, no_context)) == ["message-0"]


def test_a_task_is_one_line(service: Service) -> None:
    service.handle({"job_id": JOB, "chunk": 7})
    (line,) = service.lines()
    facts = ("level", "message", "request_id", "message_id", "job_id", "chunk", "outcome")
    assert {name: line[name] for name in facts} == {
        "level": "info",
        "message": "task",
        "request_id": "8f5ad0c1",
        "message_id": "message-0",
        "job_id": JOB,
        "chunk": 7,
        "outcome": "done",
    }
    assert line["duration_ms"] == 0.0


def test_a_job_that_is_refused_is_done_with_and_said_to_be_refused(service: Service) -> None:
    service.worker.usable = False
    assert service.handle(Task(JOB).to_text()) == []
    (line,) = service.lines()
    assert (line["outcome"], line["level"], "reason" in line) == ("refused", "info", False)


def test_the_line_of_a_failure_says_why_in_our_words_only(service: Service) -> None:
    def doing(task: Task) -> None:
        if task.chunk is None:
            raise InputRefused("no rows")
        raise ValueError(f"no row for {CUSTOMER}")

    service.worker.doing = doing
    service.handle({"job_id": JOB, "chunk": None}, {"job_id": JOB, "chunk": 1})
    ours, theirs = service.lines()
    assert (ours["level"], ours["error"], ours["reason"]) == ("error", "InputRefused", "no rows")
    assert theirs["error"] == "ValueError"
    assert "reason" not in theirs
    assert any("doing" in frame for frame in theirs["stack"])
    assert CUSTOMER not in service.log.getvalue().decode()


@pytest.mark.parametrize(
    "body",
    [
        submission(rows=[{"customer_id": CUSTOMER}, CUSTOMER]),
        submission(submitted_by=f"{CUSTOMER} with spaces"),
        submission(job_id=f"../{CUSTOMER}"),
        json.dumps(submission(model=CUSTOMER * 10)),
        f'{{"rows": "{CUSTOMER}',
    ],
)
def test_no_line_quotes_a_message(service: Service, body: object) -> None:
    assert service.handle(body) == ["message-0"]
    assert CUSTOMER not in service.log.getvalue().decode()


WORKING = {"MLOPS_STORE": "s3://bucket", "MLOPS_QUEUE": "queue"}


@pytest.mark.parametrize(
    ("environment", "blamed"),
    [
        ({}, "MLOPS_STORE"),
        ({"MLOPS_STORE": "store"}, "MLOPS_QUEUE"),
        ({**WORKING, "MLOPS_PINS": "churn"}, "'churn' is not a pin"),
        ({**WORKING, "MLOPS_MAX_RECEIVES": "0"}, "MLOPS_MAX_RECEIVES"),
        ({**WORKING, "MLOPS_BATCH_MAX_ROWS": "many"}, "MLOPS_BATCH_MAX_ROWS"),
        ({**WORKING, "MLOPS_STORE": "ftp://store"}, "ftp://store"),
    ],
)
def test_a_wrong_setting_fails_every_message_and_says_why(
    service: Service, environment: dict[str, str], blamed: str
) -> None:
    handler = create_handler(environment, service.logger())
    (started,) = service.lines()
    event = {"Records": [record(Task(JOB).to_text(), name) for name in "ab"]}
    assert failures(handler(event, Context())) == ["a", "b"]
    assert failures(handler({}, Context())) == [""]
    for line in service.lines():
        assert (line["level"], line["message"]) == ("error", "unusable")
        assert blamed in line["reason"]
    assert service.lines()[1]["messages"] == 2
