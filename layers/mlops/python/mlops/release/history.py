"""What the records say: where a rollback goes, and what a deployment must not release again.

A version of a function is known by its number. But each commit builds an image, and with it a
version, of its own: a model that operators rolled back would come with the next commit, and pass an
analysis that had nothing against it before. So what operators rolled back is known by its pins as
well. What failed an analysis would fail it again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mlops.errors import ReleaseRefused
from mlops.inference.version import Pin
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.ports import FunctionVersion

State = tuple[str | None, str | None]
"""The numbers of the API's version and of batch's."""


def target_of(releases: Sequence[ReleaseRecord], live: State, to: str | None) -> ReleaseRecord:
    """Find the record of the release that left live what is to be live again.

    releases: the oldest first. to: number of a version, or name of a model version; None for what
    was live, by a release, before what is live now. Raises ReleaseRefused.
    """
    moved = [record for record in releases if record.moved]
    path = _path(moved)
    if to is not None:
        return _named(moved, path, live, to)
    if not path:
        raise ReleaseRefused("there is no earlier version: no release was ever promoted")
    here = _place(path, (live[0], None))
    if here is None:
        return path[-1]  # somebody has moved the alias by hand since
    earlier = [record for record in path[:here] if state(record) != live]
    if not earlier:
        raise ReleaseRefused(
            f"there is no version that was live before version {live[0]} and was not rolled back;"
            " --to goes to any that was live"
        )
    return earlier[-1]


def state(record: ReleaseRecord) -> State:
    """Return what was live when the release had ended."""
    return record.candidate, record.batch_candidate


def _path(moved: Sequence[ReleaseRecord]) -> list[ReleaseRecord]:
    """List how what is live came to be so, without what operators rolled back."""
    path: list[ReleaseRecord] = []
    for record in moved:
        left = _place(path, (record.champion, record.batch_champion))
        if record.kind is not Kind.ROLLBACK:
            if left is not None:  # somebody may have gone back there by hand
                del path[left + 1 :]
        elif (place := _place(path, state(record))) is not None:
            del path[place:]
        elif left is not None:
            del path[left]
        path.append(record)
    return path


def _place(path: Sequence[ReleaseRecord], wanted: State) -> int | None:
    """Find the last one with that state; or with that API, if batch was moved by hand."""
    places = range(len(path) - 1, -1, -1)
    whole = (place for place in places if state(path[place]) == wanted)
    half = (place for place in places if path[place].candidate == wanted[0])
    return next(whole, next(half, None))


def _named(
    moved: Sequence[ReleaseRecord], path: Sequence[ReleaseRecord], live: State, to: str
) -> ReleaseRecord:
    """Find the release that made a version live; one that was not rolled back, if there is one."""
    named = [record for record in moved if _is_named(record, to)]
    releases = [record for record in moved if record.kind is Kind.RELEASE]
    by_hand = [record for record in releases if record.champion == to != live[0]]
    if not named and by_hand:
        return _before(by_hand[-1])
    if not named:
        known = ", ".join(sorted({_name(record) for record in moved})) or "none"
        raise ReleaseRefused(f"{to} was never live by a release; these were: {known}")
    if any(record.candidate == live[0] for record in named):
        raise ReleaseRefused(f"version {live[0]} is live already")
    return ([record for record in path if record in named] or named)[-1]


def _before(record: ReleaseRecord) -> ReleaseRecord:
    """Make a record of what was live before a release; its models and commit are not known."""
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


def why_not_again(
    releases: Sequence[ReleaseRecord],
    champion: FunctionVersion,
    candidate: FunctionVersion,
    batch_candidate: FunctionVersion,
) -> str | None:
    """Say why a deployment must not release that; None where it may. releases: the oldest first."""
    # With a new API batch has no say: a fix of the API comes with the same batch again.
    batch = batch_candidate.number if candidate == champion else None
    if _was_rolled_back(releases, candidate.number, batch):
        return f"version {candidate.number} was rolled back before; `mlops release start` retries"
    new = (pin for pin in candidate.pins if pin not in champion.pins)
    models = [str(pin.version) for pin in new if next(_said_of(releases, pin), False)]
    if models:
        return (
            f"{', '.join(models)} was rolled back before; pin another version, or let"
            " `mlops release start` retry"
        )
    return None


def _was_rolled_back(releases: Sequence[ReleaseRecord], number: str, batch: str | None) -> bool:
    """batch: where that alone is new."""

    def is_it(version: str | None, batch_version: str | None) -> bool:
        return version == number and (batch is None or batch_version == batch)

    for record in reversed(releases):
        if batch is None and record.candidate == record.champion:
            continue  # it was about batch alone
        left = record.kind is Kind.ROLLBACK and is_it(record.champion, record.batch_champion)
        is_about_it = left or is_it(record.candidate, record.batch_candidate)
        if left or (is_about_it and record.outcome not in (Ended.REFUSED, Ended.UNCHANGED)):
            return left or not record.moved
    return False


def _said_of(releases: Sequence[ReleaseRecord], pin: Pin) -> Iterator[bool]:
    """Yield whether operators rolled a model back, by each record about it; the newest first."""
    pins_of = {record.candidate: record.pins for record in releases if record.pins}
    for record in reversed(releases):
        before, after = pins_of.get(record.champion, ()), record.pins
        if record.kind is Kind.ROLLBACK and pin in before and pin not in after:
            yield True
        elif record.moved and pin in after:
            yield False
