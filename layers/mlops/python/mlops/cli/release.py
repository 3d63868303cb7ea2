"""`mlops release start | status | list | promote | abort` and `mlops rollback`."""

import getpass
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.text import Text

from mlops.bootstrap import utc_now
from mlops.cli.output import AsJson, answer, notes
from mlops.cli.release_view import document, listed, shown
from mlops.cli.samconfig import Samconfig, Samconfigs
from mlops.errors import ReleaseRefused
from mlops.registry.releases import Ended, ReleaseRecord

if TYPE_CHECKING:
    from mlops.bootstrap.releases import Releases
    from mlops.release.desk import Running, Status

_POLL_SECONDS = 2.0
_BEGIN_SECONDS = 120
"""What was deployed is released within this time, or no release of it will begin by itself."""
_RECORD_SECONDS = 400
"""The reconciler comes every five minutes."""
_TAKEN_BACK = 3

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
    bool, typer.Option("--wait", help="Wait for its verdict (exit code 3: it was taken back).")
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
    releases = _opened(stack, samconfig)
    running = releases.desk.status().running
    if running is not None:
        raise ReleaseRefused(f"A {running.holder.kind} is under way: {running.holder.id}")
    name = f"release-{utc_now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
    releases.world.executions.start(name, by or _user(), despite_alarms=despite_alarms, retry=True)
    if wait:
        _finish(_awaited(releases, _end_of(releases, name)), as_json)
    else:
        text = f"Started {name}. To see how it stands: mlops release status"
        answer({"id": name}, as_json, text)


def status(
    wait: Wait = False,
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Show the traffic, the release that runs with its verdict so far, and the last one's end.

    With --wait, of what was deployed last, even where its release is yet to begin.
    """
    releases = _opened(stack, samconfig)
    if wait:
        _finish(_awaited(releases, _verdict(releases)), as_json)
        return
    found = releases.desk.status()
    answer(document(found), as_json, shown(found))


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
    answer({"id": name}, as_json, f"{name} will be promoted at its next tick.")


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
    # AWS takes a third of a second to import, and `--help` has no use for it.
    from mlops.bootstrap.releases import find_stack, open_releases, places_of

    return open_releases(places_of(find_stack(stack or Samconfig.read(samconfig).stack())))


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


def _verdict(releases: "Releases") -> Callable[["Status"], ReleaseRecord | None]:
    """The end of what was deployed last, once there is one."""
    given_up_at = time.monotonic() + _BEGIN_SECONDS

    def verdict(found: "Status") -> ReleaseRecord | None:
        nonlocal given_up_at
        if found.running is not None:
            given_up_at = time.monotonic() + _BEGIN_SECONDS  # what was deployed may be the next one
            return None
        record = releases.desk.verdict()
        if record is not None:
            return record
        if time.monotonic() > given_up_at:
            reason = f"Nothing has released what was deployed, for {_BEGIN_SECONDS} s"
            raise ReleaseRefused(f"{reason}. To do so: mlops release start")
        return None

    return verdict


def _end_of(releases: "Releases", name: str) -> Callable[["Status"], ReleaseRecord | None]:
    """The end of one release, whatever else has ended since."""
    given_up_at: float | None = None

    def end(found: "Status") -> ReleaseRecord | None:
        nonlocal given_up_at
        for record in releases.desk.history():
            if record.id == name:
                return record
        status = releases.world.executions.status(name)
        if status == "RUNNING":
            return None
        if given_up_at is None:  # whoever has ended it, or the reconciler, is to write its record
            given_up_at = time.monotonic() + _RECORD_SECONDS
        if time.monotonic() > given_up_at:
            reason = f"{name} is {status}, and nobody has recorded its end"
            raise ReleaseRefused(f"{reason}. To see what it has left: mlops doctor")
        return None

    return end


def _awaited(
    releases: "Releases", ended: Callable[["Status"], ReleaseRecord | None]
) -> ReleaseRecord:
    """Show how it stands until it has ended."""
    with Live(console=notes, transient=True, auto_refresh=False) as live:
        while True:
            found = releases.desk.status()
            record = ended(found)
            if record is not None:
                return record
            if notes.is_interactive:
                live.update(Text(shown(found)), refresh=True)
            time.sleep(_POLL_SECONDS)


def _finish(record: ReleaseRecord, as_json: bool) -> None:
    lines = [f"{record.outcome}: {record.id}", *(f"- {reason}" for reason in record.reasons)]
    answer(record.to_document(), as_json, "\n".join(lines))
    if not record.moved and record.outcome is not Ended.UNCHANGED:
        raise typer.Exit(_TAKEN_BACK)
