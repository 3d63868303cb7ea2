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

HEAD_SECONDS = 60.0
"""How long a request's head may take, however often a few bytes of it come."""

BODY_SECONDS = 600.0
"""How long a request's body may take: the largest input file, over a slow network."""

BACKLOG = 128
"""How many connections may wait to be accepted. asyncio tries to accept so many at once."""

_NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_LOG_SECONDS = 10.0


class BoundedConnection(H11Protocol):
    """Closes a connection whose client sends its request too slowly, or not at all.

    uvicorn has a limit for the time between two requests only. A client that never sends its
    first request, or stops in the middle of one, would hold a file descriptor for ever. So would
    one that sends a byte now and then.
    """

    _limit: float | None = None
    _limit_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limit_silence()
        self._limit_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)  # cancels the timer of the silence
        self._limit_silence()
        self._limit_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._set_limit(None)

    def _limit_request(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if not self._waits_for_client():
            self._set_limit(None)
        elif cycle is not None and cycle.more_body:
            self._set_limit(BODY_SECONDS)
        else:
            self._set_limit(HEAD_SECONDS)

    def _set_limit(self, seconds: float | None) -> None:
        """Start the timer of the head or body, unless it runs already; None stops it."""
        if seconds == self._limit:
            return
        if self._limit_timer is not None:
            self._limit_timer.cancel()
        self._limit = seconds
        self._limit_timer = (
            None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
        )

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
    traceback for each one that fails. If the server stops meanwhile, each of these tries fails
    because its socket is closed; that is no error.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = -float("inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, ValueError) and "_start_serving" in context["message"]:
            return
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
