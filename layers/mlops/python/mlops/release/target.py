"""Where a rollback goes: what releases made live, and people did not take back."""

from collections.abc import Sequence

from mlops.errors import ReleaseRefused
from mlops.registry.releases import Kind, ReleaseRecord

State = tuple[str | None, str | None]
"""Numbers of the API's version and of batch's."""


def target_of(releases: Sequence[ReleaseRecord], live: State, to: str | None) -> ReleaseRecord:
    """The record with which that was live which is to be live again.

    releases: the oldest first. to: number of a version, or name of a model version; None for what
    was live, by a release, before what is live now. Raises ReleaseRefused.
    """
    moved = [record for record in releases if record.moved]
    if to is not None:
        return _named(moved, live, to)
    way = _way(moved)
    if not way:
        raise ReleaseRefused("there is no earlier version: no release was ever promoted")
    here = [place for place, record in enumerate(way) if record.candidate == live[0]]
    if not here:
        return way[-1]  # somebody has moved the alias by hand since
    earlier = [record for record in way[: here[-1]] if state(record) != live]
    if not earlier:
        raise ReleaseRefused(f"there is no version that was live before version {live[0]}")
    return earlier[-1]


def state(record: ReleaseRecord) -> State:
    """What was live when it had ended."""
    return record.candidate, record.batch_candidate


def _way(moved: Sequence[ReleaseRecord]) -> list[ReleaseRecord]:
    """How what is live came to be so. What people went back from is no part of it."""
    way: list[ReleaseRecord] = []
    for record in moved:
        if record.kind is Kind.ROLLBACK:
            again = [place for place, it in enumerate(way) if state(it) == state(record)]
            # Batch may have been moved by hand since.
            again = again or [
                place for place, it in enumerate(way) if it.candidate == record.candidate
            ]
            if again:
                del way[again[-1] :]
        way.append(record)
    return way


def _named(moved: Sequence[ReleaseRecord], live: State, to: str) -> ReleaseRecord:
    named = [record for record in moved if to == record.candidate or to in _models(record)]
    if not named:
        known = ", ".join(sorted({_name(record) for record in moved})) or "none"
        raise ReleaseRefused(f"{to} was never live by a release; these were: {known}")
    return ([record for record in named if state(record) != live] or named)[-1]


def _models(record: ReleaseRecord) -> list[str]:
    return [str(pin.version) for pin in record.pins]


def _name(record: ReleaseRecord) -> str:
    return " with ".join([f"version {record.candidate}", *_models(record)])
