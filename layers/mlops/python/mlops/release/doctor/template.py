"""What is committed, and what the stack was deployed with."""

from collections.abc import Iterator

from mlops.release.doctor.facts import DEAD, Deployed, Facts, Unmade, pin_of
from mlops.release.doctor.remedies import Finding, Remedies, Severity


def check(facts: Facts, remedies: Remedies) -> Iterator[Finding]:
    for what, why in facts.unread.items():
        text = f"{what} cannot be read, and is not compared"
        yield Finding(Severity.ERROR, text, f"{why.rstrip('.')}.", remedies.reading(what))
    if facts.no_stack is not None:
        what = "No stack is compared: only the pins, the registry and the store"
        remedy = "" if facts.local else remedies.deploy()
        yield Finding(Severity.NOTE, what, facts.no_stack, remedy)
    if facts.unmade is not None:
        yield from _dead(facts.unmade, remedies)
    yield from _committed(facts, remedies)
    deployed = facts.deployed
    if deployed is not None:
        yield from _status(deployed, remedies)
        yield from _parameters(facts, deployed, remedies)
        for side in deployed.sides:
            if side.latest is not None:
                wanted = [deployed.parameters.get(name, "") for name in facts.models]
                pins = ",".join(filter(None, wanted))
                found = ",".join(map(str, side.latest.pins))
                if {*pins.split(",")} != {*found.split(",")}:
                    yield _drift(side.name, pins, found, deployed, remedies)


def _committed(facts: Facts, remedies: Remedies) -> Iterator[Finding]:
    parameters = facts.committed.parameters
    if parameters is None:
        return
    for name in facts.models:
        text = parameters.get(name, "")
        if text and pin_of(parameters, name) is None:
            what = f"{facts.committed.path} has {name}={text}, which is no pin"
            yield Finding(Severity.ERROR, what, "No deployment takes it.", remedies.restore())


def _dead(stack: Deployed | Unmade, remedies: Remedies) -> Iterator[Finding]:
    if stack.status in DEAD:
        what = f"The stack {stack.stack} is {stack.status}"
        until = "Until it is deleted, CloudFormation refuses every deployment; its bucket is kept."
        why = f"{DEAD[stack.status]}. {until}"
        yield Finding(Severity.ERROR, what, why, remedies.deploy())


def _status(deployed: Deployed, remedies: Remedies) -> Iterator[Finding]:
    what = f"The stack {deployed.stack} is {deployed.status}"
    if deployed.is_changing:
        why = "A deployment is under way, and what it changes may differ until its end."
        yield Finding(Severity.NOTE, what, why, remedies.wait())
    elif deployed.status == "UPDATE_ROLLBACK_FAILED":
        why = "CloudFormation refuses every deployment until it is back where it was."
        yield Finding(Severity.ERROR, what, why, remedies.continue_rollback())
    else:
        yield from _dead(deployed, remedies)


def _parameters(facts: Facts, deployed: Deployed, remedies: Remedies) -> Iterator[Finding]:
    committed = facts.committed.parameters
    if committed is None:
        return
    severity = Severity.NOTE if deployed.is_changing else Severity.WARNING
    for name, model in facts.models.items():
        pin, there = pin_of(committed, name), pin_of(deployed.parameters, name)
        if pin is not None and pin != there:
            what = f"{_named(pin)} is committed and not deployed: the stack has {_named(there)}"
            why = f"{facts.committed.path} has changed since {deployed.stack} was deployed."
            yield Finding(severity, what, why, remedies.deploy())
        elif pin is None and there is not None and not committed.get(name):
            what = f"{_named(there)} is deployed, and no version of {model} is committed"
            why = "A deployment keeps a parameter that it is not given, so no commit says it."
            yield Finding(Severity.WARNING, what, why, remedies.pin(there.version))
    for name, value in committed.items():
        there_value = deployed.parameters.get(name)
        if name not in facts.models and value != there_value:
            found = "no such parameter" if there_value is None else f"{name}={there_value}"
            what = f"{facts.committed.path} has {name}={value}, and the stack {found}"
            why = f"It was changed since {deployed.stack} was deployed, or overridden then."
            yield Finding(severity, what, why, remedies.deploy())


def _drift(name: str, pins: str, found: str, deployed: Deployed, remedies: Remedies) -> Finding:
    what = (
        f"The stack has {pins or 'no model'}, and $LATEST of {name} is set to {found or 'no model'}"
    )
    if deployed.is_changing:
        why = "The deployment that is under way has not come to this function yet."
        return Finding(Severity.NOTE, what, why, remedies.wait())
    why = "It was changed past CloudFormation, which will not notice."
    return Finding(Severity.ERROR, what, why, remedies.set_pins(name, pins))


def _named(pin: object) -> str:
    return "no model" if pin is None else str(pin)
