"""Connections of the local server: a silent client is disconnected, a slow answer is not."""

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from functions.api import connections
from functions.api.connections import AcceptErrors, BoundedConnection
from functions.api.supervisor import bind
from tests.project.files import ROOT

SILENCE = 1.0
HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body, longer after a request came than a client may be silent."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    await asyncio.sleep(1.5 * SILENCE)
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("limit", ["SILENCE_SECONDS", "HEAD_SECONDS", "BODY_SECONDS"])
def test_the_documents_tell_how_slow_a_client_may_be(limit: str) -> None:
    assert f"{getattr(connections, limit):g} seconds" in (ROOT / "docs/api.md").read_text()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    monkeypatch.setattr(connections, "SILENCE_SECONDS", SILENCE)
    config = uvicorn.Config(
        echo, http=BoundedConnection, lifespan="off", log_level="error", timeout_keep_alive=60
    )
    server = uvicorn.Server(config)
    with bind("127.0.0.1", 0) as bound:
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield server
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def client(server: uvicorn.Server) -> Iterator[socket.socket]:
    address = server.servers[0].sockets[0].getsockname()
    with socket.create_connection(address, timeout=60) as client:
        yield client


def receive_answer(client: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\r\n\r\nbody"):
        block = client.recv(1000)
        assert block, f"the connection was closed after {received!r}"
        received += block
    return received


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1000) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [b"", HEAD[:20], HEAD, HEAD + b"bo"])
def test_a_client_that_stops_sending_is_disconnected(
    server: uvicorn.Server, client: socket.socket, sent: bytes
) -> None:
    client.sendall(sent)
    began = time.monotonic()
    assert is_closed(client)
    assert time.monotonic() - began > SILENCE / 2
    assert not server.server_state.connections


def test_a_client_that_stops_in_its_second_request_is_disconnected(client: socket.socket) -> None:
    client.sendall(HEAD + b"body")
    receive_answer(client)
    client.sendall(HEAD[:20])
    assert is_closed(client)


def test_a_client_that_sends_slowly_is_answered(client: socket.socket) -> None:
    for byte in HEAD[:12]:
        client.sendall(bytes([byte]))
        time.sleep(SILENCE / 8)
    client.sendall(HEAD[12:] + b"body")
    assert receive_answer(client).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("sent", "rest"),
    [(b"", HEAD), (HEAD.replace(b"Length: 4", b"Length: 400"), b"b" * 400)],
    ids=["head", "body"],
)
def test_a_client_that_sends_a_byte_now_and_then_is_disconnected_in_the_end(
    server: uvicorn.Server,
    client: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    sent: bytes,
    rest: bytes,
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 2 * SILENCE)
    monkeypatch.setattr(connections, "BODY_SECONDS", 3 * SILENCE)
    client.sendall(HEAD + b"body")  # the limit of this request ends with it
    receive_answer(client)
    client.sendall(sent)
    began = time.monotonic()
    with suppress(ConnectionError):
        for byte in rest:
            client.sendall(bytes([byte]))
            time.sleep(SILENCE / 4)
    assert SILENCE < time.monotonic() - began < len(rest) * SILENCE / 4
    assert not server.server_state.connections


def test_an_answer_may_take_longer_than_a_client_may_be_silent(client: socket.socket) -> None:
    for _ in range(2):  # the second over the same connection
        client.sendall(HEAD + b"body")
        assert receive_answer(client).startswith(b"HTTP/1.1 200 OK")


class Loop(asyncio.SelectorEventLoop):
    """Notes what reaches asyncio's own handler."""

    def __init__(self) -> None:
        super().__init__()
        self.reported: list[dict[str, Any]] = []

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.reported.append(context)


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_used_up_descriptors_are_one_line_in_ten_seconds(
    loop: Loop, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    now = 0.0
    handler = AcceptErrors(lambda: now)
    for _ in range(2000):
        handler(loop, {"message": "socket.accept()", "exception": OSError(number, "None left")})
    assert capsys.readouterr().err == (
        "New connections have to wait: None left. Close idle clients,"
        " or allow more open files: ulimit -n 4096\n"
    )
    now = 10.0
    handler(loop, {"message": "socket.accept()", "exception": OSError(number, "None left")})
    assert capsys.readouterr().err != ""
    assert loop.reported == []


@pytest.mark.parametrize("error", [OSError(errno.EPIPE, "gone"), ValueError(), None])
def test_any_other_error_of_the_loop_is_reported_as_usual(
    loop: Loop, capsys: pytest.CaptureFixture[str], error: Exception | None
) -> None:
    context = {"message": "what happened", "exception": error}
    AcceptErrors()(loop, context)
    assert loop.reported == [context]
    assert capsys.readouterr().err == ""


def test_a_server_that_stops_while_descriptors_are_used_up_logs_no_traceback(
    loop: Loop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncio tries to accept again after a second, which is shortened here."""

    class Exhausted(socket.socket):
        def accept(self) -> Any:
            raise OSError(errno.EMFILE, "None left")

    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.1)
    loop.set_exception_handler(AcceptErrors())

    async def serve() -> None:
        with Exhausted() as listening:
            listening.bind(("127.0.0.1", 0))
            server = await loop.create_server(asyncio.Protocol, sock=listening, backlog=10)
            with socket.create_connection(listening.getsockname()):
                await asyncio.sleep(0.05)
            server.close()
        await asyncio.sleep(0.3)

    loop.run_until_complete(serve())
    assert loop.reported == []
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_port_that_another_server_has_bound_is_refused_before_that_one_accepts() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(
            SystemExit, match=f"^Port {port} cannot be used .Address already in use"
        ):
            bind("127.0.0.1", port)
