"""Captured requests, predicted by candidate and champion: what would change for whom?

This only reports. No label says who of the two is right; but where the candidate has no prediction
for a row that the champion predicts, that is a fault.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops.errors import MalformedJson, ModelUnusable, ObjectNotFound
from mlops.inference.loading import ServedModel
from mlops.models.contract import Contract, Request
from mlops.models.strict_json import parse
from mlops.models.validation import validate
from mlops.registry.objects import ObjectStore
from mlops.release.findings import Findings

CAPTURED = "captured/"
_NOT_SENT = "(not sent)"


@dataclass(frozen=True)
class Captured:
    """requests: newest first. refused: those the contract does not take (any more).

    malformed: lines that hold no request at all.
    """

    requests: list[Request] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    malformed: int = 0


def read_captured(objects: ObjectStore, contract: Contract, most: int) -> Captured:
    """Read the newest lines `{"request": {…}}` below `captured/<model>/`, at most so many.

    Keys are taken to sort by time. Raises StoreUnavailable, StoreThrottled.
    """
    requests: list[Request] = []
    refused: list[dict[str, Any]] = []
    malformed = 0
    for _, line in zip(range(most), _lines(objects, f"{CAPTURED}{contract.model}/"), strict=False):
        document = _request(line)
        if document is None:
            malformed += 1
        elif isinstance(request := validate(contract, document), Request):
            requests.append(request)
        else:
            refused.append(document)
    return Captured(requests, refused, malformed)


def replay_requests(
    candidate: ServedModel, champion: ServedModel, requests: Sequence[Request]
) -> Findings:
    """What changes, in all and by segment; and what speaks against the candidate.

    requests: such as the candidate's contract takes.
    """
    if not requests:
        return Findings(details={"replay": {"rows": 0}})
    contract = candidate.contract
    old, new = _predictions(champion, requests), _predictions(candidate, requests)
    both = np.isfinite(old) & np.isfinite(new)
    lost = int(np.count_nonzero(np.isfinite(old) & ~np.isfinite(new)))
    distance = np.abs(new - old)
    flips = np.zeros(len(requests), dtype=np.bool_)
    before, after = contract.answer_columns(old), contract.answer_columns(new)
    for name, values in before.items():
        if not np.issubdtype(values.dtype, np.number):  # a category; numbers differ all the time
            flips |= values != after[name]
    details = {
        **_changes(distance, flips, both),
        "segments": {
            name: {
                value: _changes(distance, flips, both & of_value)
                for value, of_value in _groups(requests, name)
            }
            for name in contract.segments
        },
    }
    reasons = (
        (f"no prediction for {lost} of {len(requests)} captured rows that the champion predicts",)
        if lost
        else ()
    )
    return Findings(reasons, details={"replay": details})


def _lines(objects: ObjectStore, prefix: str) -> Iterator[bytes]:
    for key in sorted(objects.keys(prefix), reverse=True):
        try:
            content = objects.get(key).content
        except ObjectNotFound:  # it got too old meanwhile
            continue
        yield from (line for line in reversed(content.splitlines()) if line.strip())


def _request(line: bytes) -> dict[str, Any] | None:
    try:
        match parse(line):
            case {"request": dict(request)}:
                return request
    except MalformedJson:
        pass
    return None


def _predictions(served: ServedModel, requests: Sequence[Request]) -> NDArray[np.float64]:
    """NaN for each row where the model fails on all of them."""
    try:
        return served.predictor.predict(served.contract.columns(list(requests)))
    except ModelUnusable:
        return np.full(len(requests), np.nan)


def _groups(requests: Sequence[Request], name: str) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The rows of each value of a field."""
    found = [getattr(request, name) for request in requests]
    values = np.array([_NOT_SENT if value is None else str(value) for value in found])
    for value in np.unique(values).tolist():
        yield value, values == value


def _changes(
    distance: NDArray[np.float64], flips: NDArray[np.bool_], rows: NDArray[np.bool_]
) -> Mapping[str, float]:
    count = int(np.count_nonzero(rows))
    if not count:
        return {"rows": 0}
    return {
        "rows": count,
        "largest_difference": round(float(distance[rows].max()), 6),
        "mean_difference": round(float(distance[rows].mean()), 6),
        "category_flips": int(np.count_nonzero(flips & rows)),
    }
