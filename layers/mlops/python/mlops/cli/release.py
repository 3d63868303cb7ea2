"""`mlops release start | status | list | promote | abort` and `mlops rollback`."""

import getpass
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops.bootstrap import utc_now
from mlops.cli.output import AsJson, answer
from mlops.cli.release_view import document, listed, shown
from mlops.cli.samconfig import Samconfig, Samconfigs
from mlops.errors import ReleaseRefused

if TYPE_CHECKING:
    from mlops.aws.stacks import Stack
    from mlops.bootstrap.releases import Releases
    from mlops.cli.release_waiting import Ends
    from mlops.release.desk import Running, Standing, Status

_TAKEN_BACK = 3
_NO_VERDICT = 124  # as GNU's `timeout` has it, which not every system has

StackName = Annotated[
    str | None,
    typer.Option(
        "--stack",
        envvar="MLOPS_STACK",
        help="Name of the stack. [default: the one in samconfig.toml]",
    ),
]
By = Annotated[
    str | None, typer.Option(help="Who does it, for the record. [default: your user name]")
]
Id = Annotated[str | None, typer.Argument(help="Its id. [default: the one that is running]")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait for its verdict (exit code 3: refused, or taken back).")
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="With --wait: show how it stands and end after so long (exit code 124: no verdict).",
    ),
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Release what was deployed."
    )
    for command in (start, status, history, promote, abort):
        group.command("list" if command is history else None)(command)
    app.add_typer(group, name="release")
    app.command()(rollback)


def start(
    wait: Wait = False,
    timeout: Timeout = None,
    despite_alarms: Annotated[
        bool,
        typer.Option(
            "--despite-alarms",
            help="Begin though alarms ring, and go on while these do: for what will end them.",
        ),
    ] = False,
    by: By = None,
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Release what was deployed last; `sam deploy` does so by itself."""
    on = found_stack(stack, samconfig)
    if on.half_done is not None:
        raise ReleaseRefused(on.half_done)
    releases = _opened_at(on)
    running = releases.desk.status().running
    if running is not None:
        raise ReleaseRefused(f"A {running.holder.kind} is under way: {running.holder.id}")
    name = f"release-{utc_now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
    releases.world.executions.start(name, by or _user(), despite_alarms=despite_alarms, retry=True)
    if wait:
        from mlops.cli.release_waiting import end_of

        _await(releases, end_of(releases, name), timeout, as_json)
    else:
        text = f"Started {name}. To see how it stands: mlops release status"
        answer({"id": name}, as_json, text)


def status(
    wait: Wait = False,
    timeout: Timeout = None,
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Show the traffic, the release that runs with its verdict so far, and the last one's end.

    With --wait, of what was deployed last, even where its release is yet to begin.
    """
    on = found_stack(stack, samconfig)
    releases = _opened_at(on)
    if wait:
        from mlops.cli.release_waiting import verdict_of

        _await(releases, verdict_of(releases, on.changed_at), timeout, as_json)
    else:
        _show(releases, as_json)


def history(
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """List all releases and rollbacks, the newest first."""
    records = _opened(stack, samconfig).desk.history()
    text = listed(records) if records else "There was no release yet."
    answer([record.to_document() for record in records], as_json, text)


def promote(
    id: Id = None,
    by: By = None,
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Give the canary all traffic within seconds, whatever the judge would say."""
    desk = _opened(stack, samconfig).desk
    name = id or _running(desk.status()).holder.id
    desk.promote(name, by or _user())
    answer(
        {"id": name},
        as_json,
        f"{name} will be promoted as soon as it has passed the gate, unless an alarm rings.",
    )


def abort(
    id: Id = None,
    by: By = None,
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Stop a release; the version before it has all traffic again."""
    desk = _opened(stack, samconfig).desk
    closed = desk.abort(id or _running(desk.status()).holder.id, by or _user())
    document = {"id": closed.id, "outcome": closed.outcome, "reasons": [*closed.reasons]}
    answer(document, as_json, closed.text)


def rollback(
    to: Annotated[
        str | None,
        typer.Option(
            help="A version that was live once: of the function, or of a model."
            " [default: what was live before]"
        ),
    ] = None,
    by: By = None,
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Go back at once: during a canary to the version before it, else to the one before the last.

    One update of the alias. Refused, with the traffic as it is, where nothing is to go back to.
    """
    done = _opened(stack, samconfig).rollback.roll_back(to, by or _user())
    answer({"version": done.version, "text": done.text}, as_json, done.text)


def _opened(stack: str | None, samconfig: Path) -> "Releases":
    return _opened_at(found_stack(stack, samconfig))


# AWS takes a third of a second to import, and `--help` has no use for it.


def found_stack(stack: str | None, samconfig: Path) -> "Stack":
    """The one that is named, or else samconfig.toml's. Raises ConfigInvalid, CloudUnavailable."""
    from mlops.bootstrap.releases import find_stack

    return find_stack(stack or Samconfig.read(samconfig).stack())


def _opened_at(stack: "Stack") -> "Releases":
    from mlops.bootstrap.releases import open_releases, places_of

    return open_releases(places_of(stack))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as a container may be run: by a number without a name
        return f"user {os.getuid()}"


def _running(found: "Status") -> "Running":
    """Raises ReleaseRefused."""
    if found.running is None:
        raise ReleaseRefused("No release is running")
    return found.running


def _show(releases: "Releases", as_json: bool) -> None:
    found = releases.desk.status()
    answer(document(found), as_json, shown(found))


def _await(releases: "Releases", ended: "Ends", timeout: float | None, as_json: bool) -> None:
    from mlops.cli.release_waiting import awaited

    standing = awaited(releases, ended, timeout)
    if standing is None:
        _show(releases, as_json)
        raise typer.Exit(_NO_VERDICT)
    _finish(standing, as_json)


def _finish(found: "Standing", as_json: bool) -> None:
    record = found.record
    lines = [f"{record.outcome}: {record.id}", *(f"- {reason}" for reason in record.reasons)]
    answer(record.to_document(), as_json, "\n".join(lines))
    if not found.is_live:
        raise typer.Exit(_TAKEN_BACK)
