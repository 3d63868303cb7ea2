"""`mlops release start | status | list | promote | abort` and `mlops rollback`."""

import getpass
import math
import os
import shutil
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.bootstrap import utc_now
from mlops.cli.output import AsJson, answer, notes, table
from mlops.cli.samconfig import Samconfig, Samconfigs
from mlops.errors import ReleaseRefused
from mlops.registry.releases import Ended, ReleaseRecord

if TYPE_CHECKING:
    from mlops.aws.stacks import Stack
    from mlops.bootstrap.releases import Console
    from mlops.release.ports import Traffic
    from mlops.release.status import Result, Running, Status

_NOT_LIVE = 3
_NO_VERDICT = 124  # as GNU's `timeout` has it, which not every system has
_POLL_SECONDS = 2.0
_PATIENCE_SECONDS = 150
"""A deployment is released within this time, and an end recorded: the repair comes every minute."""

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
    bool,
    typer.Option("--wait", help="Wait for its verdict (exit code 3: refused, or rolled back)."),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="With --wait: show the status and end after so long (exit code 124: no verdict).",
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
            help="Begin although alarms are in state ALARM: for the fix that ends them.",
        ),
    ] = False,
    by: By = None,
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Release what was deployed last; `sam deploy` does so by itself."""
    from mlops.bootstrap.releases import new_id

    found = find_stack(stack, samconfig)
    if found.half_done is not None:
        raise ReleaseRefused(found.half_done)
    console = _open(found)
    running = console.releases.status().running
    if running is not None:
        raise ReleaseRefused(f"A release is under way: {running.note.by}")
    name = new_id("release")
    console.deps.executions.start(name, by or _user(), despite_alarms=despite_alarms, retry=True)
    if wait:
        _await(console, _end_of(console, found.changed_at, name), timeout, as_json)
    else:
        text = f"Started {name}. To see its status: mlops release status"
        answer({"id": name}, as_json, text)


def status(
    wait: Wait = False,
    timeout: Timeout = None,
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Show the traffic, the release that runs with its analyses so far, and how the last ended.

    With --wait, of what was deployed last, even where its release is yet to begin.
    """
    found = find_stack(stack, samconfig)
    console = _open(found)
    if wait:
        _await(console, _end_of(console, found.changed_at), timeout, as_json)
    else:
        _show(console, as_json)


