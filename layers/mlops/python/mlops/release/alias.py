"""Move the aliases. A move may be made twice; only the owner of an alias can make it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

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
    if note.reached is Reached.PROMOTE:
        return target, {}
    return note.was(part), {target: share} if note.reached is Reached.CANARY else {}


def is_at(traffic: Traffic, note: Note, part: str, share: float = 0) -> bool:
    """Tell whether an alias is as the release with this note left it."""
    found = traffic.note and replace(traffic.note, who=note.who)
    return found == note and (traffic.version, dict(traffic.weights)) == split(note, part, share)


def advance(
    deps: Dependencies, part: str, before: Note, reached: Reached, share: float = 0
) -> Traffic:
    """Take a release one step further with one alias.

    Nothing is done where it is there already. Raises TrafficChanged where the alias is not as this
    release left it.
    """
    function, after = getattr(deps, part), replace(before, reached=reached)
    found: Traffic = function.traffic()
    for _ in tries(_TRIES, deps.pause):
        if is_at(found, after, part, share):
            return found
        if is_at(found, before, part, share):
            note = replace(after, who=found.note.who if found.note else "")
            with suppress(TrafficChanged):
                return move(function, *split(after, part, share), note, found.revision)
        found = function.traffic()
    raise TrafficChanged(f"of {part}, {describe(found)}: the release has lost it")


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
        raise TrafficChanged(f"that was set to version {version}, and is {describe(moved)}")
    return moved


@dataclass(frozen=True)
class Undone:
    """How an undone release left the aliases; None where the release never had the alias."""

    api: Traffic | None
    batch: Traffic | None

    @property
    def notes(self) -> tuple[Note, ...]:
        found = (self.api, self.batch)
        return tuple(it.note for it in found if it is not None and it.note is not None)

    @property
    def had_traffic(self) -> bool:
        return any(note.reached is not Reached.BEGIN for note in self.notes)


def undo(deps: Dependencies, after: Note, *, fence: bool = False) -> Undone:
    """Give all traffic back, and see to it that no move of that release succeeds any more.

    after: the note to leave; `back` names the release. Where it names versions, these decide what
    is live afterwards, else the note of the release does.
    fence: also where the release has not got the alias yet. A function that is gone is passed
    over. Raises TrafficChanged where others were faster at each try.
    """
    found: dict[str, Traffic | None] = {}
    for part, function in deps.parts:
        found[part] = None
        with suppress(FunctionGone):
            traffic = _undo(deps, part, function, after, fence)
            found[part] = traffic
            # Of two rollbacks at once, the one that was first at the API signs for both aliases.
            if traffic is not None and traffic.note is not None:
                after = replace(after, by=traffic.note.by, who=traffic.note.who)
    return Undone(found["api"], found["batch"])


def _undo(
    deps: Dependencies, part: str, function: Function, after: Note, fence: bool
) -> Traffic | None:
    for _ in tries(_TRIES, deps.pause):
        found = function.traffic()
        note = found.note
        if note is not None and _agree(note, after, part):
            if not found.weights:
                return found
            version, new = found.version, note
        else:
            is_its = note is not None and not note.back and note.by == after.back
            if not (is_its or after.api or fence):
                return None
            if not (is_its or after.api or _is_over(deps, note)):
                break
            new = after
            if note is not None and is_its:
                plan = after if after.api else note
                said = {"by": after.by, "back": after.back, "who": after.who}
                new = replace(plan, reached=note.reached, **said)
            # Any other version was set by hand, and stays; but not after a promotion.
            moved = is_its or after.reached is not Reached.BEGIN
            is_target = moved and found.version == new.target(part)
            goes = is_target or after.reached is Reached.PROMOTE
            version = new.was(part) if goes else found.version
        with suppress(TrafficChanged):
            return move(function, version, {}, new, found.revision)
    raise TrafficChanged(f"of {part}: somebody else was faster at each try")


def _agree(note: Note, after: Note, part: str) -> bool:
    """Tell whether the release is undone already, by anybody."""
    is_signed = part == "api" or note.by == after.by
    goes_there = not after.api or note.was(part) == after.was(part)
    return note.back == after.back and is_signed and goes_there


def _is_over(deps: Dependencies, note: Note | None) -> bool:
    """Tell whether a note is nobody's any more: who has the alias is not fenced for another."""
    return note is None or bool(note.back) or deps.registry.has_release(note.by)


def is_same(one: FunctionVersion, other: FunctionVersion) -> bool:
    """Tell whether two versions, or a version and `$LATEST`, do the same."""
    return (one.code, one.pins, one.settings) == (other.code, other.pins, other.settings)


def describe(traffic: Traffic) -> str:
    others = [f"{share:.0%} to version {number}" for number, share in traffic.weights.items()]
    return " with ".join([f"at version {traffic.version}", *others])
