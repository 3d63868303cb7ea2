"""What an answer has to say."""

import json
from collections.abc import Callable
from typing import Any

Said = Callable[[bytes], dict[str, Any]]
"""What an answer says; raises ValueError where it refuses."""

NO_ANSWER = "there was no answer"


def plain(content: bytes) -> dict[str, Any]:
    said = json.loads(content)
    if not isinstance(said, dict):
        raise ValueError(f"a {type(said).__name__}, no object")
    return said


def of_function(content: bytes) -> dict[str, Any]:
    """Of one that answers API Gateway: its body."""
    answer = plain(content)
    if answer.get("statusCode") != 200:
        # Not all of it: errors that are alike are counted as one.
        raise ValueError(
            f"the function answers {answer.get('statusCode', answer.get('errorType'))}"
        )
    return plain(answer["body"].encode())


def wrong(
    said: Said, asked: dict[str, Any], expected: float, status: int, content: bytes | None
) -> str | None:
    """What is wrong with an answer, so that one of another customer is noticed too.

    expected: the probability. status: 0 where the connection was refused or broke, or nothing came
    in time.
    """
    if status != 200:
        return f"status {status}" if status else NO_ANSWER
    try:
        found = said(content or b"")
    except Exception as error:  # what got past here, Locust would log and not count
        return f"no prediction: {error!r}"
    if found.get("customer_id") != asked["customer_id"]:
        return "the answer is of another customer"
    probability = found.get("churn_probability")
    if not isinstance(probability, float) or not 0 <= probability <= 1:
        return "the answer has no probability"
    if probability != expected:
        return "the answer is another one than before the load"
    return None
