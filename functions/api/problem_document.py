"""The JSON of a problem."""

from pydantic import BaseModel, ConfigDict, Field


class FieldProblem(BaseModel):
    field: str = Field(description="The field's name. Names of nested fields are joined with dots.")
    type: str = Field(description="A stable code of the error, such as `missing`.")
    detail: str


class Problem(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "description": "Problem details (RFC 9457). `errors` lists the invalid fields, if any."
        }
    )

    type: str = Field(description="A stable URI of the kind of problem.")
    title: str
    status: int
    detail: str | None = None
    request_id: str = Field(description="Id of the request. Quote it when you ask for help.")
    errors: list[FieldProblem] | None = None
