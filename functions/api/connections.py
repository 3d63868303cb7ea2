"""Connections of the local server: none is kept that does nothing, and logs stay short."""

import asyncio
import errno
import sys
import time
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

SILENCE_SECONDS = 30.0
"""How long the server waits for the next bytes of a request."""

BACKLOG = 128
"""How many connections may wait to be accepted. asyncio tries to accept so many at once."""

_NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_LOG_SECONDS = 10.0


class BoundedConnection(H11Protocol):
    """Closes a connection whose client stays silent while the server waits for its request.

    uvicorn has a limit for the time between two requests only. A client that never sends its
    first request, or stops in the middle of one, would hold a file descriptor for ever.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limit_silence()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)  # cancels the timer
        self._limit_silence()

    def _limit_silence(self) -> None:
        if self.timeout_keep_alive_task is None and self._waits_for_client():
            self.timeout_keep_alive_task = self.loop.call_later(
                SILENCE_SECONDS, self.transport.abort
            )

    def _waits_for_client(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is None or cycle.more_body or cycle.response_complete


class AcceptErrors:
    """Handles errors of an event loop: one line in ten seconds when descriptors are used up.

    asyncio tries to accept as many connections as may wait, again every second, and logs a
    traceback for each one that fails.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = -float("inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _NO_RESOURCES:
            loop.default_exception_handler(context)
        elif (now := self._clock()) >= self._next:
            self._next = now + _LOG_SECONDS
            print(
                f"New connections have to wait: {error.strerror}. Close idle clients,"
                " or allow more open files: ulimit -n 4096",
                file=sys.stderr,
                flush=True,
            )
