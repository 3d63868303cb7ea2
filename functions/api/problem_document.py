"""The JSON of a problem."""

from pydantic import BaseModel, ConfigDict, Field

from functions.api.problems import INVALID, TYPE_PREFIX


class FieldProblem(BaseModel):
    field: str = Field(description="Name of the field; with dots where it is nested.")
    type: str = Field(description="Stable: what is wrong, such as `missing`.")
    detail: str


class Problem(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "description": "RFC 9457 problem details; `errors` is there where fields are to blame.",
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
            ],
        }
    )

    type: str
    title: str
    status: int
    detail: str | None = None
    request_id: str = Field(description="Quote it when asking for help.")
    errors: list[FieldProblem] | None = None
