"""/local/…: URLs for the objects of a folder, in place of a bucket's presigned URLs.

For `make run` only. Like presigned URLs they need no credentials, so they lead only to the files of
batch jobs, and take only inputs.
"""

from collections.abc import Callable
from functools import partial
from tempfile import TemporaryFile

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from functions.api.batch import BatchRoute
from mlops.batch.job import UPLOADS
from mlops.batch.jobs import MAX_INPUT_BYTES
from mlops.errors import ObjectExists, ObjectNotFound, StoreUnavailable
from mlops.local.files import store_error
from mlops.local.links import ROUTE
from mlops.registry.objects import ObjectStore, check_key

_SHOWN = "batch/"
_BLOCK = 1024 * 1024


def local_objects_router(objects: Callable[[], ObjectStore]) -> APIRouter:
    router = APIRouter(include_in_schema=False, route_class=BatchRoute)

    @router.get(f"{ROUTE}{{key:path}}")
    def get_object(key: str) -> Response:
        _require(key, _SHOWN)
        try:
            content = objects().get(key).content
        except ObjectNotFound as error:
            raise HTTPException(404) from error
        return Response(content, media_type="application/octet-stream")

    @router.put(f"{ROUTE}{{key:path}}")
    async def put_object(key: str, request: Request) -> Response:
        _require(key, UPLOADS)
        size = _signed_size(request)
        with TemporaryFile() as file:  # so that no more than a block is in memory
            async for block in request.stream():
                try:
                    file.write(block)
                except OSError as error:
                    raise store_error(key, error) from error
            if file.tell() != size:
                raise HTTPException(403)
            file.seek(0)
            blocks = iter(partial(file.read, _BLOCK), b"")
            try:
                await run_in_threadpool(objects().create_from, key, blocks)
            except ObjectExists as error:
                raise HTTPException(412) from error
        return Response()

    return router


def _signed_size(request: Request) -> int:
    """Raises HTTPException where a bucket would find the signature of the headers wrong."""
    size = request.query_params.get("bytes", "")
    sent = (request.headers.get("content-length"), request.headers.get("if-none-match"))
    if sent != (size, "*") or not size.isdecimal() or int(size) > MAX_INPUT_BYTES:
        raise HTTPException(403)
    return int(size)


def _require(key: str, prefix: str) -> None:
    """Raises HTTPException where nothing below `prefix` has this key."""
    try:
        check_key(key)
    except StoreUnavailable as error:
        raise HTTPException(404) from error
    if not key.startswith(prefix):
        raise HTTPException(404)
