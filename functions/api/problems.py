"""Errors as RFC 9457 problem+json: one table for the statuses, one function that installs it.

No answer repeats what the client sent, but for names of fields, cut to a sane length.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.api.body import MAX_NAME, BodyTooLarge, MalformedJson, UnsupportedMediaType
from functions.api.telemetry import Telemetry
from mlops.errors import (
    ArtifactError,
    ConfigInvalid,
    MlopsError,
    ModelNotFound,
    StoreError,
    VersionNotFound,
)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:mlops-pipeline:problem:"
_MAX_FIELDS = 50
# Where pydantic's own words speak of Python.
_OUR_WORDS = {"model_attributes_type": "Input should be an object"}


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
INVALID = Kind(422, "invalid-request", "The request breaks the model's contract")
INTERNAL = Kind(500, "internal-error", "Something went wrong here", "The service's logs say what.")

PROBLEMS: Mapping[type[Exception], Kind] = {
    MalformedJson: Kind(400, "malformed-json", "The body is not JSON"),
    BodyTooLarge: Kind(413, "body-too-large", "The body is too large"),
    UnsupportedMediaType: Kind(415, "unsupported-media-type", "The body must be JSON"),
    ModelNotFound: Kind(
        404, "model-not-found", "There is no such model", "GET /v1/models lists those there are."
    ),
    ConfigInvalid: UNAVAILABLE,
    VersionNotFound: UNAVAILABLE,
    ArtifactError: UNAVAILABLE,
    StoreError: UNAVAILABLE,
    MlopsError: INTERNAL,
}
_KINDS = (*PROBLEMS.values(), INVALID)


class FieldProblem(BaseModel):
    field: str = Field(description="Name of the field; with dots where it is nested.")
    type: str = Field(description="Stable: what is wrong, such as `missing`.")
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details; `errors` is there where fields are to blame."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": f"{TYPE_PREFIX}invalid-request",
                    "title": INVALID.title,
                    "status": 422,
                    "detail": "1 field is not right.",
                    "request_id": "3f2a9c1e-5b1f-4c39-9d0c-0a6a3f3c7d21",
                    "errors": [
                        {
                            "field": "contract",
                            "type": "literal_error",
                            "detail": "Input should be 'Month-to-month', 'One year' or 'Two year'",
                        }
                    ],
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str | None = None
    request_id: str = Field(description="Quote it when asking for help.")
    errors: list[FieldProblem] | None = None


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for problems of these statuses."""
    return {kind.status: _documented(kind) for kind in _KINDS if kind.status in statuses}


def _documented(kind: Kind) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": f"{kind.title}: `{kind.slug}`.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if kind.retry_after_seconds:
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
        shown = f" The first {_MAX_FIELDS} are shown." if len(found) > _MAX_FIELDS else ""
        return _response(
            request, INVALID, detail=f"{blame} not right.{shown}", errors=list(_fields(found))
        )

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


def _fields(errors: Iterable[Mapping[str, Any]]) -> Iterable[FieldProblem]:
    for error in islice(errors, _MAX_FIELDS):
        # The first part of a location says where the value came from: "body" or "path".
        names = [str(part)[:MAX_NAME] for part in error["loc"][1:]] or ["body"]
        detail = _OUR_WORDS.get(error["type"], error["msg"])
        yield FieldProblem(field=".".join(names), type=error["type"], detail=detail)


def _response(
    request: Request,
    kind: Kind,
    *,
    detail: str | None = None,
    errors: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    request.state.facts["problem"] = kind.slug
    problem = Problem(
        type=TYPE_PREFIX + kind.slug,
        title=kind.title,
        status=kind.status,
        detail=detail,
        request_id=request.state.request_id,
        errors=errors,
    )
    retry = {"Retry-After": str(kind.retry_after_seconds)} if kind.retry_after_seconds else {}
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=kind.status,
        headers={**retry, **(headers or {})},
        media_type=MEDIA_TYPE,
    )