def history(
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """List all releases and rollbacks, the newest first."""
    records = _open(find_stack(stack, samconfig)).releases.history()
    text = render_history(records) if records else "There was no release yet."
    answer([record.to_document() for record in records], as_json, text)


def promote(
    id: Id = None,
    by: By = None,
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Give the canary all traffic at the next poll, whatever its analyses would say."""
    console = _open(find_stack(stack, samconfig))
    name = id or _running(console).note.by
    console.operations.promote(name, by or _user())
    answer(
        {"id": name},
        as_json,
        f"{name} will be promoted as soon as it has passed the gate, unless an alarm is raised.",
    )


def abort(
    id: Id = None,
    by: By = None,
    stack: StackName = None,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Stop a release; the version before it has all traffic again."""
    console = _open(find_stack(stack, samconfig))
    name = id or _running(console).note.by
    closed = console.operations.abort(name, by or _user())
    record = closed.record
    document = {"id": name, "outcome": record.outcome, "reasons": [*record.reasons]}
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
    """Go back at once: during a canary to the version before it, else to the previous version.

    It wins over whatever a release does meanwhile. Refused, with the traffic as it is, where there
    is nothing to go back to.
    """
    done = _open(find_stack(stack, samconfig)).operations.roll_back(to, by or _user())
    answer({"version": done.version, "text": done.text}, as_json, done.text)


# AWS takes a third of a second to import, and `--help` has no use for it.


def find_stack(stack: str | None, samconfig: Path) -> "Stack":
    """The one that is named, or else samconfig.toml's. Raises ConfigInvalid, CloudUnavailable."""
    from mlops.bootstrap import releases

    return releases.find_stack(stack or Samconfig.read(samconfig).stack())


def _open(stack: "Stack") -> "Console":
    from mlops.bootstrap.releases import open_console, places_of

    return open_console(places_of(stack))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as a container may be run: by a number without a name
        return f"user {os.getuid()}"


def _running(console: "Console") -> "Running":
    """Raises ReleaseRefused."""
    running = console.releases.status().running
    if running is None:
        raise ReleaseRefused("No release is running")
    return running


def _show(console: "Console", as_json: bool) -> None:
    found = console.releases.status()
    answer(to_document(found), as_json, render(found))


# --- waiting ------------------------------------------------------------------------------------
_End = Callable[["Status"], "Result | None"]
"""How it has ended; None where it has not yet. Raises ReleaseRefused where it never will."""


def _await(console: "Console", end: _End, timeout: float | None, as_json: bool) -> None:
    """Show the status until the end, or until `timeout` seconds have passed."""
    from rich.live import Live
    from rich.text import Text

    given_up_at = math.inf if timeout is None else time.monotonic() + timeout
    with Live(console=notes, transient=True, auto_refresh=False) as live:
        while True:
            found = console.releases.status()
            result = end(found)
            if result is not None or time.monotonic() >= given_up_at:
                break
            if notes.is_interactive:
                live.update(Text(render(found)), refresh=True)
            time.sleep(_POLL_SECONDS)
    if result is None:
        _show(console, as_json)
        raise typer.Exit(_NO_VERDICT)
    record = result.record
    lines = [f"{record.outcome}: {record.id}", *(f"- {reason}" for reason in record.reasons)]
    answer(record.to_document(), as_json, "\n".join(lines))
    if not result.is_live:
        raise typer.Exit(_NOT_LIVE)


def _end_of(console: "Console", deployed_at: datetime, name: str | None = None) -> _End:
    """Wait for the end of a release; else of whichever releases what was deployed last.

    deployed_at: when that deployment began; aware.
    """
    from mlops.release.status import Result

    given_up_at = time.monotonic() + _PATIENCE_SECONDS

    def end(found: "Status") -> "Result | None":
        nonlocal given_up_at
        result = None if name is None else console.releases.result_of(name)
        # One that was started just now has no alias yet; and the next may be what was deployed.
        is_running = found.running is not None or bool(console.deps.executions.running())
        if result is None and is_running:
            given_up_at = time.monotonic() + _PATIENCE_SECONDS
            return None
        if name is None:
            result = console.releases.result(deployed_at)
        if result is None and time.monotonic() > given_up_at:
            last = found.last
            if name is None and last is not None and _is_about_nothing(last, deployed_at):
                return Result(last, is_live=False)
            what = name or "What was deployed"
            reason = f"{what} has no recorded end, {_PATIENCE_SECONDS} s after the last release ran"
            raise ReleaseRefused(f"{reason}. To release it: mlops release start")
        return result

    return end


def _is_about_nothing(record: ReleaseRecord, deployed_at: datetime) -> bool:
    """Tell whether it was refused before anybody knew what it would release."""
    is_refused = record.outcome is Ended.REFUSED and record.candidate is None
    return is_refused and record.ended_at >= deployed_at


# --- showing ------------------------------------------------------------------------------------
def to_document(found: "Status") -> dict[str, Any]:
    return {
        "api": None if found.api is None else found.api.shares,
        "batch": None if found.batch is None else found.batch.shares,
        "running": None if found.running is None else _running_document(found.running),
        "last": None if found.last is None else found.last.to_document(),
    }


def _running_document(running: "Running") -> dict[str, Any]:
    note, plan = running.note, running.plan
    return {
        "id": note.by,
        "execution": running.execution,
        "next": running.state and running.state.next,
        "reached": note.reached,
        "champion": note.api_was,
        "candidate": note.api,
        "batch_champion": note.batch_was,
        "batch_candidate": note.batch,
        "pins": [] if plan is None else [str(pin) for pin in plan.candidate.pins],
        "despite": [] if plan is None else [*plan.despite],
        "analyses": [
            {
                "number": analysis.number,
                "verdict": analysis.verdict,
                "reasons": [*analysis.reasons],
                "requests": analysis.requests,
                "stable_requests": analysis.stable_requests,
            }
            for analysis in running.analyses
        ],
        "ends_at": running.ends_at and running.ends_at.isoformat(),
        "promoted_by": note.who or None,
    }


def render(found: "Status") -> str:
    facts = {"API": _render_shares(found.api), "batch": _render_shares(found.batch)}
    if (running := found.running) is not None:
        facts["release"] = f"{running.note.by}, {running.execution or 'unknown'}"
        facts["next step"] = running.state.next if running.state else "unknown"
        if running.plan is not None and running.plan.despite:
            facts["despite"] = f"alarms in state ALARM: {', '.join(running.plan.despite)}"
        for analysis in running.analyses:
            facts[f"analysis {analysis.number}"] = (
                f"{analysis.verdict}, {analysis.requests:,} requests: {'; '.join(analysis.reasons)}"
            )
        if running.note.who:
            facts["promoted"] = f"by {running.note.who}"
        if running.ends_at is not None:
            left = max((running.ends_at - utc_now()).total_seconds(), 0)
            facts["verdict"] = f"at the latest in {minutes_and_seconds(left)}"
    if found.last is not None:
        facts["last"] = f"{found.last.id}: {found.last.outcome}; {'; '.join(found.last.reasons)}"
    return table([{"": name, " ": value} for name, value in facts.items()]).lstrip()


def _render_shares(traffic: "Traffic | None") -> str:
    if traffic is None:
        return "is not there"
    return ", ".join(f"{share:.0%} version {number}" for number, share in traffic.shares.items())


def render_history(records: Sequence[ReleaseRecord]) -> str:
    """Show one line each, with what it was about and why below: no terminal has room beside it."""
    width = shutil.get_terminal_size().columns
    heading, *rows = table([_row(record) for record in records]).splitlines()
    lines = [heading]
    for record, row in zip(records, rows, strict=True):
        lines.append(row)
        for text in (", ".join(_subject(record)), "; ".join(record.reasons)):
            lines += textwrap.wrap(
                text,
                width,
                initial_indent="  ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def _row(record: ReleaseRecord) -> dict[str, str]:
    return {
        "id": record.id,
        "outcome": record.outcome,
        "ended": f"{record.ended_at:%Y-%m-%d %H:%M}",
    }


def _subject(record: ReleaseRecord) -> Iterator[str]:
    if record.champion is not None:
        yield f"version {record.champion} to {record.candidate}"
    elif record.candidate is not None:
        yield f"version {record.candidate}"
    yield from (str(pin.version) for pin in record.pins)
    if record.deployed_sha is not None:
        yield f"commit {record.deployed_sha[:12]}"


def minutes_and_seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
