"""`mlops doctor`: what should agree and does not, and the command that mends it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.bootstrap import open_objects
from mlops.bootstrap.registry import open_registry
from mlops.cli.output import DEFAULT_STORE, AsJson, Store, answer
from mlops.cli.release import StackName
from mlops.cli.samconfig import Samconfig, Samconfigs
from mlops.errors import CloudUnavailable, ConfigInvalid, StackNotFound

if TYPE_CHECKING:
    from mlops.release.doctor.facts import Unmade
    from mlops.release.doctor.gathering import Cloud, Shelf
    from mlops.release.doctor.remedies import Finding


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    local: Annotated[
        bool, typer.Option("--local", help="Ask no stack: compare the pins, registry and store.")
    ] = False,
    stack: StackName = None,
    store: Store = DEFAULT_STORE,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Compare what is committed, deployed, live, registered and stored; say what mends it.

    The store is the stack's, or, where there is no stack, the one that is named. Nothing is
    changed. Exit code 1: something is wrong; notes alone are not.
    """
    # What reads a stack takes a second to import, and other commands have no use for it.
    from mlops.release.doctor import diagnose
    from mlops.release.doctor.facts import Committed
    from mlops.release.doctor.gathering import Shelf, gather
    from mlops.release.doctor.remedies import Finding, Severity
    from mlops.release.pin_parameter import find_models, split_pins

    unread: dict[str, str] = {}
    refused: list[Finding] = []
    parameters, name = None, stack
    try:
        file = Samconfig.read(samconfig)
        parameters = split_pins(file.parameters())
        name = stack or file.stack()
        if why := file.find_dropped():
            refused.append(Finding(Severity.ERROR, *why))
    except ConfigInvalid as error:
        unread[str(samconfig)] = error.reason
    opened, unmade, why = _opened(None if local else name, named=stack is not None, unread=unread)
    local_shelf = Shelf(store, open_objects(store, patient=True), open_registry(store))
    cloud, shelf = opened or (None, local_shelf)
    facts = gather(
        Committed(parameters, str(samconfig)),
        find_models(parameters or {}, cloud.parameters if cloud else {}),
        shelf,
        cloud,
        no_stack="It was asked for with --local." if local else why,
        unmade=unmade,
        local=local,
        unread=unread,
    )
    found = (*refused, *diagnose(facts))
    text = "\n\n".join(map(_shown, found)) or f"All agrees: {samconfig}, {name}, {shelf.location}"
    answer([vars(finding) for finding in found], as_json, text)
    if any(finding.severity is not Severity.NOTE for finding in found):
        raise typer.Exit(1)


def _opened(
    name: str | None, *, named: bool, unread: dict[str, str]
) -> tuple["tuple[Cloud, Shelf] | None", "Unmade | None", str | None]:
    """A stack that is there, with its store; or why none is compared, unless it is unread."""
    if name is None:
        return None, None, "No stack is named."
    from mlops.bootstrap.doctor import open_stack
    from mlops.bootstrap.releases import find_stack
    from mlops.release.doctor.facts import Unmade

    try:
        found = find_stack(name)
        if not found.outputs:
            unmade = Unmade(found.name, named, found.status)
            return None, unmade, f"Stack {name} is {found.status}."
        return open_stack(found, named=named), None, None
    except StackNotFound as error:
        return None, None, f"{error}."
    except CloudUnavailable as error:
        unread[f"Stack {name}"] = str(error)
        return None, None, None


def _shown(finding: "Finding") -> str:
    run = f"\n  Run: {finding.command}" if finding.command else ""
    return f"{finding.severity}: {finding.what}\n  {finding.why}{run}"
