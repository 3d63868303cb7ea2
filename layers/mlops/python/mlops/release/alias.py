"""Move the aliases. A move may be made twice; only the owner of an alias can make it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from mlops.errors import FunctionGone, TrafficChanged
from mlops.registry.pausing import tries
from mlops.release.note import Note, Reached, read_note
from mlops.release.ports import Dependencies, Function, FunctionVersion, Traffic

_TRIES = 10
Split = tuple[str, Mapping[str, float]]
"""The version that gets what is left, and the shares of others."""


def split(note: Note, part: str, share: float) -> Split:
    """Return how a release with this note splits the traffic. share: the canary's."""
    target = note.target(part)
    if note.reached in (Reached.PROMOTE, Reached.ROLLBACK):
        return target, {}
    return note.was(part), {target: share} if note.reached is Reached.CANARY else {}


def is_at(traffic: Traffic, note: Note, part: str, share: float = 0) -> bool:
    """Tell whether an alias is as the release with this note left it."""
    found = traffic.note and replace(traffic.note, who=note.who)
    return found == note and (traffic.version, dict(traffic.weights)) == split(note, part, share)


def is_free(deps: Dependencies, note: Note | None) -> bool:
    """Tell whether no release owns an alias with this note: the last one is recorded."""
    return note is None or deps.registry.has_release(note.by)


def advance(deps: Dependencies, before: Note, reached: Reached, share: float) -> Traffic:
    """Take a release one step further with the alias of the API.

    Nothing is done where it is there already. Raises TrafficChanged where the alias is not as this
    release left it. share: the canary's.
    """
    after = replace(before, reached=reached)
    found = deps.api.traffic()
    for _ in tries(_TRIES, deps.pause):
        if is_at(found, after, "api", share):
            return found
        if is_at(found, before, "api", share):
            note = replace(after, who=found.note.who if found.note else "")
            with suppress(TrafficChanged):
                return move(deps.api, *split(after, "api", share), note, found.revision)
        found = deps.api.traffic()
    raise TrafficChanged("api:live", f"it is {describe(found)}")


def follow(deps: Dependencies, note: Note) -> tuple[str, ...]:
    """Move batch as a promotion or a rollback has moved the API; say why, if that cannot be."""
    try:
        _follow(deps, note)
    except (FunctionGone, TrafficChanged) as error:
        return (f"batch is left as it is: {error}",)
    return ()


def _follow(deps: Dependencies, note: Note) -> None:
    for _ in tries(_TRIES, deps.pause):
        found = deps.batch.traffic()
        if is_at(found, note, "batch"):
            return
        is_its = found.note is not None and found.note.by == note.by
        if note.reached is Reached.ROLLBACK:
            may_move = is_its or is_free(deps, found.note)
        else:  # any other version was set by hand, and stays
            may_move = is_its and found.version in (note.batch_was, note.batch)
        if not may_move and _confirm(deps.batch, found):
            raise TrafficChanged("batch:live", f"it is {describe(found)}")
        if not may_move:
            continue
        with suppress(TrafficChanged):
            move(deps.batch, note.batch, {}, note, found.revision)
            return
    raise TrafficChanged("batch:live", f"others moved it at each of {_TRIES} tries")


def undo(deps: Dependencies, id: str, who: str = "") -> list[Note]:
    """Give all traffic back, and see to it that no move of that release succeeds any more.

    What has promoted its version of the API, or is a rollback, stays. who: the operator who wants
    it. Return the notes of the aliases that are the release's, the API's first. A function that is
    gone is passed over. Raises TrafficChanged where others were faster at each try.
    """
    notes: list[Note] = []
    for part, function in deps.parts:
        with suppress(FunctionGone):
            if (note := _undo(deps, part, function, id, who)) is not None:
                notes.append(note)
                if not note.undone:
                    break
                who = note.who  # the first of two operators signs for both aliases
    return notes


def _undo(deps: Dependencies, part: str, function: Function, id: str, who: str) -> Note | None:
    for _ in tries(_TRIES, deps.pause):
        found = function.traffic()
        note = found.note
        if note is None or note.by != id:
            if _confirm(function, found):
                return None
            continue
        is_decided = note.undone or note.reached in (Reached.PROMOTE, Reached.ROLLBACK)
        if is_decided and not found.weights:
            return note
        # Any other version was set by hand, and stays.
        goes_back = not is_decided and found.version == note.target(part)
        version = note.was(part) if goes_back else found.version
        after = note if is_decided else replace(note, who=who, undone=True)
        with suppress(TrafficChanged):
            return move(function, version, {}, after, found.revision).note
    raise TrafficChanged(f"{part}:live", f"others moved it at each of {_TRIES} tries")


def move(
    function: Function,
    version: str,
    weights: Mapping[str, float],
    note: Note | None,
    revision: str,
) -> Traffic:
    """Move an alias and read it back. Raises TrafficChanged if it is not as it was set."""
    moved = function.move(version, weights, note, revision)
    wanted = None if note is None else read_note(note.to_text())
    if (moved.version, dict(moved.weights), moved.note) != (version, dict(weights), wanted):
        raise TrafficChanged("live", f"it was set to version {version}, and is {describe(moved)}")
    return moved


def _confirm(function: Function, found: Traffic) -> bool:
    """Tell whether an alias is as it was read. A read may be late; a move never is."""
    with suppress(TrafficChanged):
        move(function, found.version, found.weights, found.note, found.revision)
        return True
    return False


def is_same(one: FunctionVersion, other: FunctionVersion) -> bool:
    """Tell whether two versions, or a version and `$LATEST`, do the same."""
    return (one.code, one.pins, one.settings) == (other.code, other.pins, other.settings)


def describe(traffic: Traffic) -> str:
    others = [f"{share:.0%} to version {number}" for number, share in traffic.weights.items()]
    return " with ".join([f"at version {traffic.version}", *others])
