"""The API's description, OpenAPI 3.1."""

from typing import Any

from pydantic.json_schema import models_json_schema

from functions.api.lazy import LazyApi
from functions.api.telemetry import REQUEST_ID_HEADER
from mlops.models.catalogue import CONTRACTS

# What FastAPI says of bad requests; ours are answered with a Problem.
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")
_REQUEST_ID = {
    "description": "Of this request; the logs know it.",
    "schema": {"type": "string"},
}


class DocumentedApi(LazyApi):
    """Adds to FastAPI's description what all answers share."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema:
            return self.openapi_schema
        self.include_rest()
        document = super().openapi()
        schemas = document["components"]["schemas"]
        for name in _FASTAPIS_OWN:
            schemas.pop(name, None)
        schemas |= _own_schemas()
        for operations in document["paths"].values():
            for operation in operations.values():
                _drop_fastapis_422(operation["responses"])
                for response in operation["responses"].values():
                    response.setdefault("headers", {})[REQUEST_ID_HEADER] = _REQUEST_ID
        return document


def _own_schemas() -> dict[str, Any]:
    """Those that FastAPI does not know, and those from whose examples it takes every null."""
    from functions.api.documents import JobDocument
    from functions.api.problem_document import Problem

    _, schema = models_json_schema(
        [
            (Problem, "serialization"),
            (JobDocument, "serialization"),
            *((contract.request, "validation") for contract in CONTRACTS.values()),
            *((contract.response, "serialization") for contract in CONTRACTS.values()),
        ],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Any] = schema["$defs"]
    return schemas


def _drop_fastapis_422(responses: dict[str, Any]) -> None:
    """It adds one wherever a path has a parameter, though ours take any text."""
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
