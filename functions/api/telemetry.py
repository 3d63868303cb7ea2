"""Structured logs: one line a request, none with a customer's id in the clear.

The line is the request's metrics, too: CloudWatch takes them out of what says `_aws`, as the
specification of its embedded metric format has it. What is written once is serialised once.
"""

import hashlib
import traceback
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from mlops.errors import MlopsError

REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID_HEADER = REQUEST_ID_HEADER.lower().encode()


class Telemetry:
    """What the API tells its operators.

    salt: of the hashes. namespace: of the metrics; none are written where it is empty.
    now: seconds since 1970.
    """

    def __init__(
        self, logger: FilteringBoundLogger, *, salt: str, namespace: str, now: Callable[[], float]
    ) -> None:
        self._logger = logger
        self._metrics = _metrics(namespace) if namespace else None
        self._now = now
        key = hashlib.blake2b(salt.encode()).digest()
        self._keyed = hashlib.blake2b(key=key, digest_size=16)

    def predicting(self, scope: Scope, *, subject: str, model_version: str) -> None:
        """Note whose prediction this request is; the id is logged as a keyed hash."""
        hashed = self._hashed(subject)
        scope["state"]["facts"].update(subject_hash=hashed, model_version=model_version)

    def predicted(self, scope: Scope, prediction: float) -> None:
        """Note the answer, as the client gets it: a release compares versions by it."""
        scope["state"]["facts"]["prediction"] = prediction

    def caller(self, scope: Scope, owner: str) -> None:
        """Note who asks; the name is logged as a keyed hash."""
        scope["state"]["facts"]["caller_hash"] = self._hashed(owner)

    def job(self, scope: Scope, job_id: str) -> None:
        """Note which job it is about; one that exists, for what was asked for may be anything."""
        scope["state"]["facts"]["job_id"] = job_id

    def request(self, facts: dict[str, object], status: int | None) -> None:
        """Write the line of a request. status: None where it never got one."""
        facts["status"] = status
        if self._metrics is not None:
            facts["errors"] = int(status is None or status >= 500)
            facts["_aws"] = {
                "Timestamp": int(self._now() * 1000),
                "CloudWatchMetrics": self._metrics,
            }
        self._logger.info("request", **facts)

    def failure(self, error: Exception, *, request_id: str) -> None:
        self._logger.error("failure", request_id=request_id, **describe_error(error))

    def not_loaded(self, model: str, error: MlopsError) -> None:
        self._logger.error("model not loaded", model=model, **describe_error(error))

    def _hashed(self, name: str) -> str:
        hashed = self._keyed.copy()
        hashed.update(name.encode())
        return hashed.hexdigest()


def _metrics(namespace: str) -> list[dict[str, object]]:
    """Which of a line's facts are metrics. The average of the errors is their share."""
    metrics = [
        {"Name": "duration_ms", "Unit": "Milliseconds"},
        {"Name": "errors", "Unit": "Count"},
    ]
    return [{"Namespace": namespace, "Dimensions": [["service"]], "Metrics": metrics}]


def describe_error(error: Exception) -> dict[str, object]:
    """Return what an error was and where. Only errors of this project may be quoted in a log."""
    return {
        "error": type(error).__qualname__,
        "reason": str(error) if isinstance(error, MlopsError) else None,
        "stack": traceback.format_tb(error.__traceback__),
    }


class RequestLog:
    """ASGI middleware that gives each request its id, and logs it when it is answered.

    A HEAD request is answered as the same GET would be, without the body.

    release: the one that answers. new_id: makes an id where Lambda gave none. clock: seconds,
    monotonic.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        telemetry: Telemetry,
        release: str,
        new_id: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self._release = release
        self._new_id = new_id
        self._clock = clock
        self._cold = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock()
        context = scope.get("aws.context")
        request_id: str = getattr(context, "aws_request_id", None) or self._new_id()
        facts: dict[str, object] = {
            "request_id": request_id,
            "method": scope["method"] or None,
            "release": self._release,
            "cold_start": self._cold,
        }
        status: int | None = None
        self._cold = False
        scope.setdefault("state", {}).update(request_id=request_id, facts=facts)
        without_body = scope["method"] == "HEAD"
        if without_body:
            scope = {**scope, "method": "GET"}  # a copy, for the server still needs the original

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((_REQUEST_ID_HEADER, request_id.encode()))
            elif without_body:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            status = 500  # whatever was sent before it broke off
            raise
        finally:
            # Not the path, which may hold a customer's id.
            facts["route"] = getattr(scope.get("route"), "path", None)
            facts["duration_ms"] = round((self._clock() - started) * 1000, 3)
            self._telemetry.request(facts, status)
