"""Moving an alias, and making sure that it has moved."""

from collections.abc import Mapping
from contextlib import suppress

from mlops.errors import TrafficChanged
from mlops.release.ports import Function, FunctionVersion, Traffic

_TRIES = 5


def move(function: Function, version: str, weights: Mapping[str, float], revision: str) -> Traffic:
    """As `Function.move`, and read back. Raises TrafficChanged where somebody was faster."""
    moved = function.move(version, weights, revision)
    found = function.traffic()
    if found.revision != moved.revision:
        raise TrafficChanged(f"at version {version}")
    return found


def settle(function: Function, to: str, instead_of: str) -> bool:
    """Give all traffic to one of two versions; False where a third one has some: it is not ours.

    It is an update even where there is nothing to change. One that an ended execution has sent may
    still be on its way; this takes away the revision that it was made for.
    Raises TrafficChanged where others were faster at each try.
    """
    for _ in range(_TRIES):
        traffic = function.traffic()
        if not {traffic.version, *traffic.weights} <= {to, instead_of}:
            return False
        with suppress(TrafficChanged):
            move(function, to, {}, traffic.revision)
            return True
    raise TrafficChanged(f"at version {to}")


def is_all(traffic: Traffic, version: str) -> bool:
    return traffic.version == version and not traffic.weights


def same(one: FunctionVersion, other: FunctionVersion) -> bool:
    """Whether two versions, or a version and `$LATEST`, do the same."""
    return (one.code, one.pins, one.settings) == (other.code, other.pins, other.settings)


def words(traffic: Traffic) -> str:
    others = [f"{share:.0%} to version {number}" for number, share in traffic.weights.items()]
    return f"the alias to version {traffic.version}" + (
        f" with {', '.join(others)}" if others else ""
    )
