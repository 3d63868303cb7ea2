"""JSON, read strictly: one value as the standard has it, without duplicate keys."""

import json
from typing import Any

import jiter

from mlops.errors import MalformedJson
from mlops.models.validation import MAX_NAME


def parse(text: bytes) -> Any:
    """Raises MalformedJson, which quotes nothing but the names of fields, cut to a sane length."""
    try:
        return jiter.from_json(text, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise MalformedJson(_with_short_name(str(error))) from error


def parse_line(text: bytes) -> Any:
    """Parse one line of a longer text; the error names the column alone, as any line is line 1."""
    try:
        return parse(text)
    except MalformedJson as error:
        before, found, column = str(error).rpartition(" at line 1 column ")
        raise MalformedJson(f"{before} at column {column}" if found else str(error)) from error


def parse_finite(text: bytes) -> Any:
    """Parse JSON whose numbers are all finite. Raises MalformedJson.

    The standard allows 1e999, which becomes infinity: no JSON can be written from it again.
    """
    found = parse(text)
    try:
        json.dumps(found, allow_nan=False)
    except ValueError as error:
        raise MalformedJson("a number is too large") from error
    return found


def _with_short_name(message: str) -> str:
    """jiter quotes a duplicate key, however long it is and whatever is in it."""
    before, _, rest = message.partition('"')
    name, _, after = rest.rpartition('"')
    return f'{before}"{name[:MAX_NAME]}"{after}' if name else message
