"""What the queue may bring, its JSON Schema, and the examples of both."""

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from functions.batch.messages import MessageInvalid, SubmissionMessage, TaskMessage, parse
from mlops.batch.job import Format, Task
from mlops.batch.jobs import Submission
from mlops.inference.version import Pin
from tests.tools.message_schema import COMMITTED, described
from tests.unit.handler.service import JOB, PIN, SUBMITTER, submission

EVENTS = Path(__file__).resolve().parents[3] / "events"
EXAMPLES = sorted(EVENTS.glob("batch-submission-*.json"))
SCHEMA = OAS31Validator(json.loads(described()))
INPUT = f"s3://bucket/batch/uploads/{SUBMITTER}/x"


def parsed(**changed: Any) -> Submission:
    message = parse(json.dumps(submission(**changed)))
    assert isinstance(message, SubmissionMessage)
    return message.to_submission(message.submitted_by)


def refusal(body: object) -> MessageInvalid:
    with pytest.raises(MessageInvalid) as caught:
        parse(body if isinstance(body, str) else json.dumps(body))
    return caught.value


def by_input(**changed: Any) -> dict[str, Any]:
    return submission(**{"rows": None, "input": INPUT, "format": "csv"} | changed)


def test_a_message_names_columns_and_how_ids_are_written() -> None:
    found = parsed(rename={"customerID": "customer_id", "Churn": None}, escape_formulas=False)
    assert found.rename == {"customerID": "customer_id", "Churn": None}
    assert not found.escape_formulas


WRONG: list[tuple[dict[str, Any], str]] = [
    (submission(job_id=None), "job_id: Field required"),
    (submission(job_id=7), "job_id: Input should be a valid string"),
    (submission(job_id=""), "job_id: String should match"),
    (submission(job_id="a/b"), "job_id: String should match"),
    (submission(job_id="a" * 65), "job_id: String should match"),
    (submission(job_id="a\n"), "job_id: String should match"),
    (submission(model=None), "model: Field required"),
    (submission(model=["churn"]), "model: Input should be a valid string"),
    (submission(model=""), "model: String should have at least 1 character"),
    (submission(pin="latest"), "pin: A pin looks like churn-model-v1.3.2@sha256:"),
    (submission(pin=str(PIN.version)), "pin: A pin looks like"),
    (submission(rows=None), "input: Send either 'rows' or 'input'"),
    (submission(input=INPUT), "input: Send either 'rows' or 'input'"),
    (submission(rows=[]), "rows: List should have at least 1 item"),
    (submission(rows=[{}] * 10_001), "rows: List should have at most 10000 items"),
    (submission(rows={}), "rows: Input should be a valid list"),
    (submission(rows=[{}, 7]), "rows.1: Input should be an object"),
    (
        submission(rename={str(n): n for n in range(1_001)}),
        "rename: Object should have at most 1000 items",
    ),
    (submission(submitted_by=None), "submitted_by: Field required"),
    (submission(submitted_by="two words"), "submitted_by: String should match"),
    (submission(submitted_by="é"), "submitted_by: String should match"),
    (submission(chunks=7), "chunks: Extra inputs are not permitted"),
    (by_input(format="xls"), "format: Input should be 'csv', 'csv.gz', 'jsonl'"),
    (by_input(format=1), "format: Input should be 'csv'"),
    (by_input(output_format="CSV"), "output_format: Input should be 'csv'"),
    (by_input(input=7), "input: Input should be a valid string"),
    (by_input(input="x" * 2049), "input: String should have at most 2048 characters"),
]
# What a schema cannot say, or says in no way that is worth it.
WRONG_BEYOND_THE_SCHEMA: list[tuple[dict[str, Any], str]] = [
    (by_input(format=None), "format: The input's name does not end with a format"),
    (submission(format="csv"), "format: The format of rows is jsonl; leave it out"),
    (submission(pin=f"churn-model-v1.0.00@{PIN.digest}"), "pin: A pin looks like"),
    (submission(pin=f"fraud-model-v1.0.0@{PIN.digest}"), "pin: The pin belongs to another model"),
]
RIGHT = [
    submission(),
    submission(format="jsonl", output_format="parquet"),
    submission(rows=[{}]),
    submission(rows=[{"anything": [1, {"a": None}]}] * 10_000),
    submission(pin=str(PIN)),
    by_input(),
    by_input(format=None, input=f"{INPUT}.csv.gz"),
    by_input(job_id="A-_" + "9" * 61, submitted_by="arn:aws:iam::123456789012:user/a"),
    {**by_input(), "rows": None, "pin": None, "output_format": None},
    *[by_input(format=format.value) for format in Format],
]


