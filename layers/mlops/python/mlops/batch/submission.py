"""A batch job as callers ask for it, in a request to the API and in a message on the queue."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from mlops.batch.job import (
    MAX_COLUMN_NAME,
    MAX_RENAMES,
    ROWS_PER_CHUNK,
    Format,
    format_of,
)
from mlops.batch.jobs import Submission
from mlops.errors import PinInvalid
from mlops.inference.version import Pin
from mlops.models.schemas import Request
from mlops.models.validation import at_most

# A strict model would take no text for a member of an enumeration, and JSON has nothing else.
AnyFormat = Annotated[Format, Field(strict=False)]
ColumnName = Annotated[str, Field(max_length=MAX_COLUMN_NAME)]
FieldName = Annotated[str, Field(min_length=1, max_length=64)]

_PIN_PATTERN = r"^[a-z0-9-]+-model-v[0-9]+\.[0-9]+\.[0-9]+@sha256:[0-9a-f]{64}$"


class BatchRequest(Request):
    # The API describes it as two schemas, one for rows and one for an input: see its openapi.py.
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
        description="The `input` of an upload, or the `s3://` URL of another object in your upload"
        " folder.",
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
