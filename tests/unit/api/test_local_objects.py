"""/local/…, which `make run` has in place of a bucket's presigned URLs."""

import errno
import io
import json
import os
from pathlib import Path

import pytest

from functions.api.callers import identify_local
from functions.api.routes import local_objects
from functions.api.settings import Settings
from tests.unit.api.batch_service import BATCH, ROWS, assert_problem, succeeded
from tests.unit.api.service import Answer, FakeSource, Service, service
from tests.unit.fakes import MemoryObjects
from tests.unit.inference.building import version_files

SERVED_AT = "http://127.0.0.1:8000"
KEY = "batch/uploads/local/march.csv"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    for key in ("batch/jobs/job_1/results.csv", "models/churn/model.onnx", "queue/messages/1"):
        (folder / key).parent.mkdir(parents=True)
        (folder / key).write_bytes(b"content")
    (tmp_path / "secret").write_bytes(b"content")
    return folder


@pytest.fixture
def api(store: Path) -> Service:
    return served(store)


def served(folder: Path, **changed: str | None) -> Service:
    source = FakeSource(version_files())
    settings = {
        "pins": str(source.pin),
        "store": str(folder),
        "queue": str(folder / "queue"),
        "served_at": SERVED_AT,
    }
    return service(
        source, settings=Settings.model_validate(settings | changed), identify=identify_local
    )


def test_a_page_of_an_allowed_origin_may_upload_and_download(store: Path) -> None:
    origin = "https://shop.example.com"
    api = served(store, cors_origins=origin)
    ask = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,if-none-match",
    }
    assert api.asgi("OPTIONS", f"/local/{KEY}?bytes=1", headers=ask).status == 200
    headers = {"Origin": origin, "If-None-Match": "*"}
    put = api.asgi("PUT", f"/local/{KEY}?bytes=1", b"x", media_type="text/csv", headers=headers)
    get = api.asgi("GET", f"/local/{KEY}", headers={"Origin": origin})
    assert (put.status, get.status) == (200, 200)
    for answer in (put, get):
        assert answer.headers["access-control-allow-origin"] == origin


def test_an_upload_is_used_in_a_job(api: Service, store: Path) -> None:
    content = bytes(range(256))
    body = b'{"format": "csv", "bytes": 256}'
    upload = api.asgi("POST", f"{BATCH}/uploads", body).json()
    assert upload["url"].startswith(f"{SERVED_AT}/local/batch/uploads/local/")
    path, headers = upload["url"].removeprefix(SERVED_AT), upload["headers"]
    answer = api.asgi("PUT", path, content, media_type="text/csv", headers=headers)
    assert answer.status == 200
    assert (store / upload["input"].removeprefix("s3://local/")).read_bytes() == content
    body = json.dumps({"model": "churn", "input": upload["input"]}).encode()
    assert api.asgi("POST", BATCH, body).status == 202
    (message,) = (store / "queue/messages").glob("*.json")
    assert json.loads(message.read_text())["chunk"] is None


def test_the_links_of_a_job_are_served(api: Service, store: Path) -> None:
    body = json.dumps({"model": "churn", "rows": ROWS, "output_format": "csv"}).encode()
    location = api.asgi("POST", BATCH, body).headers["location"]
    memory = MemoryObjects()
    succeeded(memory, Path(location).name)
    for key in memory.keys("batch/"):
        (store / key).write_bytes(memory.get(key).content)
    (store / f"batch/jobs/{Path(location).name}/results.csv").write_bytes(b"customer_id\n")
    links = api.asgi("GET", location).json()["links"]
    answer = api.asgi("GET", links["results"].removeprefix(SERVED_AT))
    assert (answer.status, answer.body) == (200, b"customer_id\n")
    assert answer.headers["content-type"] == "application/octet-stream"
    summary = api.asgi("GET", links["summary"].removeprefix(SERVED_AT)).json()
    assert summary["rows"] == {"total": 2, "done": 1, "failed": 1}


def test_an_object_is_uploaded_once(api: Service) -> None:
    assert put(api, KEY, b"first").status == 200
    assert_problem(put(api, KEY, b"second"), 412, "precondition-failed")
    assert api.asgi("GET", f"/local/{KEY}").body == b"first"


def put(api: Service, key: str, content: bytes) -> Answer:
    """Upload as a link asks for it."""
    headers = {"If-None-Match": "*"}
    return api.asgi("PUT", f"/local/{key}?bytes={len(content)}", content, headers=headers)


OUTSIDE = [
    "models/churn/model.onnx",
    "queue/messages/1",
    "registry/registry.sqlite",
    "",
    "batch",
    "batchx/y",
    "../secret",
    "/etc/passwd",
    "batch/../models/churn/model.onnx",
    "batch/%2e%2e/models/churn/model.onnx",
    "batch/..%2fmodels/churn/model.onnx",
    "batch/uploads/../../models/churn/model.onnx",
    "batch/uploads/%2e%2e/%2e%2e/models/churn/model.onnx",
    "batch//uploads/x",
    "batch/uploads/.x",
    "batch/uploads/",
    "batch/uploads/x%00y",
]


