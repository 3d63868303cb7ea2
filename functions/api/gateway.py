"""Answer events of API Gateway's HTTP API with the application.

Lambda counts a handler that raises as a crash, and enough crashes roll a canary back. So nothing
that a caller sends may raise: an event is read once, here, and what cannot be read becomes a
request that the application refuses and logs like any other.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from mangum import Mangum
from mangum.handlers import HTTPGateway
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.api.errors import CallerUnknown, RequestUnreadable
from functions.api.problems import INTERNAL, MEDIA_TYPE, REFUSAL, TYPE_PREFIX
from functions.api.telemetry import REQUEST_ID_HEADER, describe_error
from mlops.bootstrap.logs import open_logger

if TYPE_CHECKING:
    from mangum.types import ASGI, LambdaConfig

Handler = Callable[[object, object], dict[str, Any]]

_TEXT_TYPES = ["application/json", MEDIA_TYPE, "text/"]
_METHOD_CHARACTERS = 16
_INCOMPLETE = "A part of the request is missing or has the wrong type."

Wanted = TypeVar("Wanted")


def behind_gateway(app: ASGIApp) -> Handler:
    """Return Lambda's handler for an application."""
    # Mangum asks asyncio for the thread's current loop. Python makes one for the asking no more:
    # 3.12 warns, 3.14 fails.
    asyncio.set_event_loop(_loop())
    # It logs each path, which may hold a customer's id. The application has a line of its own.
    logging.getLogger("mangum.http").disabled = True
    adapter: Callable[[Any, Any], dict[str, Any]] = Mangum(
        _answer_whole(app),
        lifespan="off",  # Mangum would run it around every single invocation
        custom_handlers=[_Request],
        text_mime_types=_TEXT_TYPES,
    )

    def handle(event: object, context: object) -> dict[str, Any]:
        """Return the application's answer to an event; raise nothing."""
        try:
            return adapter(event, context)
        except Exception as error:  # Mangum got no answer, or one that it cannot write.
            answer = _internal_error(context)
            with suppress(Exception):  # where even the log cannot be written
                _log_failure(error, answer)
            return answer

    return handle


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return the one loop of this process: a loop that is replaced is left unclosed."""
    return asyncio.new_event_loop()


class _Request(HTTPGateway):
    """An event as the request that it stands for, or as one that is refused.

    The host, the forwarded headers and cookies are not interpreted: nothing in the application
    depends on them, so none of them can be wrong.
    """

    @classmethod
    def infer(cls, event: object, context: object, config: "LambdaConfig") -> bool:
        """Tell Mangum to try no reader of its own, whatever the event is."""
        return True

    def __init__(self, event: Any, context: Any, config: "LambdaConfig") -> None:
        # Mangum looks at the event again when it writes the answer.
        super().__init__({"version": "2.0"}, context, config)
        self._body = b""
        self._scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "http_version": "1.1",
            "scheme": "https",
            "root_path": "",
            "server": None,
            "client": None,
            "aws.event": self.event,
            "aws.context": context,
        }
        try:
            request, self._body = _read(event)
            self._scope |= {**request, "aws.event": event}
        except Exception as error:  # whichever it is, the application answers and logs it
            self._scope |= {
                **{"method": "", "path": "/", "query_string": b"", "headers": []},
                REFUSAL: error,
            }

    @property
    def scope(self) -> Any:
        return self._scope

    @property
    def body(self) -> bytes:
        return self._body


def _read(event: object) -> tuple[Scope, bytes]:
    """Return an event's request as ASGI describes it, and its body.

    Raises:
        RequestUnreadable: the event is none that API Gateway makes of a request.
        CallerUnknown: the event is another gateway's, whose authorizers are not known here.
    """
    fields = _require(dict, event)
    context = _require(dict, fields.get("requestContext"))
    if fields.get("version") != "2.0":
        raise CallerUnknown("Call the API at its own URL: this request came by another gateway.")
    http = _require(dict, context.get("http"))
    headers = _require(dict, fields.get("headers") or {})
    try:  # What can be encoded is a text, and one without lone surrogates.
        request = {
            "method": http["method"],
            "path": unquote(http["path"].encode().decode()) or "/",
            "raw_path": None,
            "query_string": (fields.get("rawQueryString") or "").encode(),
            "headers": [[name.lower().encode(), headers[name].encode()] for name in headers],
        }
        body: bytes = (fields.get("body") or "").encode()
    except (AttributeError, KeyError) as error:
        raise RequestUnreadable(_INCOMPLETE) from error
    except UnicodeEncodeError as error:
        raise RequestUnreadable("The request has a text that is not valid Unicode.") from error
    method = _require(str, http["method"])
    if not (method.isascii() and method.isalpha() and len(method) <= _METHOD_CHARACTERS):
        raise RequestUnreadable("The method is not a method of HTTP.")
    if _require(bool, fields.get("isBase64Encoded") or False):
        try:
            body = base64.b64decode(body, validate=True)
        except ValueError as error:
            raise RequestUnreadable("The body is not valid base64.") from error
    return request, body


def _require(kind: type[Wanted], value: object) -> Wanted:
    """Return a part of an event. Raises RequestUnreadable where it is of another type."""
    if not isinstance(value, kind):
        raise RequestUnreadable(_INCOMPLETE)
    return value


def _answer_whole(app: ASGIApp) -> "ASGI":
    """Return an application that sends the whole of an answer, or a 500 for one that broke off."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        try:
            await app(scope, receive, collect)
        except Exception:  # The application has logged it; Mangum would again, with all it says.
            whole = _internal_error(scope["aws.context"])
            headers = [(name.encode(), text.encode()) for name, text in whole["headers"].items()]
            messages = [
                {"type": "http.response.start", "status": INTERNAL.status, "headers": headers},
                {"type": "http.response.body", "body": whole["body"].encode()},
            ]
        for message in messages:
            await send(message)

    return answer


def _log_failure(error: Exception, answer: dict[str, Any]) -> None:
    request_id = answer["headers"][REQUEST_ID_HEADER.lower()]
    open_logger("api").error("failure", request_id=request_id, **describe_error(error))


def _internal_error(context: object) -> dict[str, Any]:
    """Return the answer where the application has none."""
    request_id = str(getattr(context, "aws_request_id", "unknown"))
    problem = {
        "type": TYPE_PREFIX + INTERNAL.slug,
        "title": INTERNAL.title,
        "status": INTERNAL.status,
        "detail": INTERNAL.detail,
        "request_id": request_id,
    }
    return {
        "statusCode": INTERNAL.status,
        "headers": {"content-type": MEDIA_TYPE, REQUEST_ID_HEADER.lower(): request_id},
        "body": json.dumps(problem),
        "isBase64Encoded": False,
    }
