"""POST /v1/predict/<model>: one request, one prediction."""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from functions.api.body import read_model
from functions.api.problems import BODY_PROBLEMS, documented
from functions.api.telemetry import Telemetry
from mlops.errors import ArtifactError, ModelNotFound
from mlops.inference.pinned import PinnedModels
from mlops.models.contract import Contract
from mlops.models.validation import MAX_NAME

DIGEST_HEADER = "Model-Digest"
RELEASE_HEADER = "Release"


def predict_path(model: str) -> str:
    return f"/v1/predict/{model}"


def predict_route(
    model: str,
    models: PinnedModels,
    telemetry: Telemetry,
    *,
    release: str,
    new_prediction_id: Callable[[], str],
) -> Route:
    """Return the route that predicts with one model.

    FastAPI only describes it (see `describe_predict_routes`): for each request it would look for
    dependencies, and validate the answer again.
    """

    async def predict(request: Request) -> Response:
        telemetry.asked(request.scope, model)
        served = models.get(model)
        contract = served.contract
        body = await read_model(request, contract.request)
        telemetry.predicting(
            request.scope, model_version=served.version, subject=contract.subject_of(body)
        )
        numbers = served.predictor.predict_one(contract.encoder.tensors([body]))
        telemetry.predicted(request.scope, contract.watched_one(numbers))
        answer = contract.answer_to(
            body, numbers, model_version=served.version, prediction_id=new_prediction_id()
        )
        return Response(
            answer.model_dump_json(),
            headers={DIGEST_HEADER: served.pin.digest, RELEASE_HEADER: release},
            media_type="application/json",
        )

    return _PredictRoute(predict_path(model), predict, methods=["POST"])


class _PredictRoute(Route):
    """A route that the log line of a request names, as it does those of FastAPI."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        if match is Match.PARTIAL:  # of another method; the route of unknown models must not answer
            match = Match.FULL
        return match, {**found, "route": self}


def unknown_model_route(models: PinnedModels) -> Route:
    """Return the route that answers for models that are not served."""

    return Route(predict_path("{model}"), _UnknownModel(models))


class _UnknownModel:
    """An ASGI application, so that it answers every method."""

    def __init__(self, models: PinnedModels) -> None:
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ModelNotFound(scope["path_params"]["model"][:MAX_NAME], tuple(self._models))


def describe_predict_routes(contracts: Iterable[Contract]) -> list[BaseRoute]:
    """Return the routes that FastAPI describes in place of those that predict."""
    router = APIRouter()
    for contract in contracts:
        router.add_api_route(
            predict_path(contract.model),
            _described_elsewhere,
            tags=["predict"],
            methods=["POST"],
            name=f"predict_{contract.model}",
            summary=f"{contract.title}: make one prediction",
            generate_unique_id_function=lambda route: route.name,
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
    return router.routes


def _described_elsewhere() -> Response:
    raise NotImplementedError


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
