"""/docs: Swagger UI, with all of its files from the locked package `fastapi-swagger`.

So the page works without the internet, and runs no script but the one whose hash is locked.
"""

from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

PATH = "/docs"
_SCRIPT, _STYLE, _ICON = "swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"
_MEDIA_TYPES = {_SCRIPT: "text/javascript", _STYLE: "text/css", _ICON: "image/png"}
# A browser asks again when the page is opened again an hour later: a release may bring other files.
_CACHED = {"Cache-Control": "private, max-age=3600"}


def docs_router(title: str) -> APIRouter:
    """Return the routes of the page and of its files."""
    router = APIRouter(prefix=PATH, include_in_schema=False)

    @router.get("")
    def show_page(request: Request) -> HTMLResponse:
        base = request.scope["root_path"]
        return get_swagger_ui_html(
            openapi_url=f"{base}/openapi.json",
            title=title,
            swagger_js_url=f"{base}{PATH}/{_SCRIPT}",
            swagger_css_url=f"{base}{PATH}/{_STYLE}",
            swagger_favicon_url=f"{base}{PATH}/{_ICON}",
        )

    @router.get("/{name}")
    def show_file(name: str) -> Response:
        if name not in _MEDIA_TYPES:
            raise HTTPException(404)
        content = files("fastapi_swagger.resources").joinpath(name).read_bytes()
        return Response(content, media_type=_MEDIA_TYPES[name], headers=_CACHED)

    return router
