"""The bench's client asks again as soon as it was answered, and counts what it was answered."""

import asyncio
from typing import Any

from bench.load import load


def asked(status: bytes, answers: int = 1_000_000) -> dict[str, Any]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(answers):
            if not await reader.read(1000):
                break
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async def served() -> dict[str, Any]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await load(port, "/", connections=3, seconds=0.1, body=b"{}")

    return asyncio.run(served())


def test_each_connection_asks_again_and_again() -> None:
    found = asked(b"200 OK")
    assert found["per_second"] > 30
    assert 0 < found["p50_ms"] <= found["p95_ms"]
    assert found["refused"] == 0


def test_answers_that_are_no_success_are_counted() -> None:
    assert asked(b"503 Busy")["refused"] >= 3


def test_a_connection_that_is_closed_amid_it_is_counted() -> None:
    assert asked(b"200 OK", answers=5)["refused"] == 3
