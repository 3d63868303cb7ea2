"""What the records say: where a rollback goes, and what a deployment must not release again.

A version of a function is known by its number. But each commit builds an image, and with it a
version, of its own: a model that operators rolled back would come with the next commit, and pass an
analysis that had nothing against it before. So what operators rolled back is known by its pins as
well. What failed an analysis would fail it again.
"""

from collections.abc import Callable, Iterator, Sequence

from mlops.errors import ReleaseRefused
from mlops.inference.version import Pin
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.ports import FunctionVersion

State = tuple[str | None, str | None]
"""The numbers of the API's version and of batch's."""


def find_target(releases: Sequence[ReleaseRecord], live: State, to: str | None) -> State:
    """Find what is to be live again. releases: the oldest first.

    to: number of a version, or name of a model version; None for what was live, by a release,
    before what is live now. Raises ReleaseRefused.
    """
    moved = [record for record in releases if record.moved]
    if to is not None:
        return _find_named(releases, moved, live, to)
    if not moved:
        raise ReleaseRefused("there is no earlier version: no release was ever promoted")
    made = _find_release(moved, live)
    if made is None:
        return _after(moved[-1])  # somebody has moved the alias by hand since
    while made is not None:
        moved, state = moved[: moved.index(made)], _before(made)
        made = _find_release(moved, state)
        # Batch may have been moved by hand meanwhile.
        state = state if made is None else _after(made)
        if state[0] is not None and state != live and not _was_left(releases, state):
            return state
    raise ReleaseRefused(
        f"there is no version that was live before version {live[0]} and was not rolled back;"
        " --to goes to any that was live"
    )


def _before(record: ReleaseRecord) -> State:
    return record.champion, record.batch_champion


def _after(record: ReleaseRecord) -> State:
    return record.candidate, record.batch_candidate


def _find_release(moved: Sequence[ReleaseRecord], state: State) -> ReleaseRecord | None:
    """Find the last release that made a state live; or its API, if batch was moved by hand."""
    releases = [record for record in reversed(moved) if record.kind is not Kind.ROLLBACK]
    whole = (record for record in releases if _after(record) == state)
    half = (record for record in releases if record.candidate == state[0])
    return next(whole, next(half, None))


def _find_named(
    releases: Sequence[ReleaseRecord], moved: Sequence[ReleaseRecord], live: State, to: str
) -> State:
    """Find what made a version live; preferably one that was not rolled back."""
    named = [_after(record) for record in moved if to in (record.candidate, *_models(record))]
    # What a release replaced may have been set by hand.
    named = named or [_before(record) for record in moved if record.champion == to]
    if not named:
        known = ", ".join(sorted({_name(record) for record in moved})) or "none"
        raise ReleaseRefused(f"{to} was never live by a release; these were: {known}")
    if any(state[0] == live[0] for state in named):
        raise ReleaseRefused(f"version {live[0]} is live already")
    return ([state for state in named if not _was_left(releases, state)] or named)[-1]


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
    if candidate == champion:
        new = (candidate.number, batch_candidate.number)
        was_rolled_back = _was_left(releases, new)
    else:  # batch has no say: a fix of the API comes with the same batch again
        of_api = [record for record in releases if record.candidate != record.champion]
        was_rolled_back = _was_rolled_back(of_api, lambda state: state[0] == candidate.number)
    if was_rolled_back:
        return f"version {candidate.number} was rolled back before; `mlops release start` retries"
    pins = (pin for pin in candidate.pins if pin not in champion.pins)
    models = [str(pin.version) for pin in pins if next(_said_of(releases, pin), False)]
    if models:
        return (
            f"{', '.join(models)} was rolled back before; pin another version, or let"
            " `mlops release start` retry"
        )
    return None


def _was_left(releases: Sequence[ReleaseRecord], state: State) -> bool:
    return _was_rolled_back(releases, lambda other: other == state)


def _was_rolled_back(releases: Sequence[ReleaseRecord], is_it: Callable[[State], bool]) -> bool:
    """Tell whether the last record that says so of a version says that it was rolled back."""
    for record in reversed(releases):
        if record.kind is Kind.ROLLBACK and is_it(_before(record)):
            return True
        has_decided = record.kind is Kind.STOPPED or record.outcome in (
            Ended.PROMOTED,
            Ended.ROLLED_BACK,
        )
        if has_decided and is_it(_after(record)):
            return not record.moved
    return False


def _said_of(releases: Sequence[ReleaseRecord], pin: Pin) -> Iterator[bool]:
    """Yield whether operators rolled a model back, by each record about it; the newest first."""
    pins_of = {record.candidate: record.pins for record in releases if record.pins}
    for record in reversed(releases):
        before, after = pins_of.get(record.champion, ()), record.pins
        if record.kind is Kind.STOPPED:
            before, after = after, before
        if record.kind in (Kind.ROLLBACK, Kind.STOPPED) and pin in before and pin not in after:
            yield True
        elif record.moved and pin in after:
            yield False
