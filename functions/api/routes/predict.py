"""POST /v1/predict/<model>: one request, one prediction."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel

from functions.api.body import StrictJsonRoute
from functions.api.problems import BODY_PROBLEMS, documented
from functions.api.telemetry import Telemetry
from mlops.errors import ArtifactError, ModelNotFound
from mlops.inference.pinned import PinnedModels
from mlops.models.contract import Contract
from mlops.models.contract import Request as ModelRequest

DIGEST_HEADER = "Model-Digest"
RELEASE_HEADER = "Release"


def predict_router(
    contract: Contract,
    models: PinnedModels,
    telemetry: Telemetry,
    *,
    release: str,
    new_prediction_id: Callable[[], str],
) -> APIRouter:
    router = APIRouter(prefix="/v1/predict", tags=["predict"], route_class=StrictJsonRoute)
    examples: Any = {
        name: {"summary": name, "value": value} for name, value in contract.examples.items()
    }

    async def predict(request: Request, response: Response, body: ModelRequest) -> BaseModel:
        served = models.get(contract.model)
        telemetry.predicting(
            request.scope, subject=contract.subject(body), model_version=served.version
        )
        (prediction,) = served.predictor.predict(contract.columns([body])).tolist()
        telemetry.predicted(request.scope, prediction)
        response.headers[DIGEST_HEADER] = served.pin.digest
        response.headers[RELEASE_HEADER] = release
        return contract.answer(
            body, prediction, model_version=served.version, prediction_id=new_prediction_id()
        )

    # The request's class is known only now; FastAPI reads it from here.
    predict.__annotations__["body"] = contract.request
    predict.__defaults__ = (Body(openapi_examples=examples),)
    router.add_api_route(
        f"/{contract.model}",
        predict,
        methods=["POST"],
        name=f"predict_{contract.model}",
        summary=f"{contract.title}: predict one",
        response_model=contract.response,
        responses={
            200: {
                "headers": {
                    DIGEST_HEADER: {
                        "description": "Digest of the manifest of the model that answered.",
                        "schema": {"type": "string"},
                    },
                    RELEASE_HEADER: {
                        "description": "Release that answered: a Lambda version.",
                        "schema": {"type": "string"},
                    },
                }
            },
            **documented(*BODY_PROBLEMS, ModelNotFound, ArtifactError),
        },
    )
    return router
