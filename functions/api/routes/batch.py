"""/v1/predict/batch: jobs of many rows, predicted later.

Its functions are not asynchronous, so FastAPI runs them in threads: a request that waits for the
store does not delay a prediction.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field

from functions.api.batch import Batch, BatchRoute, SubmissionRoute, job_id_of
from functions.api.callers import Identify
from functions.api.documents import (
    SUBMISSIONS,
    JobDocument,
    UploadDocument,
    UploadRequest,
    job_links,
    shown,
)
from functions.api.errors import BatchUnavailable, CallerUnknown
from functions.api.problems import BODY_PROBLEMS, documented
from functions.api.telemetry import Telemetry
from mlops.batch.jobs import MAX_INPUT_BYTES
from mlops.batch.progress import JobState, Status
from mlops.batch.submission import BatchRequest
from mlops.errors import (
    InputForbidden,
    InputRefused,
    JobConflict,
    JobEnded,
    JobNotFound,
    ModelNotFound,
)
from mlops.inference.pinned import PinnedModels

PATH = "/v1/predict/batch"

_Key = Annotated[str, Field(min_length=1, max_length=255, pattern="^[\x21-\x7e]+$")]
_IdempotencyKey = Annotated[
    _Key | None,
    Header(
        alias="Idempotency-Key",
        description="A text of your choice, in visible ASCII. Repeat a request with the same key to"
        " get the same job instead of a second one.",
    ),
]
_ALWAYS = (CallerUnknown, BatchUnavailable)
_EXAMPLES: Any = {name: {"summary": name, "value": value} for name, value in SUBMISSIONS.items()}
_LOCATION = {"description": "Path of the job.", "schema": {"type": "string"}}


def batch_router(
    batch: Batch, models: PinnedModels, telemetry: Telemetry, identify: Identify
) -> APIRouter:
    router = APIRouter(prefix=PATH, tags=["batch"], route_class=BatchRoute)

    def caller(request: Request) -> str:
        owner = identify(request.scope)
        telemetry.caller(request.scope, owner)
        return owner

    def answer(request: Request, status: Status) -> JobDocument:
        telemetry.job(request.scope, status.job_id)
        links = None
        if status.state is JobState.SUCCEEDED and status.job is not None:
            links = job_links(status.job_id, status.job.output_format, batch.links())
        return shown(status, links)

    def submit_batch(
        request: Request,
        response: Response,
        body: Annotated[BatchRequest, Body(openapi_examples=_EXAMPLES)],
        idempotency_key: _IdempotencyKey = None,
    ) -> JobDocument:
        owner = caller(request)
        _require_fields(models, body)
        job_id = job_id_of(owner, idempotency_key) if idempotency_key else batch.new_job_id()
        status = batch.jobs().submit(job_id, body.to_submission(owner))
        response.headers["Location"] = f"{request.scope['root_path']}{PATH}/{job_id}"
        return answer(request, status)

    # A decorator could not set the class of this one route, whose bodies may be larger.
    router.add_api_route(
        "",
        submit_batch,
        methods=["POST"],
        status_code=202,
        route_class_override=SubmissionRoute,
        summary="Submit a batch job",
        responses={
            202: {"headers": {"Location": _LOCATION}},
            **documented(
                *BODY_PROBLEMS,
                *_ALWAYS,
                ModelNotFound,
                InputForbidden,
                InputRefused,
                JobConflict,
            ),
        },
    )

    @router.post(
        "/uploads",
        status_code=201,
        summary="Create a URL to upload an input file to",
        responses=documented(*BODY_PROBLEMS, *_ALWAYS),
    )
    def create_upload(
        request: Request, body: UploadRequest, idempotency_key: _IdempotencyKey = None
    ) -> UploadDocument:
        owner = caller(request)
        uploads = batch.uploads()
        # A client that repeats an upload and its submission has to name the same input again.
        key = idempotency_key
        name = job_id_of(owner, key).removeprefix("job_") if key else batch.new_upload_id()
        input = f"{uploads.prefix(owner)}{name}.{body.format}"
        link = batch.links().upload(uploads.key(input, owner), body.bytes)
        return UploadDocument(
            url=link.url,
            method="PUT",
            headers=dict(link.headers),
            input=input,
            expires_at=link.expires_at,
            max_bytes=MAX_INPUT_BYTES,
        )

    @router.get(
        "/{job_id}",
        summary="Show a batch job, its progress and its results",
        responses=documented(JobNotFound, *_ALWAYS),
    )
    def show_batch(request: Request, job_id: str) -> JobDocument:
        return answer(request, batch.jobs().status(job_id, caller(request)))

    @router.delete(
        "/{job_id}",
        summary="Cancel a batch job",
        description="The remaining rows will not be predicted.",
        responses=documented(JobNotFound, JobEnded, *_ALWAYS),
    )
    def cancel_batch(request: Request, job_id: str) -> JobDocument:
        return answer(request, batch.jobs().cancel(job_id, caller(request)))

    @router.post(
        "/{job_id}/retry",
        status_code=202,
        summary="Retry a failed batch job",
        description="Predicts what is missing. A job that is queued or running is left as it is.",
        responses=documented(JobNotFound, JobEnded, *_ALWAYS),
    )
    def retry_batch(request: Request, job_id: str) -> JobDocument:
        return answer(request, batch.jobs().retry(job_id, caller(request)))

    return router


def _require_fields(models: PinnedModels, body: BatchRequest) -> None:
    """Raise RequestValidationError where columns are renamed to fields that the model lacks.

    A job with a pin of its own is checked by the worker, which loads that version.
    """
    if not body.rename or body.pin is not None:
        return
    known = models.get(body.model).contract.by_name
    for name in body.rename.values():
        if name is not None and name not in known:
            detail = f"The model has no field {ascii(name)}"
            raise RequestValidationError(
                [{"type": "unknown_field", "loc": ("body", "rename"), "msg": detail}]
            )
