"""Where a rollback goes: what releases made live, and people did not take back."""

from collections.abc import Sequence
from dataclasses import replace

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
    way = _way(moved)
    if to is not None:
        return _named(moved, way, live, to)
    if not way:
        raise ReleaseRefused("there is no earlier version: no release was ever promoted")
    here = _place(way, (live[0], None))
    if here is None:
        return way[-1]  # somebody has moved the alias by hand since
    earlier = [record for record in way[:here] if state(record) != live]
    if not earlier:
        raise ReleaseRefused(
            f"there is no version that was live before version {live[0]} and was not taken back;"
            " --to goes to any that was live"
        )
    return earlier[-1]


def state(record: ReleaseRecord) -> State:
    """What was live when it had ended."""
    return record.candidate, record.batch_candidate


def _way(moved: Sequence[ReleaseRecord]) -> list[ReleaseRecord]:
    """How what is live came to be so. What people went back from is no part of it."""
    way: list[ReleaseRecord] = []
    for record in moved:
        left = _place(way, (record.champion, record.batch_champion))
        if record.kind is not Kind.ROLLBACK:
            if left is not None:  # somebody may have gone back there by hand
                del way[left + 1 :]
        elif (place := _place(way, state(record))) is not None:
            del way[place:]
        elif left is not None:
            del way[left]
        way.append(record)
    return way


def _place(way: Sequence[ReleaseRecord], wanted: State) -> int | None:
    """The last one with that state; or else with that API: batch may have been moved by hand."""
    places = range(len(way) - 1, -1, -1)
    whole = (place for place in places if state(way[place]) == wanted)
    half = (place for place in places if way[place].candidate == wanted[0])
    return next(whole, next(half, None))


def _named(
    moved: Sequence[ReleaseRecord], way: Sequence[ReleaseRecord], live: State, to: str
) -> ReleaseRecord:
    """One that people did not go back from, if there is one."""
    named = [record for record in moved if _is_named(record, to)]
    by_hand = [record for record in moved if record.champion == to != live[0]]
    if not named and by_hand:
        return _before(by_hand[-1])
    if not named:
        known = ", ".join(sorted({_name(record) for record in moved})) or "none"
        raise ReleaseRefused(f"{to} was never live by a release; these were: {known}")
    if any(record.candidate == live[0] for record in named):
        raise ReleaseRefused(f"version {live[0]} is live already")
    return ([record for record in way if record in named] or named)[-1]


def _before(record: ReleaseRecord) -> ReleaseRecord:
    """What was live when that release came; for its models and commit there is no record."""
    return replace(
        record,
        candidate=record.champion,
        batch_candidate=record.batch_champion,
        pins=(),
        deployed_sha=None,
    )


def _is_named(record: ReleaseRecord, to: str) -> bool:
    return to == record.candidate or to in _models(record)


def _models(record: ReleaseRecord) -> list[str]:
    return [str(pin.version) for pin in record.pins]


def _name(record: ReleaseRecord) -> str:
    return " with ".join([f"version {record.candidate}", *_models(record)])
