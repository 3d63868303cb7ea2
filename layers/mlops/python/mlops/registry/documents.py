"""JSON documents of the registry, checked when they are read: anybody may have changed them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from mlops.errors import DocumentInvalid, MalformedJson, PinInvalid, VersionInvalid
from mlops.models.strict_json import parse_finite

MAX_BYTES = 2**20
_YEARS = range(2000, 2100)


@contextmanager
def reading(key: str) -> Iterator[None]:
    """Turn whatever is wrong with the document `key` into DocumentInvalid."""
    try:
        yield
    except KeyError as error:
        raise DocumentInvalid(key, f"it has no {error}") from error
    except (ValueError, TypeError, MalformedJson, PinInvalid, VersionInvalid) as error:
        raise DocumentInvalid(key, str(error)) from error


def parse_object(content: bytes) -> dict[str, Any]:
    """Raises MalformedJson, ValueError, TypeError."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    found = parse_finite(content)
    if not isinstance(found, dict):
        raise TypeError("it is no JSON object")
    return found


def parse_time(value: object) -> datetime:
    """Return a time in UTC.

    Raises TypeError; ValueError where it has no time zone, so that nobody knows when it was.
    """
    at = datetime.fromisoformat(parse_text(value))
    if at.utcoffset() is None:
        raise ValueError(f"the time {value} has no time zone")
    if at.year not in _YEARS:
        raise ValueError(f"the time {value} is not in this century")
    return at.astimezone(UTC)


def parse_text(value: object) -> str:
    """Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value


def parse_optional_text(value: object) -> str | None:
    """Raises TypeError."""
    return None if value is None else parse_text(value)


def parse_texts(value: object) -> list[str]:
    """Raises TypeError."""
    if not isinstance(value, list):
        raise TypeError(f"a list was expected, not {type(value).__name__}")
    return [parse_text(item) for item in value]
