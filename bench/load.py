"""A client of one server: so many connections, each asks again as soon as it was answered.

    python -m bench.load PORT PATH CONNECTIONS SECONDS <BODY

Its own few lines, because what can be measured of a server that answers 4,000 times a second on one
processor ends where the client does; the libraries of Python end before it.
"""

import asyncio
import json
import statistics
import sys
import time
from functools import partial
from typing import Any


class Connection(asyncio.Protocol):
    """HTTP/1.1, kept alive, one request after the other."""

    def __init__(self, request: bytes, until: float, done: "asyncio.Future[None]") -> None:
        self.seconds: list[float] = []
        self.refused = 0
        self._request = request
        self._until = until
        self._done = done
        self._received = bytearray()
        self._started = 0.0
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not is_whole(self._received):
            return
        now = time.perf_counter()
        self.seconds.append(now - self._started)
        self.refused += not self._received.startswith(b"HTTP/1.1 200")
        if now < self._until:
            self._ask()
        else:
            self._ended = True
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.refused += not self._ended  # the request that was under way is lost
        if not self._done.done():
            self._done.set_result(None)

    def _ask(self) -> None:
        self._received.clear()
        self._started = time.perf_counter()
        self._transport.write(self._request)


def is_whole(answer: bytes | bytearray) -> bool:
    head, separator, body = bytes(answer).partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
    return body.endswith(b"0\r\n\r\n")  # in chunks, then


def request(port: int, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def load(
    port: int, path: str, connections: int, seconds: float, body: bytes
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    asked = request(port, path, body)
    started = time.perf_counter()
    opened = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        made = partial(Connection, asked, started + seconds, done)
        _, connection = await loop.create_connection(made, "127.0.0.1", port)
        opened.append((connection, done))
    await asyncio.gather(*(done for _, done in opened))
    took = time.perf_counter() - started
    answered = sorted(second for connection, _ in opened for second in connection.seconds)
    return {
        "per_second": len(answered) / took,
        "p50_ms": statistics.median(answered) * 1000,
        "p95_ms": answered[int(len(answered) * 0.95)] * 1000,
        "refused": sum(connection.refused for connection, _ in opened),
    }


if __name__ == "__main__":
    port, path, connections, seconds = sys.argv[1:]
    found = load(int(port), path, int(connections), float(seconds), sys.stdin.buffer.read())
    print(json.dumps(asyncio.run(found)))
