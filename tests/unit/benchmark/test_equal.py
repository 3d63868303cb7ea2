"""Nobody is compared who answers something else, or no number."""

import json
import math
from typing import Any

import pytest

from bench import batch
from bench.errors import CLOSE, Unequal
from bench.ground import LOADED, Customer, check_answer

ASKED = Customer(request={}, columns=(), probability=0.25)
HEAD = "customer_id,churn_probability"


def said(probability: float, status: int = 200) -> dict[str, Any]:
    return {"statusCode": status, "body": json.dumps({"churn_probability": probability})}


@pytest.mark.parametrize("probability", [0.25, 0.25 + CLOSE / 2, 0.25 - CLOSE / 2])
def test_who_answers_as_the_model_does_is_compared(probability: float) -> None:
    check_answer("classic", ASKED, said(probability))


@pytest.mark.parametrize("probability", [0.5, 0.25 + 2 * CLOSE, 0.0, math.nan, math.inf])
def test_who_answers_something_else_is_not(probability: float) -> None:
    with pytest.raises(Unequal, match=f"classic answers {probability} instead of 0.25"):
        check_answer("classic", ASKED, said(probability))


def test_who_says_no_probability_is_not() -> None:
    with pytest.raises(Unequal, match="classic answers nan"):
        check_answer("classic", ASKED, {"statusCode": 200, "body": "{}"})


@pytest.mark.parametrize("name", ["classic", "echo", LOADED])
@pytest.mark.parametrize("answer", [said(0.25, 503), {"errorType": "Unhandled"}])
def test_who_refuses_is_not(name: str, answer: dict[str, Any]) -> None:
    with pytest.raises(Unequal, match="answers {"):
        check_answer(name, ASKED, answer)


@pytest.mark.parametrize("name", ["echo", LOADED])
def test_a_floor_predicts_nothing(name: str) -> None:
    check_answer(name, ASKED, {"statusCode": 200, "body": "{}"})


def results(*rows: str) -> bytes:
    return "\n".join((HEAD, *rows, "")).encode()


@pytest.mark.parametrize("answers", ["0.25", "0.250001"])
def test_batches_that_answer_alike_are_compared(answers: str) -> None:
    batch.require_equal(results("C1,0.25", "C2,0.5"), results(f"C1,{answers}", "C2,0.5"))


@pytest.mark.parametrize(
    "others",
    [
        ("C1,0.26", "C2,0.5"),
        ("C1,", "C2,0.5"),
        ("C1,nan", "C2,0.5"),
        ("C2,0.5", "C1,0.25"),
        ("C1,0.25",),
    ],
)
def test_batches_that_do_not_are_not(others: tuple[str, ...]) -> None:
    ours = results("C1,0.25", "C2,0.5")
    for pair in ((ours, results(*others)), (results(*others), ours)):
        with pytest.raises(Unequal):
            batch.require_equal(*pair)
