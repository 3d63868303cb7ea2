"""Structured logs: one line for each request, none with a customer's id in the clear.

The line is also the request's metrics: CloudWatch reads them from the member `_aws`, as its
embedded metric format specifies. So everything is serialised once.
"""

import hashlib
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from mlops.errors import MlopsError

REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID_HEADER = REQUEST_ID_HEADER.lower().encode()
_HEALTH_CHECKS = frozenset({"/healthz", "/readyz"})


class Telemetry:
    """Tells the operators what the API does, in log lines and metrics.

    Args:
        key: The secret key of the hashes.
        namespace: The namespace of the metrics; if it is empty, none are written.
        now: Returns seconds since 1970.
    """

    def __init__(
        self,
        logger: FilteringBoundLogger,
        *,
        key: str,
        namespace: str,
        now: Callable[[], float],
    ) -> None:
        self._logger = logger
        self._namespace = namespace
        self._now = now
        self._hash = IdHash(key, now)

    def asked(self, scope: Scope, model: str) -> None:
        """Note the model that the request is for, whatever becomes of the request."""
        scope["state"]["facts"]["model"] = model

    def predicting(self, scope: Scope, *, model_version: str, subject: str | None) -> None:
        """Note what predicts, and for whom; the id is logged as a keyed hash."""
        facts = scope["state"]["facts"]
        if subject is not None:
            facts["subject_hash"] = self._hash(subject)
        facts["model_version"] = model_version

    def predicted(self, scope: Scope, prediction: float) -> None:
        """Note the answer as the client gets it; a release compares versions by it."""
        scope["state"]["facts"]["prediction"] = prediction

    def caller(self, scope: Scope, owner: str) -> None:
        """Note who sent the request; the name is logged as a keyed hash."""
        scope["state"]["facts"]["caller_hash"] = self._hash(owner)

    def job(self, scope: Scope, job_id: str) -> None:
        """Note the job that the request is about. Only pass ids of jobs that exist."""
        scope["state"]["facts"]["job_id"] = job_id

    def request(self, facts: dict[str, object], status: int | None) -> None:
        """Write the line of a request. status: None if the request never got one."""
        facts["status"] = status
        if self._namespace:
            self._measure(facts, failed=status is None or status >= 500)
        self._logger.info("request", **facts)

    def _measure(self, facts: dict[str, object], *, failed: bool) -> None:
        """Add what makes the line a metric, unless it is a health check's.

        Predictions are counted apart, so that other requests do not hide their errors. A request
        that failed before its route was found counts as a prediction: it may have been one.
        """
        route = facts.get("route")
        if route in _HEALTH_CHECKS:
            return
        is_prediction = failed if route is None else "model" in facts
        facts["kind"] = "prediction" if is_prediction else "other"
        facts["errors"] = int(failed)
        directive = {
            "Namespace": self._namespace,
            "Dimensions": _MODEL_DIMENSIONS if "model" in facts else _DIMENSIONS,
            "Metrics": _PREDICTION_METRICS if is_prediction else _OTHER_METRICS,
        }
        facts["_aws"] = {
            "Timestamp": int(self._now() * 1000),
            "CloudWatchMetrics": [directive],
        }

    def failure(self, error: Exception, *, request_id: str) -> None:
        self._logger.error("failure", request_id=request_id, **describe_error(error))

    def not_loaded(self, model: str, error: MlopsError) -> None:
        self._logger.error("model not loaded", model=model, **describe_error(error))


# CloudWatch bills each name and combination of dimensions. `errors` is 0 or 1, so its sum counts
# errors, its number of samples counts requests, and its average is the share of errors.
_DIMENSIONS = [["service", "kind"]]
_MODEL_DIMENSIONS = [*_DIMENSIONS, ["service", "kind", "model"]]
_OTHER_METRICS = [{"Name": "errors", "Unit": "Count"}]
_PREDICTION_METRICS = [{"Name": "duration_ms", "Unit": "Milliseconds"}, *_OTHER_METRICS]


class IdHash:
    """Hash ids with a key that is derived from a secret for each month (UTC).

    Within a month the same id gives the same hash. Hashes of different months cannot be linked, and
    no hash can be traced back by trying all ids, unless one has the secret.

    Args:
        secret: A text that nobody can guess.
        now: Returns seconds since 1970.
    """

    def __init__(self, secret: str, now: Callable[[], float]) -> None:
        self._root = hashlib.blake2b(secret.encode()).digest()
        self._now = now
        self._start_month()

    def __call__(self, name: str) -> str:
        if self._now() >= self._end:
            self._start_month()
        hashed = self._keyed.copy()
        hashed.update(name.encode())
        return hashed.hexdigest()

    def _start_month(self) -> None:
        month = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m")
        key = hashlib.blake2b(month.encode(), key=self._root).digest()
        self._keyed = hashlib.blake2b(key=key, digest_size=16)
        year, number = map(int, month.split("-"))
        following = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
        self._end = following.timestamp()


def describe_error(error: Exception) -> dict[str, object]:
    """Return an error's type and stack, and its text only if it is one of ours.

    The text of any other error may quote a request.
    """
    return {
        "error": type(error).__qualname__,
        "reason": str(error) if isinstance(error, MlopsError) else None,
        "stack": traceback.format_tb(error.__traceback__),
    }


class RequestLog:
    """Give each request its id, and log it when it is answered (ASGI middleware).

    A HEAD request is answered as the same GET would be, without the body.

    Args:
        release: The release that answers.
        new_id: Makes an id if Lambda gave none.
        clock: Returns seconds, and never goes back.
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
            # Not the path: it may contain anything, such as a customer's id.
            facts["route"] = getattr(scope.get("route"), "path", None)
            facts["duration_ms"] = round((self._clock() - started) * 1000, 3)
            self._telemetry.request(facts, status)
