"""The application for uvicorn, which calls `create` in each server process."""

import asyncio
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from multiprocessing.process import BaseProcess
from urllib.parse import urlsplit

from fastapi import FastAPI

from functions.api.app import create_app
from functions.api.callers import identify_local
from functions.api.connections import AcceptErrors
from functions.api.settings import read_settings

_PAUSE_SECONDS = 1.0
_PATIENCE_SECONDS = 10
"""A worker ends between two tasks, and a task of 10,000 rows takes less than a second."""


def create() -> FastAPI:
    if (supervisor := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_end_with, args=(supervisor,), daemon=True).start()
    settings = read_settings()
    app = create_app(settings, identify=identify_local)
    # A queue in SQS has the Lambda to work on it.
    has_worker = bool(settings.queue) and not urlsplit(settings.queue or "").scheme
    app.router.lifespan_context = _with_worker if has_worker else _without_worker
    gc.freeze()  # as in handler.py
    return app


def _end_with(supervisor: BaseProcess) -> None:
    """Stop this server once its supervisor has ended, however it ended.

    Otherwise a server whose supervisor was killed would keep the port, with code and models that
    nobody updates any more.
    """
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)


@asynccontextmanager
async def _without_worker(app: FastAPI) -> AsyncIterator[None]:
    asyncio.get_running_loop().set_exception_handler(AcceptErrors())
    yield


@asynccontextmanager
async def _with_worker(app: FastAPI) -> AsyncIterator[None]:
    """Work on the queue in a process that lives as long as this one, and reloads with it."""
    async with _without_worker(app):
        supervised = asyncio.create_task(_keep_working())
        try:
            yield
        finally:
            supervised.cancel()
            with suppress(asyncio.CancelledError):
                await supervised


async def _keep_working() -> None:
    """Replace a worker that ends; its task is received again after its visibility timeout."""
    while True:
        try:
            reason = f"ended with {await _work()}"
        except OSError as error:  # no descriptor or no process is left
            reason = f"cannot be started ({error.strerror})"
        print(f"The batch worker {reason}; it is started again.", file=sys.stderr, flush=True)
        await asyncio.sleep(_PAUSE_SECONDS)


async def _work() -> int:
    """Run a worker until it ends, and return its exit code."""
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "functions.batch", "--parent", str(os.getpid())),
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        return await worker.wait()
    finally:
        await _end(worker)


async def _end(worker: asyncio.subprocess.Process) -> None:
    if worker.returncode is not None:
        return
    worker.terminate()
    try:
        await asyncio.wait_for(worker.wait(), _PATIENCE_SECONDS)
    except TimeoutError:
        worker.kill()
        await worker.wait()
