"""A queue in a folder: durable, and safe for several processes on one machine.

A message is one file, and its state is the file's name, so every step is one rename:

    messages/<visible at, ms>-<number>-<id>-<receives>.json    waits, or is being worked on
    dead/<id>.json                                             was received too often

Receiving a message renames it to be invisible for a while. Of several processes that try, one
finds the old name. Should the one that got it die, the message is visible again later.

The clock may be set back. No message is invisible for longer than a receiver asks for, and one
that was never received is visible at once; so a later time in a name is that of another clock.
"""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mlops.local.files import store_error

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_SUFFIX = ".json"
MAX_RECEIVES = 3


@dataclass(frozen=True)
class Message:
    """One delivery.

    receives: how often the message was received, this time included.
    receipt: names this delivery; without effect once the message was received again.
    """

    message_id: str
    body: str
    receives: int
    receipt: str


@dataclass(frozen=True)
class _Name:
    """visible_at: milliseconds since 1970. number: place among those that were sent with it."""

    visible_at: int
    number: int
    message_id: str
    receives: int

    def __str__(self) -> str:
        # With leading zeros, so that the order of names is the order of messages.
        return f"{self.visible_at:015}-{self.number:06}-{self.message_id}-{self.receives}{_SUFFIX}"

    @classmethod
    def parse(cls, text: str) -> "_Name | None":
        parts = text.removesuffix(_SUFFIX).split("-")
        try:
            visible_at, number, message_id, receives = parts
            return cls(int(visible_at), int(number), message_id, int(receives))
        except ValueError:
            return None  # somebody else's file


class FolderQueue:
    """Implements `Queue`, and is its receiving end too.

    now: aware. max_receives: a message that was received so often is given up.
    Every method raises StoreUnavailable where the folder cannot be used.
    """

    def __init__(
        self, root: Path, now: Callable[[], datetime], max_receives: int = MAX_RECEIVES
    ) -> None:
        self._messages = root / "messages"
        self._dead = root / "dead"
        self._now = now
        self._max_receives = max_receives

    def send(self, bodies: Sequence[str], owner: str) -> None:
        visible_at = self._milliseconds(0)
        with self._usable():
            self._messages.mkdir(parents=True, exist_ok=True)
            for number, body in enumerate(bodies):
                name = _Name(visible_at, number, uuid.uuid4().hex, 0)
                self._write(body, self._path(name))

    def receive(self, most: int, visibility_seconds: float) -> Sequence[Message]:
        """Take up to `most` messages; for so long, nobody else is given them."""
        received: list[Message] = []
        with self._usable():
            for name in self._visible(visibility_seconds):
                if len(received) == most:
                    break
                if name.receives >= self._max_receives:
                    self._give_up(name)
                elif (message := self._take(name, visibility_seconds)) is not None:
                    received.append(message)
        return received

    def delete(self, receipt: str) -> None:
        """Delete a message whose work is done, unless it was received again since."""
        with self._usable():
            (self._messages / receipt).unlink(missing_ok=True)

    def release(self, receipt: str, seconds: float) -> None:
        """Let the message be received again in so many seconds."""
        name = _Name.parse(receipt)
        if name is not None:
            with self._usable():
                self._rename(name, self._path(self._hidden(name, seconds, name.receives)))

    def _visible(self, visibility_seconds: float) -> Iterator[_Name]:
        try:
            found = sorted(path.name for path in self._messages.iterdir())
        except FileNotFoundError:  # nothing was ever sent
            return
        # Read after the listing, so that none of its names has a time after `latest`.
        now, latest = self._milliseconds(0), self._milliseconds(visibility_seconds)
        for text in found:
            name = _Name.parse(text)
            if name is not None and (
                name.visible_at <= now or name.receives == 0 or name.visible_at > latest
            ):
                yield name

    def _take(self, name: _Name, visibility_seconds: float) -> Message | None:
        taken = self._hidden(name, visibility_seconds, name.receives + 1)
        if not self._rename(name, self._path(taken)):
            return None
        try:
            # Whatever it holds, its reader has to say so: here it would come back for ever.
            body = self._path(taken).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:  # this process slept, and somebody else was given it
            return None
        return Message(name.message_id, body, taken.receives, str(taken))

    def _give_up(self, name: _Name) -> None:
        self._dead.mkdir(exist_ok=True)
        self._rename(name, self._dead / f"{name.message_id}{_SUFFIX}")

    def _rename(self, name: _Name, target: Path) -> bool:
        """Whether this process was the one that did it."""
        try:
            self._path(name).rename(target)
        except FileNotFoundError:
            return False
        return True

    def _path(self, name: _Name) -> Path:
        return self._messages / str(name)

    def _hidden(self, name: _Name, seconds: float, receives: int) -> _Name:
        return _Name(self._milliseconds(seconds), name.number, name.message_id, receives)

    def _milliseconds(self, later_seconds: float) -> int:
        return (self._now() + timedelta(seconds=later_seconds) - _EPOCH) // _MILLISECOND

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(str(self._messages), error) from error

    def _write(self, body: str, target: Path) -> None:
        """All of it appears at once, and stays."""
        handle, name = tempfile.mkstemp(prefix=".", dir=self._messages)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)
