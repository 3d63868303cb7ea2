"""Compare the output that a document shows with the real one.

What differs from run to run is let through: in text any number and, for `…`, anything; in JSON
ids, digests and dates, and the last digits of a fraction. Everything else has to be the same.
"""

import json
import re
from typing import Any

TOLERANCE = 0.01  # of a probability: another machine's training differs in the last digits
VOLATILE = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{12,64}\b"), "<digest>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d([T ][\d:.]+(Z|[+-]\d\d:\d\d)?)?"), "<date>"),
)
NUMBER = re.compile(r"\d[\d,.]*\d|\d")


def agrees(shown: str, real: str) -> bool:
    try:
        documented = json.loads(shown)
    except ValueError:
        return text_agrees(shown, real)
    try:
        return json_agrees(documented, json.loads(real))
    except ValueError:
        return False


def json_agrees(shown: Any, real: Any) -> bool:
    if type(shown) is not type(real):
        return False
    match shown:
        case dict():
            return set(shown) == set(real) and all(
                json_agrees(value, real[key]) for key, value in shown.items()
            )
        case list():
            return len(shown) == len(real) and all(map(json_agrees, shown, real))
        case str():
            return re.fullmatch(wildcards(masked(shown)), masked(real), re.DOTALL) is not None
        case float():
            return bool(abs(shown - real) <= TOLERANCE)
        case _:
            return bool(shown == real)


def text_agrees(shown: str, real: str) -> bool:
    def prepared(text: str) -> str:
        lines = [" ".join(NUMBER.sub("0", masked(line)).split()) for line in text.splitlines()]
        return "\n".join(line for line in lines if line)

    return re.fullmatch(wildcards(prepared(shown)), prepared(real), re.DOTALL) is not None


def masked(text: str) -> str:
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return text


def wildcards(text: str) -> str:
    return ".*".join(map(re.escape, text.split("…")))
