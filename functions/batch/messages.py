"""What may lie on the queue: tasks of our own, and what submitters send."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Annotated, Any, Self

from mlops.models.catalogue import find_unknown_field
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mlops.batch.job import (
    JOB_ID,
    MAX_COLUMN_NAME,
    MAX_RENAMES,
    OWNER,
    ROWS_PER_CHUNK,
    Format,
    Task,
    format_of,
)
from mlops.batch.jobs import Submission
from mlops.errors import MalformedJson, MlopsError, PinInvalid
from mlops.inference.version import Pin
from mlops.models import strict_json
from mlops.models.validation import at_most, faults

_MOST_SHOWN = 5
_OUR_WORDS = {"dict_type": "Input should be an object"}  # pydantic speaks of Python
_PIN = "a pin looks like churn-model-v1.3.2@sha256:<64 hex digits>"


class MessageInvalid(MlopsError):
    """A message that is neither a task nor a submission.

    job_id, owner: None where they cannot be told either.
    """

    def __init__(self, reason: str, job_id: str | None = None, owner: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.job_id, self.owner = reason, job_id, owner


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _is_pin(text: str) -> str:
    try:
        Pin.parse(text)
    except PinInvalid:
        raise PydanticCustomError("pin", _PIN) from None
    return text


JobId = Annotated[
    str,
    Field(
        pattern=f"^{JOB_ID.pattern}$",
        description="Chosen by the submitter, and never used for another job. The same message"
        " twice is one job.",
    ),
]
AnyPin = Annotated[
    str,
    AfterValidator(_is_pin),
    Field(json_schema_extra={"pattern": r"^.+-model-v[0-9.]+@sha256:[0-9a-f]{64}$"}),
]
# Strict models take no text for an enumeration's member, though JSON has nothing else.
AnyFormat = Annotated[Format, Field(strict=False)]
ColumnName = Annotated[str, Field(max_length=MAX_COLUMN_NAME)]
FieldName = Annotated[str, Field(min_length=1, max_length=64)]


class TaskMessage(_Strict):
    """What the function sends itself: a whole job, or one chunk of it."""

    job_id: JobId
    chunk: Annotated[int, Field(ge=0)] | None
    generation: Annotated[int, Field(ge=0)] = 0

    def to_task(self) -> Task:
        return Task(self.job_id, self.chunk, self.generation)


class SubmissionMessage(_Strict):
    """A batch job, as a submitter sends it to the queue."""

    model_config = ConfigDict(
        title="Batch job submission",
        json_schema_extra={
            "oneOf": [
                {"required": ["input"], "properties": {"input": {"type": "string"}}},
                {"required": ["rows"], "properties": {"rows": {"type": "array"}}},
            ]
        },
    )

    job_id: JobId
    model: str = Field(min_length=1, max_length=64, description="Name of the model.")
    pin: AnyPin | None = Field(
        default=None,
        description="Exactly this version instead of the one that is served when the message is"
        f" received; {_PIN}.",
    )
    input: str | None = Field(
        default=None,
        max_length=2048,
        description="s3:// URL of the rows, in the stack's bucket below the submitter's own"
        " prefix.",
    )
    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=ROWS_PER_CHUNK)] | None = (
        Field(
            default=None,
            description="The rows themselves, each as the API takes it. A row that is not valid"
            " becomes a row error. SQS takes no message above 1 MiB.",
        )
    )
    format: AnyFormat | None = Field(
        default=None,
        description="Of the input; may be left out where the input's name ends with it. Rows are"
        " always jsonl.",
    )
    output_format: AnyFormat | None = Field(
        default=None, description="Of results and errors; the input's where left out."
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
    submitted_by: str = Field(
        pattern=f"^{OWNER.pattern}$",
        description="The submitter's name in visible ASCII. Only they can see the job over the API,"
        " which names its callers `iam:<ARN>` or `jwt:<sub>`.",
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.input is None) == (self.rows is None):
            raise PydanticCustomError("input", "exactly one of input and rows is needed")
        if self.rows is not None and self.format not in (None, Format.JSONL):
            raise PydanticCustomError("format", "rows in the message are jsonl")
        unknown = find_unknown_field(self.model, self.rename.values())
        if unknown is not None:
            raise PydanticCustomError(
                "rename", "rename: the model has no field {field}", {"field": ascii(unknown)}
            )
        if self.input is not None and self._format is None:
            raise PydanticCustomError(
                "format", "the input's name does not end with a format, so format is needed"
            )
        return self

    @property
    def _format(self) -> Format | None:
        if self.input is None:
            return Format.JSONL
        return self.format or format_of(self.input)

    def to_task(self) -> Task:
        return Task(self.job_id)

    def to_submission(self) -> Submission:
        format = self._format
        assert format is not None  # noqa: S101 -- validated
        return Submission(
            owner=self.submitted_by,
            model=self.model,
            input_format=format,
            output_format=self.output_format or format,
            pin=None if self.pin is None else Pin.parse(self.pin),
            input=self.input,
            rows=self.rows,
            rename=self.rename,
            escape_formulas=self.escape_formulas,
        )


def parse(body: str) -> TaskMessage | SubmissionMessage:
    """Raises MessageInvalid, whose reason names the fields."""
    try:
        document = strict_json.parse(body.encode("utf-8", "surrogatepass"))
    except MalformedJson as error:
        raise MessageInvalid(f"the message is not JSON: {error}", *_sender_of(body)) from error
    if not isinstance(document, dict):
        raise MessageInvalid("the message is not a JSON object")
    # Every task of ours has a chunk, if only null; no submission has one.
    kind = TaskMessage if "chunk" in document else SubmissionMessage
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        raise MessageInvalid(_reason(details), *_sender(document)) from None


def _reason(errors: Sequence[Mapping[str, Any]]) -> str:
    shown = [
        f"{fault.field}: {_OUR_WORDS.get(fault.type, fault.detail)}"
        for fault in islice(faults(errors, whole="message"), _MOST_SHOWN)
    ]
    more = [f"and {len(errors) - _MOST_SHOWN} more"] if len(errors) > _MOST_SHOWN else []
    return "; ".join(shown + more)


def _sender_of(body: str) -> tuple[str | None, str | None]:
    """Of what is nearly JSON, such as with NaN, as Python writes it."""
    with suppress(ValueError, RecursionError):
        document = json.loads(body)
        if isinstance(document, dict):
            return _sender(document)
    return None, None


def _sender(document: Mapping[str, Any]) -> tuple[str | None, str | None]:
    job_id, owner = document.get("job_id"), document.get("submitted_by")
    return (
        job_id if isinstance(job_id, str) and JOB_ID.fullmatch(job_id) else None,
        owner if isinstance(owner, str) and OWNER.fullmatch(owner) else None,
    )
