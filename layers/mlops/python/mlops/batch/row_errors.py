"""Errors of rows: the first ones are kept in full, all of them are counted."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlops.models.validation import Fault

ERRORS_PER_CHUNK = 10_000
"""Errors that are kept of one chunk. The rest is only counted."""

ERRORS_PER_JOB = 100_000
"""Errors that `errors` of a job holds. The rest is only counted."""

UNKNOWN_FIELD = "*"
"""Stands in the counts for every name that the model does not know: they could be any number."""

_UNKNOWN = "extra_forbidden"
_FORM = frozenset({"malformed_json", "model_attributes_type", "cells", "encoding", _UNKNOWN})
"""Types of errors that say that a row is of another kind, and not that a value in it is wrong."""


@dataclass(frozen=True)
class ErrorCounts:
    """How often each type of error was found in each field.

    by_field: the number of errors by field and type.
    """

    by_field: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.by_field.values())

    def to_list(self) -> list[dict[str, object]]:
        """Return them for a document, the most frequent first."""
        ordered = sorted(self.by_field.items(), key=lambda found: (-found[1], found[0]))
        return [{"field": name, "type": kind, "count": n} for (name, kind), n in ordered]

    def to_bytes(self) -> bytes:
        return json.dumps(self.to_list()).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "ErrorCounts":
        """Read what `to_bytes` wrote. Earlier releases wrote nothing, so they counted nothing."""
        entries = json.loads(content or b"[]")
        return cls({(entry["field"], entry["type"]): entry["count"] for entry in entries})

    @classmethod
    def sum(cls, counts: Iterable["ErrorCounts"]) -> "ErrorCounts":
        total: Counter[tuple[str, str]] = Counter()
        for each in counts:
            total.update(each.by_field)
        return cls(dict(total))


class RowErrors:
    """Collects the errors of rows, in their order.

    kept: the first errors, each with the position of its row.
    shared: the faults of form that every row so far has, by field and type.
    """

    def __init__(self) -> None:
        self.kept: list[tuple[int, Fault]] = []
        self.shared: Mapping[tuple[str, str], Fault] | None = None
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, position: int, faults: Iterable[Fault]) -> None:
        found = tuple(faults)
        room = ERRORS_PER_CHUNK - len(self.kept)
        self.kept.extend((position, fault) for fault in found[:room])
        self._counts.update((_counted_as(fault), fault.type) for fault in found)
        if self.shared != {}:
            self.shared = intersect(self.shared, faults_of_form(found))

    @property
    def counts(self) -> ErrorCounts:
        return ErrorCounts(dict(self._counts))


def faults_of_form(faults: Iterable[Fault]) -> Mapping[tuple[str, str], Fault]:
    return {(fault.field, fault.type): fault for fault in faults if fault.type in _FORM}


def intersect(
    first: Mapping[tuple[str, str], Fault] | None, second: Mapping[tuple[str, str], Fault] | None
) -> Mapping[tuple[str, str], Fault] | None:
    """Return what both have, as it stands in the first one. None: no row was looked at."""
    if first is None or second is None:
        return first if second is None else second
    return {key: fault for key, fault in first.items() if key in second}


def _counted_as(fault: Fault) -> str:
    return UNKNOWN_FIELD if fault.type == _UNKNOWN else fault.field
