"""Errors as RFC 9457 problem+json: one table for the statuses, one function that installs it.

No answer repeats what the client sent, but for names of fields, cut to a sane length.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.api.errors import (
    BatchUnavailable,
    BodyTooLarge,
    CallerUnknown,
    UnsupportedMediaType,
)
from functions.api.telemetry import Telemetry
from mlops.errors import (
    ArtifactError,
    ConfigInvalid,
    InputForbidden,
    InputRefused,
    JobConflict,
    JobEnded,
    JobNotFound,
    MalformedJson,
    MlopsError,
    ModelNotFound,
    StoreError,
    StoreFull,
    VersionNotFound,
)
from mlops.models.validation import MAX_FAULTS, Fault, faults

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:mlops-pipeline:problem:"


@dataclass(frozen=True)
class Kind:
    """A class of problem. slug: stable, clients may switch on it."""

    status: int
    slug: str
    title: str
    detail: str | None = None
    retry_after_seconds: int | None = None


UNAVAILABLE = Kind(
    503,
    "model-unavailable",
    "The model cannot be used at the moment",
    "The service's logs say why.",
    retry_after_seconds=5,
)
INVALID = Kind(422, "invalid-request", "The request breaks its contract")
INTERNAL = Kind(500, "internal-error", "Something went wrong here", "The service's logs say what.")

PROBLEMS: Mapping[type[Exception], Kind] = {
    MalformedJson: Kind(400, "malformed-json", "The body is not JSON"),
    BodyTooLarge: Kind(413, "body-too-large", "The body is too large"),
    UnsupportedMediaType: Kind(415, "unsupported-media-type", "The body must be JSON"),
    ModelNotFound: Kind(
        404, "model-not-found", "There is no such model", "GET /v1/models lists those there are."
    ),
    RequestValidationError: INVALID,
    # Nobody reads it; but what clients do is no error of ours. The status is nginx's word for it.
    ClientDisconnect: Kind(499, "client-closed-request", "The client hung up amid its request"),
    JobNotFound: Kind(404, "job-not-found", "There is no such job", "Jobs are their submitters'."),
    JobConflict: Kind(
        409,
        "idempotency-key-reused",
        "The Idempotency-Key was used for another job",
        "It stands for one request; another one needs another key.",
    ),
    JobEnded: Kind(409, "job-ended", "The job is beyond that"),
    InputForbidden: Kind(403, "input-forbidden", "The input is not where yours may lie"),
    InputRefused: Kind(422, "input-refused", "The input cannot be used"),
    CallerUnknown: Kind(403, "caller-unknown", "Jobs need to know whose they are"),
    BatchUnavailable: Kind(
        503,
        "batch-unavailable",
        "Batch jobs cannot be used at the moment",
        "The service's logs say why.",
        retry_after_seconds=5,
    ),
    StoreFull: Kind(
        507,
        "store-full",
        "The store is full",
        "Free some space on the disk of this server, then send the request again.",
    ),
    ConfigInvalid: UNAVAILABLE,
    VersionNotFound: UNAVAILABLE,
    ArtifactError: UNAVAILABLE,
    StoreError: UNAVAILABLE,
    MlopsError: INTERNAL,
}
BODY_PROBLEMS = (MalformedJson, BodyTooLarge, UnsupportedMediaType, RequestValidationError)


def documented(*errors: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for what a route may raise; that it fails is always one of these."""
    by_status: dict[int, list[Kind]] = {}
    for kind in sorted(
        {PROBLEMS.get(error, INTERNAL) for error in errors} | {INTERNAL},
        key=lambda kind: (kind.status, kind.slug),
    ):
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _documented(kinds) for status, kinds in by_status.items()}


def _documented(kinds: Sequence[Kind]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": " ".join(f"{kind.title}: `{kind.slug}`." for kind in kinds),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if any(kind.retry_after_seconds for kind in kinds):
        response["headers"] = {
            "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
        }
    return response


def install(app: FastAPI, telemetry: Telemetry) -> None:
    """Make every error of `app` a problem; those that are our fault are logged."""

    async def from_table(request: Request, error: Exception) -> JSONResponse:
        kind = next((PROBLEMS[base] for base in type(error).__mro__ if base in PROBLEMS), INTERNAL)
        if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            telemetry.failure(error, request_id=request.state.request_id)
        return _response(request, kind, detail=kind.detail or str(error))

    for error_class in PROBLEMS:
        app.add_exception_handler(error_class, from_table)
    app.add_middleware(_LastResort, answer=from_table)

    @app.exception_handler(RequestValidationError)
    async def from_validation(request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        blame = "1 field is" if len(found) == 1 else f"{len(found)} fields are"
        shown = f" The first {MAX_FAULTS} are shown." if len(found) > MAX_FAULTS else ""
        # The first part of a location says where the value came from: "body" or "header".
        listed = list(faults(found, whole="body", skip=1))
        return _response(request, INVALID, detail=f"{blame} not right.{shown}", errors=listed)

    @app.exception_handler(HTTPException)
    async def from_http(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        kind = Kind(error.status_code, phrase.lower().replace(" ", "-"), phrase)
        return _response(request, kind, headers=error.headers)


class _LastResort:
    """ASGI middleware: answers what nobody expected.

    A handler of `Exception` would run outside of all other middleware and raise it again, so
    that neither the request's id nor its line in the log would be right.
    """

    def __init__(
        self, app: ASGIApp, answer: Callable[[Request, Exception], Awaitable[Response]]
    ) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            response = await self._answer(Request(scope), error)
            await response(scope, receive, send)


def _response(
    request: Request,
    kind: Kind,
    *,
    detail: str | None = None,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    # Most processes never answer with one; pydantic takes longer for it than for a prediction.
    from functions.api.problem_document import FieldProblem, Problem

    request.state.facts["problem"] = kind.slug
    problem = Problem(
        type=TYPE_PREFIX + kind.slug,
        title=kind.title,
        status=kind.status,
        detail=detail,
        request_id=request.state.request_id,
        errors=[FieldProblem(**vars(fault)) for fault in errors] or None,
    )
    retry = {"Retry-After": str(kind.retry_after_seconds)} if kind.retry_after_seconds else {}
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=kind.status,
        headers={**retry, **(headers or {})},
        media_type=MEDIA_TYPE,
    )
