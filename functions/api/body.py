"""JSON bodies, read strictly: one value, standard JSON, no duplicate keys, bounded in size."""

import re
from collections.abc import Callable, Coroutine
from typing import Any

import jiter
from fastapi import Request, Response
from fastapi.routing import APIRoute

MAX_BODY_BYTES = 1_000_000
MAX_NAME = 64
"""Characters of a field's name that an answer repeats."""

_LONG_KEY = re.compile(rf'("[^"]{{{MAX_NAME}}}).*"', re.DOTALL)


class MalformedJson(Exception):
    pass


class BodyTooLarge(Exception):
    pass


class UnsupportedMediaType(Exception):
    pass


class StrictJsonRoute(APIRoute):
    """A route whose JSON body FastAPI validates, but does not read.

    FastAPI's own reading takes NaN and duplicate keys, and its body limit answers in plain text.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_strictly(request: Request) -> Response:
            _require_json(request.headers.get("content-type", ""))
            body = await _read(request)
            return await handle(_ParsedRequest(request, body, _parse(body)))

        return handle_strictly


class _ParsedRequest(Request):
    def __init__(self, request: Request, body: bytes, parsed: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._content = body
        self._parsed = parsed

    async def body(self) -> bytes:
        return self._content

    async def json(self) -> Any:
        return self._parsed


def _require_json(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("Send it with Content-Type: application/json.")


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"At most {MAX_BODY_BYTES:,} bytes are taken.")
    return bytes(body)


def _parse(body: bytes) -> Any:
    try:
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        # jiter quotes a duplicate key, however long it is.
        raise MalformedJson(_LONG_KEY.sub(r'\1"', str(error))) from error
