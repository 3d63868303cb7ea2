"""POST /v1/predict/<model>: one request, one prediction."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from functions.api.body import read_model
from functions.api.problems import BODY_PROBLEMS, documented
from functions.api.telemetry import Telemetry
from mlops.errors import ArtifactError, ModelNotFound
from mlops.inference.pinned import PinnedModels
from mlops.models.contract import Contract

DIGEST_HEADER = "Model-Digest"
RELEASE_HEADER = "Release"


class _WholeRoute(APIRoute):
    """A route that FastAPI describes, but that the endpoint handles alone.

    The endpoint takes the request and returns the response. FastAPI would look for dependencies at
    each request, and read the endpoint's source at the first. Errors reach the application's
    handlers as they do from other routes.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]],
        **described: Any,
    ) -> None:
        super().__init__(path, endpoint, **described)

        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        self.app = answered


def predict_path(contract: Contract) -> str:
    return f"/v1/predict/{contract.model}"


def add_predict_route(
    router: APIRouter,
    contract: Contract,
    models: PinnedModels,
    telemetry: Telemetry,
    *,
    release: str,
    new_prediction_id: Callable[[], str],
) -> None:
    async def predict(request: Request) -> Response:
        body = await read_model(request, contract.request)
        served = models.get(contract.model)
        telemetry.predicting(
            request.scope, subject=contract.subject(body), model_version=served.version
        )
        prediction = served.predictor.predict_one(contract.columns([body]))
        telemetry.predicted(request.scope, prediction)
        answer = contract.answer(
            body, prediction, model_version=served.version, prediction_id=new_prediction_id()
        )
        # It is validated already; FastAPI would do so again.
        return Response(
            answer.model_dump_json(),
            headers={DIGEST_HEADER: served.pin.digest, RELEASE_HEADER: release},
            media_type="application/json",
        )

    router.add_api_route(
        predict_path(contract),
        predict,
        route_class_override=_WholeRoute,
        tags=["predict"],
        methods=["POST"],
        name=f"predict_{contract.model}",
        summary=f"{contract.title}: make one prediction",
        responses={
            200: {
                "content": {"application/json": {"schema": _reference(contract.response)}},
                "headers": {
                    DIGEST_HEADER: {
                        "description": "Digest of the manifest of the model that answered.",
                        "schema": {"type": "string"},
                    },
                    RELEASE_HEADER: {
                        "description": "Release that answered, which is a Lambda version.",
                        "schema": {"type": "string"},
                    },
                },
            },
            **documented(*BODY_PROBLEMS, ModelNotFound, ArtifactError),
        },
        openapi_extra={"requestBody": _described(contract)},
    )


def _described(contract: Contract) -> dict[str, Any]:
    """Return the description of the body, which FastAPI does not know."""
    content = {
        "schema": _reference(contract.request),
        "examples": {
            name: {"summary": name, "value": value} for name, value in contract.examples.items()
        },
    }
    return {"content": {"application/json": content}, "required": True}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    """Refer to a schema that `openapi.py` adds. FastAPI would import pydantic 1 for it."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}
