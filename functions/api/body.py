"""JSON bodies, read strictly: one value, standard JSON, no duplicate keys, bounded in size."""

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from functions.api.errors import BodyTooLarge, UnsupportedMediaType
from mlops.models.strict_json import parse

MAX_BODY_BYTES = 1_000_000

Model = TypeVar("Model", bound=BaseModel)


class StrictJsonRoute(APIRoute):
    """A route whose JSON body FastAPI validates, but does not read.

    FastAPI's own reading takes NaN and duplicate keys, and its body limit answers in plain text.
    """

    max_bytes: ClassVar[int] = MAX_BODY_BYTES

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_strictly(request: Request) -> Response:
            body, parsed = await _read_json(request, self.max_bytes)
            return await handle(_ParsedRequest(request, body, parsed))

        return handle_strictly


async def read_model(request: Request, model: type[Model]) -> Model:
    """The body as a `model`. To let FastAPI make an argument of it is a tenth of a prediction.

    Raises UnsupportedMediaType, BodyTooLarge, MalformedJson, RequestValidationError.
    """
    _, parsed = await _read_json(request, MAX_BODY_BYTES)
    try:
        return model.model_validate(parsed, from_attributes=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in found]
        ) from error


async def _read_json(request: Request, limit: int) -> tuple[bytes, Any]:
    """The body as it came, and as it was parsed."""
    _require_json(request.headers.get("content-type", ""))
    body = await read_body(request, limit)
    return body, parse(body)


async def read_body(request: Request, limit: int) -> bytes:
    """Raises BodyTooLarge above so many bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge(f"At most {limit:,} bytes are taken.")
    return bytes(body)


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
