"""What is taken for an answer, and what for an error."""

import json
from typing import Any

import pytest

from load.answers import Said, of_function, plain, wrong

ASKED = {"customer_id": "C7", "tenure": 24, "monthly_charges": 79.50}
EXPECTED = 0.25
GOOD = {"customer_id": "C7", "churn_probability": EXPECTED}


def problem(
    said: object, status: int = 200, by: Said = plain, expected: float = EXPECTED
) -> str | None:
    return wrong(by, ASKED, expected, status, json.dumps(said).encode())


def functions(said: object, status: int = 200) -> dict[str, Any]:
    return {"statusCode": status, "body": json.dumps(said)}


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_a_prediction_for_who_was_asked_about_is_right(probability: float) -> None:
    said = GOOD | {"churn_probability": probability}
    assert problem(said, expected=probability) is None
    assert problem(functions(said), by=of_function, expected=probability) is None


@pytest.mark.parametrize("probability", [0.0, 0.249999, 0.250001, 1.0])
def test_a_prediction_that_is_not_as_before_is_wrong(probability: float) -> None:
    said = GOOD | {"churn_probability": probability}
    assert problem(said) == "the answer is another one than before the load"


@pytest.mark.parametrize("status", [201, 301, 404, 422, 500, 503])
def test_a_status_other_than_200_is_wrong_whatever_is_said(status: int) -> None:
    assert problem(GOOD, status) == f"status {status}"


def test_no_answer_is_an_error() -> None:
    """Locust's status where a connection is refused or breaks."""
    assert wrong(plain, ASKED, EXPECTED, 0, None) == "there was no answer"


@pytest.mark.parametrize("customer", ["C8", "", None, 7])
def test_an_answer_about_somebody_else_is_wrong(customer: object) -> None:
    assert problem(GOOD | {"customer_id": customer}) == "the answer is of another customer"
    assert problem({"churn_probability": 0.25}) == "the answer is of another customer"


@pytest.mark.parametrize("probability", [None, "0.25", True, 1, -0.01, 1.01, float("nan")])
def test_what_is_no_probability_is_wrong(probability: object) -> None:
    said = GOOD | {"churn_probability": probability}
    assert problem(said) == "the answer has no probability"
    assert problem({"customer_id": "C7"}) == "the answer has no probability"


@pytest.mark.parametrize("content", [None, b"", b"<html>", b'{"customer_id": "C7"', b"\xff", b"[]"])
def test_what_is_no_object_is_wrong(content: bytes | None) -> None:
    found = wrong(plain, ASKED, EXPECTED, 200, content)
    assert found is not None and found.startswith("no prediction: ")


@pytest.mark.parametrize(
    "answer",
    [
        functions(GOOD, 503),
        {"errorType": "Runtime.ExitError", "requestId": "1"},
        {"statusCode": 200},
        {"statusCode": 200, "body": None},
        functions([GOOD]),
        GOOD,
    ],
)
def test_what_a_function_answers_without_a_prediction_is_wrong(answer: object) -> None:
    found = problem(answer, by=of_function)
    assert found is not None and found.startswith("no prediction: ")


def test_errors_that_are_alike_are_told_alike() -> None:
    """Else each of thousands would have a line of its own."""
    for said, by in (
        (lambda number: [f"C{number}"], plain),
        (lambda number: functions({"request": number}, 503), of_function),
        (lambda number: {"errorType": "Sandbox.Timedout", "requestId": number}, of_function),
    ):
        assert problem(said(1), by=by) == problem(said(2), by=by)
