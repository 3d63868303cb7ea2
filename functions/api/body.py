"""Read JSON bodies strictly: one value, standard JSON, no duplicate keys, limited in size.

What a body may cost is limited, too: an error takes a kilobyte of memory until it is answered, so
no more unknown fields are looked at than are shown.
"""

from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any, ClassVar, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from functions.api.errors import BodyTooLarge, UnsupportedCoding, UnsupportedMediaType
from mlops.errors import MalformedJson
from mlops.models.strict_json import parse
from mlops.models.validation import MAX_FAULTS

MAX_BODY_BYTES = 1_000_000
MAX_BRACKETS = 200_000
"""Objects and lists of a larger body, 20 for each row: each takes a hundred times its bytes."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CODINGS = frozenset({"br", "compress", "deflate", "gzip", "x-compress", "x-gzip", "zstd"})
"""Content codings that an answer may name: another one is any text that a client made up."""

Model = TypeVar("Model", bound=BaseModel)


class StrictJsonRoute(APIRoute):
    """A route whose JSON body is read here, and then validated by FastAPI.

    FastAPI itself would accept NaN and duplicate keys, and answer a body that is too large in plain
    text.
    """

    max_bytes: ClassVar[int] = MAX_BODY_BYTES

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle
        model = self.body_field.field_info.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)  # noqa: S101 -- ours all are

        async def handle_strictly(request: Request) -> Response:
            body, parsed = await _read_json(request, self.max_bytes)
            return await handle(_ParsedRequest(request, body, _bounded(parsed, model)))

        return handle_strictly


async def read_model(request: Request, model: type[Model]) -> Model:
    """Return the body as a `model`, in less time than FastAPI takes to make an argument of it.

    Raises UnsupportedMediaType, UnsupportedCoding, BodyTooLarge, MalformedJson,
    RequestValidationError.
    """
    _, parsed = await _read_json(request, MAX_BODY_BYTES)
    try:
        return model.model_validate(_bounded(parsed, model), from_attributes=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in found]
        ) from error


async def _read_json(request: Request, limit: int) -> tuple[bytes, Any]:
    """Return the body as it came, and as it was parsed."""
    _require_json(request.headers.get("content-type", ""))
    _require_plain(",".join(request.headers.getlist("content-encoding")))
    body = await read_body(request, limit)
    if len(body) > MAX_BODY_BYTES and body.count(b"{") + body.count(b"[") > MAX_BRACKETS:
        raise BodyTooLarge(f"A body may have at most {MAX_BRACKETS:,} objects and lists.")
    try:
        return body, parse(body.removeprefix(_BYTE_ORDER_MARK))
    except MalformedJson as error:
        raise MalformedJson(_kind_of(body) or str(error)) from error


def _kind_of(body: bytes) -> str | None:
    """Return what a body is that is no text in UTF-8, or None if that is not known."""
    # Imported late: most processes never see such a body.
    from mlops.models.file_kinds import HEAD, recognize

    kind = recognize(body[:HEAD])
    return f"The body is {kind}. Send JSON in UTF-8, uncompressed." if kind else None


def _bounded(parsed: Any, model: type[BaseModel]) -> Any:
    """Return the same object with all fields of the model, and with few of those it does not have.

    One unknown field more than errors are shown is left, so that the answer says there are more.
    """
    if not isinstance(parsed, dict) or len(parsed) <= len(model.model_fields) + MAX_FAULTS:
        return parsed
    unknown = (name for name in parsed if name not in model.model_fields)
    left_out = frozenset(islice(unknown, MAX_FAULTS + 1, None))
    return {name: value for name, value in parsed.items() if name not in left_out}


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body. Raises BodyTooLarge where it has more bytes than the limit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge(f"A body may have at most {limit:,} bytes.")
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
        raise UnsupportedMediaType


def _require_plain(content_encoding: str) -> None:
    codings = {coding.strip().lower() for coding in content_encoding.split(",")}
    codings -= {"", "identity"}
    if codings:
        named = ", ".join(sorted(codings)) if codings <= _CODINGS else "an unknown coding"
        raise UnsupportedCoding(
            f"The body is compressed with {named}. Send it uncompressed, without Content-Encoding."
        )