@pytest.mark.parametrize("task", [Task(JOB), Task(JOB, 0), Task(JOB, 99)])
def test_a_task_comes_back_as_it_went(task: Task) -> None:
    message = parse(task.to_text())
    assert isinstance(message, TaskMessage)
    assert message.to_task() == task


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"chunk": -1}, "chunk: Input should be greater than or equal to 0"),
        ({"chunk": "1"}, "chunk: Input should be a valid integer"),
        ({"chunk": 1.5}, "chunk: Input should be a valid integer"),
        ({"chunk": True}, "chunk: Input should be a valid integer"),
        ({"chunk": 1, "model": "churn"}, "model: Extra inputs are not permitted"),
        ({"chunk": 1, "job_id": "../x"}, "job_id: String should match"),
    ],
)
def test_a_task_that_is_none(changed: dict[str, Any], reason: str) -> None:
    assert refusal({"job_id": JOB} | changed).reason.startswith(reason)


@pytest.mark.parametrize("message", RIGHT, ids=str)
def test_right_submissions(message: dict[str, Any]) -> None:
    assert isinstance(parse(json.dumps(message)), SubmissionMessage)
    assert SCHEMA.is_valid(message)


@pytest.mark.parametrize(("message", "reason"), WRONG + WRONG_BEYOND_THE_SCHEMA)
def test_wrong_submissions_name_the_field(message: dict[str, Any], reason: str) -> None:
    assert refusal(message).reason.startswith(reason)


@pytest.mark.parametrize("message", [message for message, _ in WRONG])
def test_the_schema_refuses_them_too(message: dict[str, Any]) -> None:
    assert not SCHEMA.is_valid(message)


@pytest.mark.parametrize("body", ["", "{", "NaN", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 10_000])
def test_what_is_no_json(body: str) -> None:
    error = refusal(body)
    assert error.reason.startswith("the message is not JSON: ")
    assert (error.job_id, error.owner) == (None, None)


def test_who_has_sent_what_is_nearly_json_is_told_all_the_same() -> None:
    """Python writes NaN, and nobody else reads it."""
    error = refusal(json.dumps(submission(rows=[{"tenure": float("nan")}])))
    assert error.reason.startswith("the message is not JSON: ")
    assert (error.job_id, error.owner) == (submission()["job_id"], submission()["submitted_by"])


def test_all_that_is_wrong_is_named_up_to_a_point() -> None:
    many = {f"unknown{number}": 1 for number in range(10)}
    reason = refusal(submission(**many)).reason
    assert reason.count("Extra inputs are not permitted") == 5
    assert reason.endswith("; and 5 more")
    assert "x" * 65 not in refusal(submission(**{"x" * 1000: 1})).reason


def test_the_submitter_is_known_where_the_message_names_them() -> None:
    error = refusal(submission(format="xls"))
    assert (error.job_id, error.owner) == (JOB, SUBMITTER)
    error = refusal(submission(job_id="../x", submitted_by="a b"))
    assert (error.job_id, error.owner) == (None, None)
    error = refusal(submission(job_id=7, submitted_by=["a"]))
    assert (error.job_id, error.owner) == (None, None)


def test_what_a_submission_asks_for() -> None:
    asked = parsed(rows=None, input=f"{INPUT}.csv.gz", output_format="parquet", pin=str(PIN))
    assert asked == Submission(
        owner=SUBMITTER,
        model="churn",
        input_format=Format.CSV_GZIP,
        output_format=Format.PARQUET,
        pin=PIN,
        input=f"{INPUT}.csv.gz",
    )
    assert isinstance(asked.pin, Pin)


def test_results_have_the_inputs_format_unless_another_is_asked_for() -> None:
    assert parsed(rows=None, input=f"{INPUT}.parquet").output_format == Format.PARQUET
    assert parsed(rows=None, input=f"{INPUT}.csv", format="jsonl").output_format == Format.JSONL
    assert parsed().output_format == Format.JSONL
    assert parsed(output_format="csv").output_format == Format.CSV


def test_rows_are_taken_as_they_are() -> None:
    rows = [{"customer_id": "é", "tenure": "no number", "nested": {"a": [None]}}]
    assert parsed(rows=rows).rows == rows


def test_the_committed_schema_is_the_models() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == described(), "make openapi"


def test_the_schema_is_one() -> None:
    OAS31Validator.check_schema(json.loads(described()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    body = path.read_text(encoding="utf-8")
    assert isinstance(parse(body), SubmissionMessage)
    assert SCHEMA.is_valid(json.loads(body))


def test_there_are_examples_of_each_kind() -> None:
    fields = [json.loads(path.read_text(encoding="utf-8")).keys() for path in EXAMPLES]
    assert {"input", "rows", "pin", "output_format"} <= set().union(*fields)
