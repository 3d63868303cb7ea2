"""What puts an application behind Lambda."""

import asyncio
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI, Request

from functions.api.gateway import behind_gateway
from tests.conftest import ROOT

START = "from fastapi import FastAPI; from functions.api.gateway import behind_gateway as it"
EVENT = {
    "version": "2.0",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": "192.0.2.1"}},
    "isBase64Encoded": False,
}


def test_a_start_warns_of_nothing() -> None:
    """Python 3.12 and later warn of asking for a loop that is not there."""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{START}; it(FastAPI())"],
        cwd=ROOT,
        check=True,
        timeout=60,
    )


def test_an_event_is_read_once() -> None:
    class Headers(dict[str, str]):
        read = 0

        def items(self) -> Any:
            self.read += 1
            return super().items()

    async def heard(request: Request) -> str:
        return request.headers["x-said"]

    headers = Headers({"X-Said": "this"})
    app = FastAPI()
    app.get("/")(heard)
    handler: Any = behind_gateway(app)
    answer = handler(EVENT | {"headers": headers}, SimpleNamespace())
    assert (answer["body"], headers.read) == ('"this"', 1)


def test_one_loop_serves_the_whole_process() -> None:
    async def loop() -> str:
        return hex(id(asyncio.get_running_loop()))

    app = FastAPI()
    app.get("/")(loop)
    handlers: list[Any] = []
    answers = []
    for _ in range(2):
        asyncio.set_event_loop(None)  # as every asyncio.run() leaves it behind
        handlers.append(behind_gateway(app))
        answers += [each(EVENT, SimpleNamespace())["body"] for each in handlers]
    assert len(set(answers)) == 1
