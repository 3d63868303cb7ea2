"""POST /v1/predict/<model>: one request, one prediction."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Body, Request, Response

from functions.api.body import StrictJsonRoute
from functions.api.problems import BODY_PROBLEMS, documented
from functions.api.telemetry import Telemetry
from mlops.errors import ArtifactError, ModelNotFound
from mlops.inference.pinned import PinnedModels
from mlops.models.contract import Contract
from mlops.models.contract import Request as ModelRequest

DIGEST_HEADER = "Model-Digest"
RELEASE_HEADER = "Release"


def add_predict_route(
    router: APIRouter,
    contract: Contract,
    models: PinnedModels,
    telemetry: Telemetry,
    *,
    release: str,
    new_prediction_id: Callable[[], str],
) -> None:
    examples: Any = {
        name: {"summary": name, "value": value} for name, value in contract.examples.items()
    }

    async def predict(request: Request, body: ModelRequest) -> Response:
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

    # The request's class is known only now; FastAPI reads it from here.
    predict.__annotations__["body"] = contract.request
    predict.__defaults__ = (Body(openapi_examples=examples),)
    router.add_api_route(
        f"/v1/predict/{contract.model}",
        predict,
        route_class_override=StrictJsonRoute,
        tags=["predict"],
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
