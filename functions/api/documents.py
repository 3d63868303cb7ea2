"""The JSON of the batch routes: submissions and uploads, and jobs as they are shown."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from mlops.batch.job import (
    MAX_COLUMN_NAME,
    MAX_RENAMES,
    ROWS_PER_CHUNK,
    Format,
    Keys,
    format_of,
)
from mlops.batch.jobs import MAX_INPUT_BYTES, Submission
from mlops.batch.ports import Links
from mlops.batch.progress import JobState, Status
from mlops.errors import PinInvalid
from mlops.inference.version import Pin
from mlops.models.schemas import WHOLE
from mlops.models.validation import at_most

# A strict model would take no text for a member of an enumeration, and JSON has nothing else.
AnyFormat = Annotated[Format, Field(strict=False)]
ColumnName = Annotated[str, Field(max_length=MAX_COLUMN_NAME)]
FieldName = Annotated[str, Field(min_length=1, max_length=64)]

_PIN_PATTERN = r"^[a-z0-9-]+-model-v[0-9]+\.[0-9]+\.[0-9]+@sha256:[0-9a-f]{64}$"
_JOB_ID = "job_5f1c0f6e2a9d4b7c8e3d2a1b0c9f8e7d"
_PIN = f"churn-model-v1.3.2@sha256:{'0123456789abcdef' * 4}"
_INPUT = "s3://store/batch/uploads/local/5f1c0f6e2a9d4b7c8e3d2a1b0c9f8e7d.csv"
_ROW = {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}

SUBMISSIONS: dict[str, dict[str, Any]] = {
    "rows": {"model": "churn", "rows": [_ROW, _ROW | {"customer_id": "C67890", "tenure": 2}]},
    "an uploaded file": {"model": "churn", "input": _INPUT, "output_format": "parquet"},
    "an exact version": {"model": "churn", "pin": _PIN, "rows": [_ROW]},
}


class _Sent(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class BatchRequest(_Sent):
    # Described as two schemas, one for rows and one for an input: see openapi.py.
    model: str = Field(min_length=1, max_length=64, description="Name of the model.")
    pin: Annotated[str, Field(json_schema_extra={"pattern": _PIN_PATTERN})] | None = Field(
        default=None,
        description="Use exactly this version of the model, not the one that is served now.",
    )
    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=ROWS_PER_CHUNK)] | None = (
        Field(
            default=None,
            description="Requests as for one prediction. An invalid row becomes a row error.",
        )
    )
    input: str | None = Field(
        default=None,
        max_length=2048,
        description="The `input` of an upload, or the URL of another object in its folder.",
        validate_default=True,
    )
    format: AnyFormat | None = Field(
        default=None,
        description="Format of the input. Needed if the input's name does not end with it.",
        validate_default=True,
    )
    output_format: AnyFormat | None = Field(
        default=None, description="Format of results and errors. By default it is the input's."
    )
    rename: Annotated[
        dict[ColumnName, FieldName | None], Field(max_length=MAX_RENAMES), at_most(MAX_RENAMES)
    ] = Field(
        default={},
        description="Maps column names of the input to fields of the model, or to null to leave"
        " the column out.",
    )
    escape_formulas: bool = Field(
        default=True,
        description="In CSV results, put an apostrophe before ids that a spreadsheet would run as"
        " formulas, and before those that begin with an apostrophe.",
    )

    @field_validator("pin")
    @classmethod
    def _is_the_models(cls, pin: str | None, info: ValidationInfo) -> str | None:
        if pin is None:
            return None
        try:
            model = Pin.parse(pin).version.model
        except PinInvalid:
            message = "A pin looks like churn-model-v1.3.2@sha256:<64 hex digits>"
            raise PydanticCustomError("pin", message) from None
        if model != info.data.get("model", model):
            raise PydanticCustomError("contradiction", "The pin belongs to another model")
        return pin

    @field_validator("input")
    @classmethod
    def _is_the_only_one(cls, input: str | None, info: ValidationInfo) -> str | None:
        if "rows" in info.data and (input is None) == (info.data["rows"] is None):
            kind = "missing" if input is None else "contradiction"
            raise PydanticCustomError(kind, "Send either 'rows' or 'input'")
        return input

    @field_validator("format")
    @classmethod
    def _is_known(cls, format: Format | None, info: ValidationInfo) -> Format | None:
        rows, input = info.data.get("rows"), info.data.get("input")
        if rows is not None and format not in (None, Format.JSONL):
            raise PydanticCustomError("contradiction", "The format of rows is jsonl; leave it out")
        if input is not None and format is None and format_of(input) is None:
            raise PydanticCustomError(
                "missing", "The input's name does not end with a format, so 'format' is needed"
            )
        return format

    def to_submission(self, owner: str) -> Submission:
        named = format_of(self.input) if self.input else None
        input_format = self.format or named or Format.JSONL
        return Submission(
            owner=owner,
            model=self.model,
            input_format=input_format,
            output_format=self.output_format or input_format,
            pin=None if self.pin is None else Pin.parse(self.pin),
            input=self.input,
            rows=self.rows,
            rename=self.rename,
            escape_formulas=self.escape_formulas,
        )


class UploadRequest(_Sent):
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
