"""/local/…: what a bucket's presigned URLs are, for the objects of a folder.

For `make run` only. Like those URLs it asks for no credentials; so it shows nothing but batch jobs,
and takes nothing but their inputs.
"""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from functions.api.batch import BatchRoute
from functions.api.body import read_body
from mlops.batch.job import UPLOADS
from mlops.batch.jobs import MAX_INPUT_BYTES
from mlops.errors import ObjectExists, ObjectNotFound, StoreUnavailable
from mlops.local.links import ROUTE
from mlops.registry.objects import ObjectStore, check_key

_SHOWN = "batch/"


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
        content = await read_body(request, MAX_INPUT_BYTES)
        try:
            await run_in_threadpool(objects().create, key, content)
        except ObjectExists as error:
            raise HTTPException(412) from error
        return Response()

    return router


def _require(key: str, prefix: str) -> None:
    """Raises HTTPException where nothing below `prefix` has this key."""
    try:
        check_key(key)
    except StoreUnavailable as error:
        raise HTTPException(404) from error
    if not key.startswith(prefix):
        raise HTTPException(404)
