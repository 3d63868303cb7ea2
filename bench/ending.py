"""Ended by a signal, a run ends what it started first."""

import signal
import sys
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def end_on_signals() -> None:
    """Have the first signal raise SystemExit, and no second one break off what is ended then."""
    for number in SIGNALS:
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    for which in SIGNALS:
        signal.signal(which, signal.SIG_IGN)
    print("Ending what was started ...", file=sys.stderr, flush=True)
    sys.exit(128 + number)
