"""/docs works without the internet: every file of the page is the application's own."""

import re
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from functions.api.settings import Settings
from tests.unit.api.service import Answer, Service, service

Door = Callable[[Service, str], Answer]


def _asgi(api: Service, path: str) -> Answer:
    return api.asgi("GET", path)


def _lambda(api: Service, path: str) -> Answer:
    return api.through_lambda("GET", path)


@pytest.fixture(params=[_asgi, _lambda], ids=["asgi", "lambda"])
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = request.param
    return found


class References(HTMLParser):
    """The URLs that a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.urls += [value for name, value in attrs if name in ("src", "href") and value]


@pytest.mark.parametrize("base", ["", "/prod", "/a/b"])
def test_the_page_loads_only_files_of_the_application(door: Door, base: str) -> None:
    api = service(settings=Settings(base_path=base))
    page = door(api, f"{base}/docs")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    text = page.body.decode()
    assert "https://" not in text
    assert "http://" not in text
    described = re.findall("url: '([^']*)'", text)
    assert described == [f"{base}/openapi.json"]
    references = References(text).urls
    assert len(references) == 3
    for url in [*references, *described]:
        answer = door(api, url)
        assert answer.status == 200, url
        assert len(answer.body) > 500, url


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("swagger-ui-bundle.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("favicon-32x32.png", "image/png"),
    ],
)
def test_a_file_is_the_locked_packages_and_may_be_kept(
    api: Service, door: Door, name: str, media_type: str
) -> None:
    answer = door(api, f"/docs/{name}")
    locked = files("fastapi_swagger.resources").joinpath(name).read_bytes()
    assert sha256(answer.body).digest() == sha256(locked).digest()
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers["cache-control"] == "private, max-age=3600"
    # Lambda answers with 6 MB at most, and a third more is needed for bytes in base64.
    assert len(answer.body) < 4_000_000


@pytest.mark.parametrize("name", ["main.py", "..%2fmain.py", "__init__.py", "x", ""])
def test_no_other_file_is_served(api: Service, door: Door, name: str) -> None:
    assert door(api, f"/docs/{name}").status == 404
