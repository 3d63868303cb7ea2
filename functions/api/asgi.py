"""The application for uvicorn, which calls `create` in each of its workers."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from fastapi import FastAPI

from functions.api.app import create_app
from functions.api.callers import identify_local
from functions.api.settings import read_settings

_PAUSE_SECONDS = 1.0
_PATIENCE_SECONDS = 10
"""A worker ends between two tasks, and one of 10,000 rows takes less than a second."""


def create() -> FastAPI:
    settings = read_settings()
    app = create_app(settings, identify=identify_local)
    # A queue in SQS has the Lambda to work on it.
    if settings.queue and not urlsplit(settings.queue).scheme:
        app.router.lifespan_context = _with_worker
    gc.freeze()  # as in handler.py
    return app


@asynccontextmanager
async def _with_worker(app: FastAPI) -> AsyncIterator[None]:
    """Work on the queue in a process that lives as long as this one, and reloads with it."""
    supervised = asyncio.create_task(_keep_working())
    try:
        yield
    finally:
        supervised.cancel()
        with suppress(asyncio.CancelledError):
            await supervised


async def _keep_working() -> None:
    """A worker that dies is replaced; its task is received again when its time is over."""
    while True:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "functions.batch", "--parent", str(os.getpid())),
            stdin=asyncio.subprocess.DEVNULL,
        )
        try:
            code = await worker.wait()
        finally:
            await _end(worker)
        print(f"The batch worker ended with {code}; another one takes over.", file=sys.stderr)
        await asyncio.sleep(_PAUSE_SECONDS)


async def _end(worker: asyncio.subprocess.Process) -> None:
    if worker.returncode is not None:
        return
    worker.terminate()
    try:
        await asyncio.wait_for(worker.wait(), _PATIENCE_SECONDS)
    except TimeoutError:
        worker.kill()
        await worker.wait()
