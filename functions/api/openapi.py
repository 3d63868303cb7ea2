"""The API's description, OpenAPI 3.1, which programs can generate clients from."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from functions.api.lazy import LazyApi
from functions.api.routes.predict import describe_predict_routes
from functions.api.telemetry import REQUEST_ID_HEADER
from mlops.errors import MlopsError
from mlops.inference.pinned import PinnedModels
from mlops.models.contract import Contract

# FastAPI's schemas of bad requests; this API answers those with a Problem.
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")
_REQUEST_ID = {
    "description": "Id of the request, which is in the service's log, too.",
    "schema": {"type": "string"},
}
_SECURITY_SCHEMES = {
    "jwt": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "For stacks with a JwtIssuer: a token of that issuer.",
    },
    "sigv4": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "x-amazon-apigateway-authtype": "awsSigv4",
        "description": "For all other stacks: AWS Signature Version 4 for execute-api.",
    },
}
_ANY_SCHEME: list[dict[str, list[str]]] = [{"jwt": []}, {"sigv4": []}]
_NULL = {"const": None}  # openapi-generator fails at `"type": "null"`
_OPEN_TO_ALL = ("/healthz",)


class DocumentedApi(LazyApi):
    """Adds to FastAPI's description the schemas, headers and credentials that it does not know."""

    def describe_models(self, models: PinnedModels) -> None:
        """Describe what these models predict, as far as they can be loaded."""
        self._models = models

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema:
            return self.openapi_schema
        self.include_rest()
        contracts = self._contracts()
        document = get_openapi(
            title=self.title,
            version=self.version,
            openapi_version=self.openapi_version,
            summary=self.summary,
            description=self.description,
            servers=self.servers,
            routes=[*describe_predict_routes(contracts), *self.routes],
        )
        document["components"]["securitySchemes"] = _SECURITY_SCHEMES
        schemas = document["components"]["schemas"]
        for name in _FASTAPIS_OWN:
            schemas.pop(name, None)
        schemas |= _own_schemas(contracts)
        schemas |= _describe_submissions(schemas["BatchRequest"])
        for path, operations in document["paths"].items():
            for operation in operations.values():
                # At each operation, where every generator looks for it.
                operation["security"] = [] if path in _OPEN_TO_ALL else _ANY_SCHEME
                _drop_fastapis_422(operation["responses"])
                for response in operation["responses"].values():
                    response.setdefault("headers", {})[REQUEST_ID_HEADER] = _REQUEST_ID
        if len(contracts) == len(self._models):  # or the next request may find more of them
            self.openapi_schema = document
        return document

    def _contracts(self) -> list[Contract]:
        found = []
        for model in self._models:
            with suppress(MlopsError):
                found.append(self._models.get(model).contract)
        return found


def _describe_submissions(request: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of a submission: of rows, of an input, and of either.

    Generators leave out an operation whose body is one object with conditions on its fields.
    """
    fields = request["properties"]
    of_rows = {
        "rows": _required(fields["rows"]),
        "input": _NULL,
        "format": {
            **fields["format"],
            "anyOf": [{"type": "string", "const": "jsonl"}, {"type": "null"}],
        },
    }
    of_input = {"input": _required(fields["input"]), "rows": _NULL}
    return {
        "BatchOfRows": _submission(request, of_rows, "rows", "A batch job of rows in the request."),
        "BatchOfInput": _submission(request, of_input, "input", "A batch job of an uploaded file."),
        "BatchRequest": {
            "title": "BatchRequest",
            "description": "A batch job, either of `rows` or of an `input`.",
            "oneOf": [
                {"$ref": "#/components/schemas/BatchOfRows"},
                {"$ref": "#/components/schemas/BatchOfInput"},
            ],
        },
    }


def _submission(
    request: dict[str, Any], changed: dict[str, Any], needed: str, description: str
) -> dict[str, Any]:
    return {
        **request,
        "title": f"BatchOf{needed.title()}",
        "description": description,
        "properties": request["properties"] | changed,
        "required": [*request["required"], needed],
    }


def _required(field: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field that may be null, for where it must not be."""
    (schema,) = (either for either in field["anyOf"] if either != {"type": "null"})
    return {**schema, "title": field["title"], "description": field["description"]}


def _own_schemas(contracts: Sequence[Contract]) -> dict[str, Any]:
    """Return schemas that FastAPI does not know, or from whose examples it removes each null."""
    from functions.api.documents import JobDocument
    from functions.api.problem_document import Problem

    _, schema = models_json_schema(
        [
            (Problem, "serialization"),
            (JobDocument, "serialization"),
            *((contract.request, "validation") for contract in contracts),
            *((contract.response, "serialization") for contract in contracts),
        ],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Any] = schema["$defs"]
    return schemas


def _drop_fastapis_422(responses: dict[str, Any]) -> None:
    """Remove the 422 that FastAPI adds wherever a path has a parameter: ours take any text."""
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
