"""Ended by a signal, a run ends what it started first."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def end_on_signals() -> None:
    """Have the first signal raise SystemExit, and no second one break off what is ended then."""
    for number in SIGNALS:
        signal.signal(number, _end)


@contextmanager
def signals_wait() -> Iterator[None]:
    """What is done meanwhile is done whole; a signal that comes is heard after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(number: int, frame: FrameType | None) -> None:
    for which in SIGNALS:
        signal.signal(which, signal.SIG_IGN)
    print("Ending what was started ...", file=sys.stderr, flush=True)
    sys.exit(128 + number)
