"""The FastAPI application; the same object behind uvicorn and behind Lambda."""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI
from structlog.typing import FilteringBoundLogger

from functions.api.callers import Identify, identify_by_gateway
from functions.api.openapi import DocumentedApi
from functions.api.problems import install
from functions.api.routes.predict import predict_route, unknown_model_route
from functions.api.settings import Settings
from functions.api.telemetry import RequestLog, Telemetry
from mlops.bootstrap import open_objects, pinned_models
from mlops.bootstrap.logs import open_logger
from mlops.errors import MlopsError
from mlops.inference.pinned import PinnedModels

if TYPE_CHECKING:
    from functions.api.batch import Batch


def new_request_id() -> str:
    """128 random bits: two never meet."""
    return os.urandom(16).hex()


def new_log_key() -> str:
    """Return a key that nobody can guess; hashes made with it end with the process."""
    return os.urandom(32).hex()


def new_prediction_id() -> str:
    """128 random bits: two never meet."""
    return f"pred_{os.urandom(16).hex()}"


def create_app(
    settings: Settings,
    *,
    models: PinnedModels | None = None,
    batch: "Batch | None" = None,
    identify: Identify = identify_by_gateway,
    logger: FilteringBoundLogger | None = None,
    clock: Callable[[], float] = time.perf_counter,
    now: Callable[[], float] = time.time,
    new_request_id: Callable[[], str] = new_request_id,
    new_prediction_id: Callable[[], str] = new_prediction_id,
) -> FastAPI:
    """Build the app and load its models.

    A model that cannot be loaded does not stop the others: that is logged, and each request for it
    tries to load it again, and is answered with a 503 until it is there.

    Args:
        identify: names the caller of a request. Unless told otherwise the app trusts only what API
            Gateway has authenticated.

    Raises:
        PinInvalid: the settings hold pins that cannot be read.
    """
    if models is None:
        models = pinned_models(
            settings.parsed_pins(),
            baked=settings.models_dir,
            store=settings.store,
            cache=settings.cache_dir,
        )
    telemetry = Telemetry(
        logger or open_logger("api"),
        key=settings.log_key or new_log_key(),
        namespace=settings.metrics_namespace,
        now=now,
    )
    for model in models:
        try:
            models.get(model)
        except MlopsError as error:
            telemetry.not_loaded(model, error)

    app = DocumentedApi(
        title="mlops-pipeline",
        summary="Predictions of versioned models.",
        description="Every path that answers GET answers HEAD, too, without a body.",
        version="1",
        docs_url=None,  # FastAPI's own page loads its parts from the internet
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        root_path=settings.base_path,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,  # a redirect would repeat the path
        openapi_url="/openapi.json" if settings.docs else None,
    )
    install(app, telemetry)
    if settings.allowed_origins:
        from functions.api.cors import allow_origins

        allow_origins(app, settings.allowed_origins, serves_files=settings.serves_objects)
    # Predictions come first: routes are tried in their order.
    app.router.routes[:0] = [
        predict_route(
            model,
            models,
            telemetry,
            release=settings.release,
            new_prediction_id=new_prediction_id,
        )
        for model in models
    ]
    app.describe_models(models)
    app.include_later(lambda: _include_rest(app, settings, models, batch, identify, telemetry))
    app.add_middleware(
        RequestLog,
        telemetry=telemetry,
        release=settings.release,
        new_id=new_request_id,
        clock=clock,
    )
    return app


def _include_rest(
    app: FastAPI,
    settings: Settings,
    models: PinnedModels,
    batch: "Batch | None",
    identify: Identify,
    telemetry: Telemetry,
) -> None:
    from functions.api.batch import batch_on_demand
    from functions.api.routes.batch import batch_router
    from functions.api.routes.health import health_router
    from functions.api.routes.models import models_router

    app.include_router(health_router(models))
    app.include_router(models_router(models))
    app.include_router(
        batch_router(batch or batch_on_demand(settings), models, telemetry, identify)
    )
    app.router.routes.append(unknown_model_route(models))
    if settings.docs:
        from functions.api.routes.docs import docs_router

        app.include_router(docs_router(app.title))
    if settings.serves_objects:
        from functions.api.routes.local_objects import local_objects_router

        app.include_router(local_objects_router(lambda: open_objects(settings.store or "")))
