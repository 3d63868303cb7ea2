"""The parent process of `make run`: it keeps one server running, with current code and models."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn
from uvicorn._subprocess import get_subprocess
from uvicorn.supervisors.statreload import StatReload

from functions.api.connections import BACKLOG
from mlops.errors import MlopsError

_STOP_SECONDS = 20
"""How long the server may take to stop: its last answers, then the batch worker's last task."""

_PAUSE_SECONDS = 1.0
"""The pause before a killed server is started again, in case it is killed again and again."""


class NewestPins:
    """The newest registered version of each model, read again every few seconds.

    pins: the last ones that could be read. A registry that cannot be read for a while, or that is
    empty, does not take models away from a running server.
    """

    def __init__(self, read: Callable[[], str], pins: str, seconds: float) -> None:
        self.pins = pins
        self._read = read
        self._seconds = seconds

    def watch(self) -> None:
        """Keep `pins` up to date in a thread that ends with the process."""
        threading.Thread(target=self._keep_reading, daemon=True).start()

    def refresh(self) -> None:
        with suppress(MlopsError):
            self.pins = self._read() or self.pins

    def _keep_reading(self) -> None:
        while True:
            time.sleep(self._seconds)
            self.refresh()


class Supervisor(StatReload):
    """Restarts the server when its code or the newest versions change, and when it was killed.

    The socket is bound here and handed to the server, so that no request is refused during a
    restart. A server that fails to start takes no requests: then the socket is closed, because
    otherwise the system would accept connections that nobody answers.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        bind: Callable[[], socket.socket],
        newest: NewestPins | None,
    ) -> None:
        super().__init__(config, target=uvicorn.Server(config).run, sockets=[bind()])
        self._bind = bind
        self._newest = newest

    def should_restart(self) -> list[Path] | None:
        changed = super().should_restart()
        if changed or self.should_exit.is_set():
            return changed
        if self._newest is not None and self._newest.pins != os.environ["MLOPS_PINS"]:
            os.environ["MLOPS_PINS"] = self._newest.pins
            print(f"Serving {self._newest.pins}", flush=True)
            self.restart()
        elif (code := self.process.exitcode) is not None:
            self._replace_ended(code)
        return None

    def restart(self) -> None:
        self._stop()
        self.mtimes = {}
        if not self.sockets:
            self.sockets = [self._bind()]
        self.process = get_subprocess(self.config, self.target, self.sockets)
        self.process.start()

    def shutdown(self) -> None:
        self._stop()
        self._close_sockets()

    def _replace_ended(self, exit_code: int) -> None:
        if exit_code < 0:
            name = signal.Signals(-exit_code).name
            print(f"The server was ended by {name}. It is started again.", file=sys.stderr)
            if not self.should_exit.wait(_PAUSE_SECONDS):
                self.restart()
        elif self.sockets:
            self._close_sockets()
            print(
                f"The server has ended with exit code {exit_code}; the reason is above."
                " It is started again when the code or a registered version changes.",
                file=sys.stderr,
            )

    def _stop(self) -> None:
        self.process.terminate()
        self.process.join(_STOP_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()

    def _close_sockets(self) -> None:
        for bound in self.sockets:
            bound.close()
        self.sockets = []


def bind(host: str, port: int) -> socket.socket:
    """Bind the socket that the servers accept connections from, one after the other.

    It listens at once: until then, Linux lets another process bind the same port.

    uvicorn writes an answer's head and body separately. On a socket that was handed to another
    process, asyncio does not ask for small packets to be sent at once. Then the body waits until
    the client has acknowledged the head, which takes 40 ms on a connection that is used again.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        # Accepted connections inherit it.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        other = port + 1 if port < 65535 else port - 1
        sys.exit(f"Port {port} cannot be used ({error.strerror}): make run PORT={other}")
    bound.set_inheritable(True)
    return bound
