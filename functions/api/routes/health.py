"""Health checks: whether the process runs, and whether its models work."""

from fastapi import APIRouter
from pydantic import BaseModel

from functions.api.problems import documented
from mlops.errors import ArtifactError, ConfigInvalid
from mlops.inference.pinned import PinnedModels


class Alive(BaseModel):
    status: str


class Ready(Alive):
    models: list[str]


def health_router(models: PinnedModels) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Check that the process runs", responses=documented())
    async def healthz() -> Alive:
        return Alive(status="ok")

    @router.get(
        "/readyz",
        summary="Check that every model is loaded and reproduces its golden rows",
        responses=documented(ArtifactError),
    )
    async def readyz() -> Ready:
        ready = [models.get(name) for name in models]
        if not ready:
            raise ConfigInvalid("MLOPS_PINS", "no model is pinned")
        for served in ready:
            served.check()
        return Ready(status="ready", models=[served.version for served in ready])

    return router