@pytest.mark.parametrize("key", OUTSIDE)
def test_nothing_else_is_shown_or_written(api: Service, store: Path, key: str) -> None:
    before = sorted(store.parent.rglob("*"))
    for method in ("GET", "PUT"):
        for answer in (
            api.asgi(method, f"/local/{key}"),
            api.through_lambda(method, f"/local/{key}"),
        ):
            assert_problem(answer, 404, "not-found")
    assert sorted(store.parent.rglob("*")) == before


@pytest.mark.parametrize("key", ["batch/jobs/job_1/results.csv", "batch/jobs/job_1/outcome.json"])
def test_jobs_are_only_read(api: Service, key: str) -> None:
    assert_problem(api.asgi("PUT", f"/local/{key}", b"forged"), 404, "not-found")


def test_what_is_not_there(api: Service) -> None:
    assert_problem(api.asgi("GET", f"/local/{KEY}"), 404, "not-found")
    assert_problem(api.asgi("GET", "/local/batch/jobs"), 404, "not-found")
    assert_problem(api.asgi("DELETE", f"/local/{KEY}"), 405, "method-not-allowed")


def test_an_upload_has_a_limit(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_objects, "MAX_INPUT_BYTES", 2_000_000)
    assert put(api, KEY, b"x" * 2_000_000).status == 200
    assert_problem(put(api, "batch/uploads/x", b"x" * 2_000_001), 403, "forbidden")
    assert_problem(api.asgi("GET", "/local/batch/uploads/x"), 404, "not-found")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"If-None-Match": "*"}),
        ("?bytes=6", {"If-None-Match": "*"}),
        ("?bytes=4", {"If-None-Match": "*"}),
        ("?bytes=four", {"If-None-Match": "*", "Content-Length": "four"}),
        ("?bytes=5", {}),
        ("?bytes=5", {"If-None-Match": '"another"'}),
    ],
)
def test_an_upload_that_a_bucket_would_refuse_is_refused(
    api: Service, query: str, headers: dict[str, str]
) -> None:
    """A bucket's link is signed for one size, and for an object that does not exist yet."""
    answer = api.asgi("PUT", f"/local/{KEY}{query}", b"first", headers=headers)
    assert_problem(answer, 403, "forbidden")
    assert_problem(api.asgi("GET", f"/local/{KEY}"), 404, "not-found")


@pytest.mark.parametrize(
    "changed", [{"store": "s3://bucket"}, {"served_at": None}, {"store": None}], ids=str
)
def test_elsewhere_there_is_no_such_route(store: Path, changed: dict[str, str | None]) -> None:
    api = served(store, **changed)
    answer = api.asgi("GET", "/local/batch/jobs/job_1/results.csv")
    assert_problem(answer, 404, "not-found")
    assert_problem(api.asgi("PUT", f"/local/{KEY}", b"x"), 404, "not-found")


def test_the_description_does_not_mention_it(api: Service) -> None:
    assert [path for path in api.app.openapi()["paths"] if "local" in path] == []


def test_the_log_does_not_name_the_object(api: Service) -> None:
    api.asgi("GET", "/local/batch/uploads/C12345")
    assert "C12345" not in api.log.getvalue().decode()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_an_upload_to_a_full_disk_says_that_the_store_is_full(
    api: Service, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_to_sync(monkeypatch, number)
    answer = put(api, KEY, b"content")
    assert_problem(answer, 507, "store-full")
    assert answer.json()["title"] == "The store is full"
    assert "Free some space" in answer.json()["detail"]
    monkeypatch.undo()
    assert put(api, KEY, b"content").status == 200


def test_an_upload_that_fills_the_temporary_folder_says_that_the_disk_is_full(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullFile(io.BytesIO):
        def write(self, block: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(local_objects, "TemporaryFile", FullFile)
    assert_problem(put(api, KEY, b"content"), 507, "store-full")


def test_a_submission_to_a_full_disk_says_that_the_store_is_full(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_sync(monkeypatch, errno.ENOSPC)
    body = json.dumps({"model": "churn", "rows": ROWS}).encode()
    assert_problem(api.asgi("POST", BATCH, body), 507, "store-full")


def test_a_full_disk_under_the_queue_says_that_the_store_is_full(
    api: Service, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_sync(monkeypatch, errno.ENOSPC, prefix=f"{store}/queue")
    body = json.dumps({"model": "churn", "rows": ROWS}).encode()
    assert_problem(api.asgi("POST", BATCH, body), 507, "store-full")


def test_an_upload_to_a_disk_that_fails_is_no_matter_of_the_model(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_sync(monkeypatch, errno.EIO)
    assert_problem(put(api, KEY, b"content"), 503, "batch-unavailable")


def refuse_to_sync(monkeypatch: pytest.MonkeyPatch, number: int, prefix: str = "") -> None:
    """Let the disk refuse what is written below `prefix`, at the last step, as real disks may."""

    def fsync(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").resolve().is_relative_to(prefix or "/"):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
