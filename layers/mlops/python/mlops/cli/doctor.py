"""`mlops doctor`: what should agree and does not, and the command that fixes it."""

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
    from mlops.release import doctor as doctors


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
    """Compare what is committed, deployed, live, registered and stored; say how to fix it.

    The store is the stack's, or, where there is no stack, the one that is named. Nothing is
    changed. Exit code 1: something is wrong; notes alone are not.
    """
    # What reads a stack takes a second to import, and other commands have no use for it.
    from mlops.bootstrap.doctor import open_stack
    from mlops.release import doctor as doctors

    parameters, name, found = None, stack, []
    try:
        file = Samconfig.read(samconfig)
        parameters = file.parameters()
        name = stack or file.stack()
        if why := file.find_dropped():
            found.append(doctors.Finding(doctors.Severity.ERROR, *why))
    except ConfigInvalid as error:
        restore = f"git restore {samconfig}"
        found.append(doctors.describe_unread(str(samconfig), error.reason, restore))
    shelf = doctors.Store(store, open_objects(store, patient=True), open_registry(store))
    deployed: doctors.DeployedStack | None = None
    if local:
        found.append(doctors.describe_no_stack("It was asked for with --local."))
    elif name is None:
        found.append(doctors.describe_no_stack("No stack is named.", "make deploy"))
    else:
        try:
            deployed, shelf = open_stack(name, named=stack is not None, local=shelf)
        except StackNotFound as error:
            found.append(doctors.describe_no_stack(f"{error}.", "make deploy"))
        except CloudUnavailable as error:
            found.append(doctors.describe_unread(f"Stack {name}", str(error)))
    committed = doctors.Committed(parameters, str(samconfig))
    found = doctors.order([*found, *doctors.Doctor(committed, shelf, deployed).examine()])
    text = "\n\n".join(map(_render, found)) or f"All agrees: {samconfig}, {name}, {shelf.location}"
    answer([vars(finding) for finding in found], as_json, text)
    if any(finding.severity is not doctors.Severity.NOTE for finding in found):
        raise typer.Exit(1)


def _render(finding: "doctors.Finding") -> str:
    run = f"\n  Run: {finding.command}" if finding.command else ""
    return f"{finding.severity}: {finding.what}\n  {finding.why}{run}"
