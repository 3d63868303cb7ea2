"""The JSON of the batch routes: what is sent, and what a job is shown as."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from mlops.batch.job import ROWS_PER_CHUNK, Format, Keys, format_of
from mlops.batch.jobs import MAX_INPUT_BYTES, Submission
from mlops.batch.ports import Links
from mlops.batch.progress import JobState, Status
from mlops.errors import PinInvalid
from mlops.inference.version import Pin
from mlops.models.contract import WHOLE

# Strict models take no text for an enumeration's member, though JSON has nothing else.
AnyFormat = Annotated[Format, Field(strict=False)]

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
    model_config = ConfigDict(
        json_schema_extra={
            "description": "A batch job: exactly one of `rows` and `input`.",
            "oneOf": [
                {"required": ["rows"], "properties": {"rows": {"type": "array"}}},
                {"required": ["input"], "properties": {"input": {"type": "string"}}},
            ],
        },
    )

    model: str = Field(min_length=1, max_length=64, description="Name of the model.")
    pin: Annotated[str, Field(json_schema_extra={"pattern": _PIN_PATTERN})] | None = Field(
        default=None,
        description="Exactly this version of the model, instead of the one that is served now.",
    )
    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=ROWS_PER_CHUNK)] | None = (
        Field(
            default=None,
            description="Each as for one prediction. A row that is not valid becomes a row error.",
        )
    )
    input: str | None = Field(
        default=None,
        max_length=2048,
        description="The `input` of an upload; or another object in the same folder.",
        validate_default=True,
    )
    format: AnyFormat | None = Field(
        default=None,
        description="Of the input; needed where its name does not end with it. Rows are `jsonl`.",
        validate_default=True,
    )
    output_format: AnyFormat | None = Field(
        default=None, description="Of results and errors; the input's where left out."
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
            raise PydanticCustomError("contradiction", "The pin is of another model")
        return pin

    @field_validator("input")
    @classmethod
    def _is_the_only_one(cls, input: str | None, info: ValidationInfo) -> str | None:
        if "rows" in info.data and (input is None) == (info.data["rows"] is None):
            kind = "missing" if input is None else "contradiction"
            raise PydanticCustomError(kind, "Exactly one of 'rows' and 'input' is needed")
        return input

    @field_validator("format")
    @classmethod
    def _is_known(cls, format: Format | None, info: ValidationInfo) -> Format | None:
        rows, input = info.data.get("rows"), info.data.get("input")
        if rows is not None and format not in (None, Format.JSONL):
            raise PydanticCustomError("contradiction", "Rows are jsonl")
        if input is not None and format is None and format_of(input) is None:
            raise PydanticCustomError("missing", "The input's name does not end with a format")
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
            "description": "The URL to PUT a file to, and the `input` to name it by in a job."
        }
    )

    url: str = Field(description="Needs no credentials until it expires.")
    method: Literal["PUT"]
    headers: dict[str, str] = Field(
        description="Send these with the request. The store refuses a file of another size, and a"
        " second upload to the same URL."
    )
    input: str = Field(description="For the job's `input`.")
    expires_at: datetime
    max_bytes: int = Field(description="The largest file that may be uploaded.")


class JobRows(BaseModel):
    total: int | None = Field(description="Null until the input was read.")
    done: int
    failed: int = Field(description="Rows that are not valid; `errors` says why.")


class JobLinks(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "description": "They need no credentials until they expire;"
            " ask for the job again to get new ones."
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
        description="Decided at submission. Null for a message on the queue that was no valid job."
    )
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    rows: JobRows
    reason: str | None = Field(description="Why it failed.")
    links: JobLinks | None = Field(description="Once it has succeeded.")


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
