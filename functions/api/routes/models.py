"""GET /v1/models: the models that are served, and how they were trained."""

import json
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from functions.api.problems import documented
from mlops.errors import ArtifactError, ModelNotFound
from mlops.inference.loading import ServedModel
from mlops.inference.pinned import PinnedModels


class ModelSummary(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model: str
    title: str
    task: str = Field(description="`binary`, `multiclass`, `regression` or `forecast`.")
    model_version: str
    digest: str = Field(description="Digest of the version's manifest, `sha256:…`.")
    trained_at: datetime


class ModelList(BaseModel):
    models: list[ModelSummary]


class ModelDetail(ModelSummary):
    data_digest: str = Field(description="Digest of the training data.")
    code_sha: str | None = Field(description="Commit of the code that trained the model.")
    metrics: dict[str, Any]
    features: dict[str, Any] = Field(
        description="JSON Schema of a request, with fields, categories and ranges."
    )
    response: dict[str, Any] = Field(description="JSON Schema of an answer.")
    contract: dict[str, Any] = Field(
        description="The contract, as it is in the version: fields, rules, answer, examples."
    )


def models_router(models: PinnedModels) -> APIRouter:
    router = APIRouter(prefix="/v1/models", tags=["models"])

    @router.get("", summary="List the models", responses=documented(ArtifactError))
    async def list_models() -> ModelList:
        return ModelList(models=[ModelSummary(**_summary(models.get(name))) for name in models])

    @router.get(
        "/{model}",
        summary="Show a model",
        responses=documented(ModelNotFound, ArtifactError),
    )
    async def show_model(model: str) -> ModelDetail:
        served = models.get(model)
        origin = served.manifest.provenance
        return ModelDetail(
            **_summary(served),
            data_digest=origin.data_digest,
            code_sha=origin.code_sha,
            metrics=dict(served.manifest.metrics),
            features=served.contract.request.model_json_schema(),
            response=served.contract.response.model_json_schema(mode="serialization"),
            contract=json.loads(served.contract.to_json()),
        )

    return router


def _summary(served: ServedModel) -> dict[str, Any]:
    return {
        "model": served.contract.model,
        "title": served.contract.title,
        "task": served.contract.task,
        "model_version": served.version,
        "digest": served.pin.digest,
        "trained_at": served.manifest.provenance.trained_at,
    }
