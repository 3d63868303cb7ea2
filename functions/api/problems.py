"""Answer errors as RFC 9457 problem+json: one table of all of them, one function to install it.

No answer repeats what the client sent, except names of fields, shortened.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    RequestUnreadable,
    UnsupportedCoding,
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


REFUSAL = "mlops.refusal"
"""Name in a request's scope of the error that it is to be answered with, whatever else it is."""


@dataclass(frozen=True, eq=False)
class Kind:
    """A class of problem.

    slug: stable, so clients may switch on it. detail: None where the error's own text is shown.
    headers: of the answer, with what they mean. example: a detail, where each error has its own.
    """

    status: int
    slug: str
    title: str
    detail: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    example: str | None = None


_RETRY_SOON = {"Retry-After": "5"}
HEADER_MEANINGS = {
    "Accept": "The media type that a body must have.",
    "Accept-Encoding": "The content coding that a body must have.",
    "Retry-After": "Seconds to wait before trying again.",
}

UNAVAILABLE = Kind(
    503,
    "model-unavailable",
    "The model is not available at the moment",
    "Try again later. The operator finds the cause in the service's log.",
    headers=_RETRY_SOON,
)
INVALID = Kind(
    422,
    "invalid-request",
    "Some fields of the request are invalid",
    example="1 field is invalid.",
)
INTERNAL = Kind(
    500,
    "internal-error",
    "The service failed unexpectedly",
    "Report the request_id to the operator, who finds the cause in the service's log.",
)

PROBLEMS: Mapping[type[Exception], Kind] = {
    RequestUnreadable: Kind(
        400,
        "unreadable-request",
        "The request cannot be read",
        example="The body is not valid base64.",
    ),
    MalformedJson: Kind(
        400,
        "malformed-json",
        "The body is not valid JSON",
        example="expected `,` or `}` at line 1 column 16",
    ),
    CallerUnknown: Kind(
        403,
        "caller-unknown",
        "The caller's identity is missing",
        example="The API was called without a signature, and without a token that has a `sub`.",
    ),
    InputForbidden: Kind(
        403,
        "input-forbidden",
        "The input is outside your upload folder",
        example="Use an input below s3://store/batch/uploads/local/ whose key has neither % nor ..",
    ),
    ModelNotFound: Kind(
        404, "model-not-found", "The model does not exist", "GET /v1/models lists all models."
    ),
    JobNotFound: Kind(
        404,
        "job-not-found",
        "The job does not exist",
        "Check the job's id. A job is visible only to the caller who submitted it.",
    ),
    JobConflict: Kind(
        409,
        "idempotency-key-reused",
        "The Idempotency-Key belongs to another request",
        "Use a new key for each new request.",
    ),
    JobEnded: Kind(
        409,
        "job-ended",
        "The job has already finished",
        example="The job has already succeeded",
    ),
    BodyTooLarge: Kind(
        413,
        "body-too-large",
        "The body is too large",
        example="A body may have at most 1,000,000 bytes.",
    ),
    UnsupportedMediaType: Kind(
        415,
        "unsupported-media-type",
        "The body's media type is not supported",
        "Send JSON with the header Content-Type: application/json.",
        headers={"Accept": "application/json"},
    ),
    UnsupportedCoding: Kind(
        415,
        "unsupported-content-encoding",
        "The body's content coding is not supported",
        headers={"Accept-Encoding": "identity"},
        example="The body is compressed with gzip. Send it uncompressed, without Content-Encoding.",
    ),
    RequestValidationError: INVALID,
    InputRefused: Kind(
        422,
        "input-refused",
        "The input cannot be used",
        example="There is no such input object. Upload it first",
    ),
    # Nobody reads it; but what clients do is no error of ours. The status is nginx's word for it.
    ClientDisconnect: Kind(
        499, "client-closed-request", "The client closed the connection during its request"
    ),
    BatchUnavailable: Kind(
        503,
        "batch-unavailable",
        "Batch jobs are not available at the moment",
        "Try again later. The operator finds the cause in the service's log.",
        headers=_RETRY_SOON,
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
BODY_PROBLEMS = (
    RequestUnreadable,
    MalformedJson,
    BodyTooLarge,
    UnsupportedMediaType,
    UnsupportedCoding,
    RequestValidationError,
)


def documented(*errors: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for what a route may raise, and for an internal error."""
    by_status: dict[int, list[Kind]] = {}
    for kind in sorted(
        {PROBLEMS.get(error, INTERNAL) for error in errors} | {INTERNAL},
        key=lambda kind: (kind.status, kind.slug),
    ):
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _documented(kinds) for status, kinds in by_status.items()}


def _documented(kinds: Sequence[Kind]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "examples": {kind.slug: {"summary": kind.title, "value": _example(kind)} for kind in kinds},
    }
    response: dict[str, Any] = {
        "description": " ".join(f"{kind.title}: `{kind.slug}`." for kind in kinds),
        "content": {MEDIA_TYPE: content},
    }
    headers = sorted({name for kind in kinds for name in kind.headers})
    if headers:
        response["headers"] = {
            name: {
                "description": HEADER_MEANINGS[name],
                "schema": {"type": "integer" if name == "Retry-After" else "string"},
            }
            for name in headers
        }
    return response


def _example(kind: Kind) -> dict[str, Any]:
    """Return a problem of this kind, as it is answered."""
    example: dict[str, Any] = {
        "type": TYPE_PREFIX + kind.slug,
        "title": kind.title,
        "status": kind.status,
        "detail": kind.detail or kind.example,
        "request_id": "3f2a9c1e-5b1f-4c39-9d0c-0a6a3f3c7d21",
    }
    if kind is INVALID:
        detail = "Input should be 'Month-to-month', 'One year' or 'Two year'"
        fault = {"field": "contract", "type": "literal_error", "detail": detail}
        example["errors"] = [fault]
    return example


def install(app: FastAPI, telemetry: Telemetry) -> None:
    """Answer every error of `app` with a problem, and log those that are the service's fault."""

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
        detail = "1 field is invalid." if len(found) == 1 else f"{len(found)} fields are invalid."
        if len(found) > MAX_FAULTS:  # How many more there are, nobody has counted: see body.py.
            detail = f"More than {MAX_FAULTS} fields are invalid; these are the first of them."
        # The first part of a location says where the value came from: "body" or "header".
        listed = list(faults(found, whole="body", skip=1))
        return _response(request, INVALID, detail=detail, errors=listed)

    @app.exception_handler(HTTPException)
    async def from_http(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        kind = Kind(error.status_code, phrase.lower().replace(" ", "-"), phrase)
        headers = dict(error.headers or {})
        if headers.get("Allow") == "GET":
            headers["Allow"] = "GET, HEAD"
        return _response(request, kind, headers=headers)


class _LastResort:
    """ASGI middleware that answers and logs any error, and answers requests that are refused.

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
            if REFUSAL in scope:
                raise scope[REFUSAL]
            await self._app(scope, receive, send_noted)
        except Exception as error:
            if scope["type"] != "http":
                raise
            response = await self._answer(Request(scope), error)
            if started:  # Nothing can be sent after half of an answer: the connection is closed.
                raise
            await response(scope, receive, send)


def _response(
    request: Request,
    kind: Kind,
    *,
    detail: str | None = None,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    # Imported late: most processes never answer with a problem, and pydantic takes long for it.
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
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=kind.status,
        headers={**kind.headers, **(headers or {})},
        media_type=MEDIA_TYPE,
    )
