"""The JSON of the batch routes: examples of submissions, uploads, and jobs as they are shown."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlops.batch.job import Format, Keys
from mlops.batch.jobs import MAX_INPUT_BYTES
from mlops.batch.ports import Links
from mlops.batch.progress import JobState, Status
from mlops.batch.submission import AnyFormat
from mlops.models.schemas import WHOLE, Request

_JOB_ID = "job_5f1c0f6e2a9d4b7c8e3d2a1b0c9f8e7d"
_PIN = f"churn-model-v1.3.2@sha256:{'0123456789abcdef' * 4}"
_INPUT = "s3://store/batch/uploads/local/5f1c0f6e2a9d4b7c8e3d2a1b0c9f8e7d.csv"
_ROW = {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}

SUBMISSIONS: dict[str, dict[str, Any]] = {
    "rows": {"model": "churn", "rows": [_ROW, _ROW | {"customer_id": "C67890", "tenure": 2}]},
    "an uploaded file": {"model": "churn", "input": _INPUT, "output_format": "parquet"},
    "an exact version": {"model": "churn", "pin": _PIN, "rows": [_ROW]},
}


class UploadRequest(Request):
    format: AnyFormat
    bytes: Annotated[int, WHOLE] = Field(
        ge=1,
        le=MAX_INPUT_BYTES,
        description="Size of the file as it is sent, so compressed where it is.",
    )


class UploadDocument(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "description": "Where to upload a file to with PUT, and how to name it in a job."
        }
    )

    url: str = Field(description="A URL that needs no credentials until it expires.")
    method: Literal["PUT"]
    headers: dict[str, str] = Field(
        description="Send these with the request. The store refuses a file of another size, and a"
        " second upload to the same URL."
    )
    input: str = Field(description="The `input` of the job.")
    expires_at: datetime
    max_bytes: int = Field(
        description="Largest size of the file as it is uploaded, compressed or not."
    )


class JobRows(BaseModel):
    total: int | None = Field(description="Null until the input is read.")
    done: int
    failed: int = Field(description="Invalid rows; the file `errors` says what is wrong.")


class JobLinks(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "description": "URLs that need no credentials until they expire."
            " Get the job again for new ones."
        }
    )

    results: str
    errors: str
    summary: str
    expires_at: datetime


class JobDocument(BaseModel):
    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "job_id": _JOB_ID,
                    "status": "running",
                    "model_version": "churn-model-v1.3.2",
                    "submitted_at": "2026-01-01T12:00:00Z",
                    "started_at": "2026-01-01T12:00:01Z",
                    "ended_at": None,
                    "rows": {"total": 25000, "done": 9997, "failed": 3},
                    "reason": None,
                    "links": None,
                }
            ]
        },
    )

    job_id: str
    status: JobState
    model_version: str | None = Field(
        description="Chosen at submission. Null if a message on the queue was not a valid job."
    )
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    rows: JobRows
    reason: str | None = Field(description="Why the job failed.")
    links: JobLinks | None = Field(description="Null until the job has succeeded.")


def shown(status: Status, links: JobLinks | None) -> JobDocument:
    job = status.job
    return JobDocument(
        job_id=status.job_id,
        status=status.state,
        model_version=None if job is None else str(job.pin.version),
        submitted_at=None if job is None else job.submitted_at,
        started_at=status.started_at,
        ended_at=status.ended_at,
        rows=JobRows(total=status.rows_total, done=status.rows_done, failed=status.rows_failed),
        reason=status.reason,
        links=links,
    )


def job_links(job_id: str, format: Format, links: Links) -> JobLinks:
    """Raises StoreUnavailable."""
    keys = Keys(job_id)
    results = links.download(keys.results(format))
    errors = links.download(keys.errors(format))
    summary = links.download(keys.summary)
    return JobLinks(
        results=results.url,
        errors=errors.url,
        summary=summary.url,
        expires_at=min(results.expires_at, errors.expires_at, summary.expires_at),
    )
