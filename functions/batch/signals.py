"""Signals that end a process: noted when they come, and looked for between two messages."""

import signal
import time
from types import FrameType


class Signals:
    """Takes no lock: Python calls `_note` between any two steps, of one that holds it, too."""

    def __init__(self) -> None:
        self._noted: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)

    def came(self) -> bool:
        return bool(self._noted)

    def rest(self, seconds: float) -> None:
        if not self.came():
            time.sleep(seconds)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._noted.append(number)
