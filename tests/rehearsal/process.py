"""Servers that a test starts and ends: by their own process, and nobody else's."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

START_SECONDS = 60
END_SECONDS = 30
LOG_CHARACTERS = 8_000


@dataclass(frozen=True)
class Server:
    process: "subprocess.Popen[bytes]"
    log: Path

    def tail(self) -> str:
        return f"The end of {self.log.name}:\n{self.log.read_text()[-LOG_CHARACTERS:]}"


def free_ports(number: int) -> list[int]:
    """All are held until all are found, or the same would be found twice."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def serving(
    command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str], ready: str
) -> Iterator[Server]:
    """Start a server in the folder of its log; yield when the URL `ready` answers 200."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, log)
    try:
        _wait(server, ready)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(END_SECONDS)


def _wait(server: Server, ready: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.process.poll() is None, f"It ended at once. {server.tail()}"
        try:
            if httpx2.get(ready, timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{ready} does not answer. {server.tail()}")
