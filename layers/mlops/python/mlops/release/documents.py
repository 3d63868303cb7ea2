"""JSON that was written by a release, and that somebody else may have damaged since."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from mlops.errors import PinInvalid, RecordDamaged


@contextmanager
def reading(key: str) -> Iterator[None]:
    """What goes wrong with a document is told as RecordDamaged."""
    try:
        yield
    except (ValueError, KeyError, TypeError, RecursionError, PinInvalid) as error:
        raise RecordDamaged(key, f"{type(error).__name__}: {error}") from error


def moment(text: str) -> datetime:
    """Raises ValueError, TypeError for what is no time of a known zone."""
    found = datetime.fromisoformat(text)
    if found.utcoffset() is None:
        raise ValueError(f"{text} has no zone")
    return found


def text(value: object) -> str | None:
    if not isinstance(value, str | None):
        raise TypeError("it is no text")
    return value


def parsed(content: bytes) -> dict[str, Any]:
    """Raises what reading a document of another kind does."""
    document = json.loads(content)
    if not isinstance(document, dict):
        raise TypeError("it is no object")
    return document
