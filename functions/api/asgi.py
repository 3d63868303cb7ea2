"""The application for uvicorn, which calls `create` in each of its workers."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI

from functions.api.app import create_app
from functions.api.settings import read_settings

_PATIENCE_SECONDS = 10
"""A worker ends between two tasks, and one of 10,000 rows takes less than a second."""


def create() -> FastAPI:
    settings = read_settings()
    app = create_app(settings)
    # A queue in SQS has the Lambda to work on it.
    if settings.queue and not urlsplit(settings.queue).scheme:
        app.router.lifespan_context = _with_worker
    return app


@asynccontextmanager
async def _with_worker(app: FastAPI) -> AsyncIterator[None]:
    """Work on the queue in a process that lives as long as this one, and reloads with it."""
    worker = subprocess.Popen(  # noqa: S603 -- no text of a stranger
        [sys.executable, "-m", "functions.batch", "--parent", str(os.getpid())],
        env=os.environ | {"POWERTOOLS_SERVICE_NAME": "batch"},
        stdin=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()  # its task is received again when its time is over
            worker.wait()
