"""What `--wait` waits for: the end of a release, or of what was deployed; and when it gives up."""

import math
import time
from collections.abc import Callable
from datetime import datetime

from rich.live import Live
from rich.text import Text

from mlops.bootstrap.releases import Releases
from mlops.cli.output import notes
from mlops.cli.release_view import shown
from mlops.errors import ReleaseRefused
from mlops.registry.releases import Ended, ReleaseRecord
from mlops.release.desk import Standing, Status
from mlops.release.ports import ExecutionStatus

_POLL_SECONDS = 2.0
_BEGIN_SECONDS = 120
"""What was deployed is released within this time, or no release of it will begin by itself."""
_RECORD_SECONDS = 400
"""The reconciler comes every five minutes."""

Ends = Callable[[Status], Standing | None]
"""How it has ended; None where it has not yet. Raises ReleaseRefused where it never will."""


def verdict_of(releases: Releases, deployed_at: datetime) -> Ends:
    """What was deployed last. deployed_at: when that began; aware."""
    given_up_at = time.monotonic() + _BEGIN_SECONDS

    def verdict(found: Status) -> Standing | None:
        nonlocal given_up_at
        # One that was started just now has neither the lock nor a plan.
        if found.running is not None or releases.world.executions.running():
            given_up_at = time.monotonic() + _BEGIN_SECONDS  # what was deployed may be the next one
            return None
        standing = releases.desk.verdict(deployed_at)
        if standing is not None:
            return standing
        if time.monotonic() > given_up_at:
            if found.last is not None and _is_about_nothing(found.last, deployed_at):
                return Standing(found.last, is_live=False)
            reason = f"Nothing has released what was deployed, for {_BEGIN_SECONDS} s"
            raise ReleaseRefused(f"{reason}. To do so: mlops release start")
        return None

    return verdict


def _is_about_nothing(record: ReleaseRecord, deployed_at: datetime) -> bool:
    """Whether it was refused before anybody knew what it would release."""
    is_refused = record.outcome is Ended.REFUSED and record.candidate is None
    return is_refused and record.ended_at >= deployed_at


def end_of(releases: Releases, name: str) -> Ends:
    """One release, whatever else has ended since."""
    given_up_at: float | None = None

    def end(found: Status) -> Standing | None:
        nonlocal given_up_at
        for record in releases.desk.history():
            if record.id == name:
                return Standing(record, record.moved or record.outcome is Ended.UNCHANGED)
        status = releases.world.executions.status(name)
        if status is ExecutionStatus.RUNNING:
            return None
        if given_up_at is None:  # whoever has ended it, or the reconciler, is to write its record
            given_up_at = time.monotonic() + _RECORD_SECONDS
        if time.monotonic() > given_up_at:
            reason = f"{name} is {status}, and nobody has recorded its end"
            raise ReleaseRefused(f"{reason}. To see what it has left: mlops doctor")
        return None

    return end


def awaited(releases: Releases, ended: Ends, timeout: float | None) -> Standing | None:
    """Show how it stands until it has ended; None where it has not after `timeout` seconds."""
    given_up_at = math.inf if timeout is None else time.monotonic() + timeout
    with Live(console=notes, transient=True, auto_refresh=False) as live:
        while True:
            found = releases.desk.status()
            standing = ended(found)
            if standing is not None or time.monotonic() >= given_up_at:
                return standing
            if notes.is_interactive:
                live.update(Text(shown(found)), refresh=True)
            time.sleep(_POLL_SECONDS)
