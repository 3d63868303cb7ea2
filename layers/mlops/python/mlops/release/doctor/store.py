"""What the store and the registry hold, and what they should."""

from collections.abc import Iterator

from mlops.errors import MlopsError, PinMismatch, VersionNotFound
from mlops.inference.version import Pin
from mlops.release.doctor.facts import Facts
from mlops.release.doctor.remedies import Finding, Remedies, Severity


def check(facts: Facts, remedies: Remedies) -> Iterator[Finding]:
    kept = facts.kept
    if kept.corrupt is not None:
        what = f"The registry in {kept.location} cannot be read"
        yield Finding(Severity.ERROR, what, f"{kept.corrupt}.", remedies.rebuild())
    if kept.unlisted:
        what = f"In {kept.location}, and not in its registry: {', '.join(kept.unlisted)}"
        why = "The registry got lost, or is older than what it is made from."
        yield Finding(Severity.WARNING, what, why, remedies.rebuild())
    for id, reason in kept.damaged_records.items():
        what = f"The record of release {id} in {kept.location} is damaged"
        why = f"{reason}. Restore it from a copy, or remove it; until then the registry lacks it."
        yield Finding(Severity.WARNING, what, why, remedies.remove_record(id))
    uses = facts.uses()
    for pin, damage in kept.damaged.items():
        yield _damaged(facts, remedies, pin, uses.get(pin, []), damage)


def _damaged(
    facts: Facts, remedies: Remedies, pin: Pin, uses: list[str], damage: MlopsError
) -> Finding:
    is_left_out = pin in facts.kept.left_out
    role = ", ".join(uses) or ("left out of the registry" if is_left_out else "registered")
    what = f"{pin.version}, which is {role}, is not as it should be in {facts.kept.location}"
    is_missing = isinstance(damage, VersionNotFound)
    if is_missing:
        what = f"{pin.version}, which is {role}, is not in {facts.kept.location}"
    served = {"deployed", "live"} & {*uses}
    # One that is only committed may be brought before it is deployed.
    severity = Severity.ERROR if served or (uses and not is_missing) else Severity.WARNING
    is_registered = pin in facts.kept.registered
    if isinstance(damage, PinMismatch) and "committed" in uses and not is_registered:
        why = f"{_sentence(damage)} It was registered with other content."
        return Finding(severity, what, why, remedies.pin(pin.version))
    return Finding(severity, what, _why(facts, damage), remedies.provide(pin, damage))


def _why(facts: Facts, damage: MlopsError) -> str:
    if isinstance(damage, VersionNotFound):
        if facts.deployed is None:
            return "It was registered in another store, which MLOPS_STORE may name, or removed."
        return "It was registered in another store and not copied, or removed."
    return _sentence(damage)


def _sentence(damage: MlopsError) -> str:
    return f"{damage}."
