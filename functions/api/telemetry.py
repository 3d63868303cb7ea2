"""Structured logs: one line a request, none with a customer's id in the clear."""

import hashlib
from collections.abc import Callable

from aws_lambda_powertools import Logger
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID_HEADER = b"x-request-id"


class Telemetry:
    """What the API tells its operators."""

    def __init__(self, logger: Logger, salt: str) -> None:
        self._logger = logger
        self._salt = hashlib.blake2b(salt.encode()).digest()

    def predicted(self, scope: Scope, *, subject: str, model_version: str) -> None:
        """Note whose prediction this request was; the id is logged as a keyed hash."""
        hashed = hashlib.blake2b(subject.encode(), key=self._salt, digest_size=16).hexdigest()
        scope["state"]["facts"].update(subject_hash=hashed, model_version=model_version)

    def request(self, facts: dict[str, object]) -> None:
        self._logger.info("request", extra=facts)

    def failure(self, error: Exception) -> None:
        self._logger.error("failure", exc_info=error)

    def not_loaded(self, model: str, error: Exception) -> None:
        self._logger.error("model not loaded", extra={"model": model}, exc_info=error)


class RequestLog:
    """ASGI middleware: gives each request its id, and logs it when it is answered.

    new_id: makes an id where neither Lambda nor the client gave one. clock: seconds, monotonic.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        telemetry: Telemetry,
        new_id: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self._new_id = new_id
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock()
        context = scope.get("aws.context")
        request_id: str = getattr(context, "aws_request_id", None) or self._new_id()
        facts: dict[str, object] = {
            "request_id": request_id,
            "method": scope["method"],
            "path": scope["path"],
        }
        scope.setdefault("state", {}).update(request_id=request_id, facts=facts)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts["status"] = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (REQUEST_ID_HEADER, request_id.encode("ascii")),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            facts["duration_ms"] = round((self._clock() - started) * 1000, 3)
            self._telemetry.request(facts)
