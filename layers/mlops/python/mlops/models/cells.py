"""The meaning of a CSV cell. Training and batch jobs both read cells by these rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops.models.contract import FieldType

BLANK = " \t\u00a0"
"""A cell of nothing but these characters is a missing value: exports write a blank for "none"."""

NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
"""A number as JSON writes it. Python's float() takes more: "1_000", " 1", digits of any script."""

_BOOLEANS = {"true": True, "false": False}


def is_blank(text: str) -> bool:
    return not text.strip(BLANK)


def read_cell(type: FieldType, text: str) -> object:
    """Return the JSON value of a cell, or None of a blank one.

    A text that is no value of the type is returned as it is: the contract says what is wrong.
    """
    if is_blank(text):
        return None
    match type:
        case "integer" | "number":
            return parse_number(text)
        case "boolean":
            return _BOOLEANS.get(text.lower(), text)
    return text


def parse_number(text: str) -> object:
    """Return the number that JSON reads from `text`, or `text` itself if it is none."""
    if re.fullmatch(NUMBER, text) is None:
        return text
    try:
        return int(text) if text.removeprefix("-").isdigit() else float(text)
    except ValueError:  # more digits than Python reads
        return text
