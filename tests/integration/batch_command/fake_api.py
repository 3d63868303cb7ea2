"""The batch routes of the API on the loopback, as a test plays them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, TypeVar

JOB = "job_0123456789abcdef0123456789abcdef"
BATCH = "/v1/predict/batch"
UPLOAD = "/local/batch/uploads/local/abc.csv"
RESULTS, ERRORS, SUMMARY = (
    f"/local/batch/jobs/{JOB}/{name}" for name in ("results.csv", "errors.csv", "summary.json")
)


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """cut_after: bytes of the body after which the connection is closed; -1: before any answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None


def of(document: object, status: int = 200, **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(document).encode(), names)


def problem(status: int, title: str, **more: object) -> Answer:
    return of({"title": title, "status": status, "request_id": "8f5ad0c1", **more}, status)


CUT = Answer(cut_after=-1)


class FakeApi:
    """script: answers by "METHOD path", the next of which is given; then comes the usual one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[Seen] = []
        self.script: dict[str, list[Answer]] = {}

    def job(self, status: str = "succeeded", done: int = 3, failed: int = 0) -> dict[str, Any]:
        names = {"results": RESULTS, "errors": ERRORS, "summary": SUMMARY}
        links = {name: self.url + path for name, path in names.items()}
        return {
            "job_id": JOB,
            "status": status,
            "model_version": "churn-model-v1.0.0",
            "submitted_at": "2026-01-01T12:00:00Z",
            "started_at": None,
            "ended_at": None,
            "rows": {"total": done + failed or None, "done": done, "failed": failed},
            "reason": "The input is gone" if status == "failed" else None,
            "links": links if status == "succeeded" else None,
        }

    def play(self, request: str, *answers: Answer) -> None:
        self.script[request] = list(answers)

    def requests(self, prefix: str = "") -> list[str]:
        names = [f"{seen.method} {seen.path}" for seen in self.seen]
        return [name for name in names if name.startswith(prefix)]

    def answer(self, seen: Seen) -> Answer:
        self.seen.append(seen)
        request = f"{seen.method} {seen.path}"
        if self.script.get(request):
            return self.script[request].pop(0)
        if request == f"POST {BATCH}/uploads":
            headers = {"Content-Length": str(json.loads(seen.body)["bytes"]), "If-None-Match": "*"}
            link = {"url": self.url + UPLOAD, "method": "PUT", "input": "s3://local/abc.csv"}
            return of({**link, "headers": headers, "max_bytes": 1_000_000}, 201)
        usual = {
            f"PUT {UPLOAD}": Answer(),
            f"POST {BATCH}": of(self.job("queued", 0), 202),
            f"GET {BATCH}/{JOB}": of(self.job()),
            f"DELETE {BATCH}/{JOB}": of(self.job("cancelled", 0)),
            f"POST {BATCH}/{JOB}/retry": of(self.job("running", 1), 202),
            f"GET {RESULTS}": Answer(body=b"results"),
            f"GET {ERRORS}": Answer(body=b"errors"),
            f"GET {SUMMARY}": Answer(body=b"{}"),
        }
        return usual.get(request, problem(404, "There is no such job"))


Played = TypeVar("Played", bound=FakeApi)


@contextmanager
def serving(kind: type[Played]) -> Iterator[Played]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            request = f"{self.command} {self.path}"
            if api.script.get(request, [])[:1] == [CUT]:
                length = min(length, 10)  # gone while it is being sent
            seen = Seen(self.command, self.path, dict(self.headers), self.rfile.read(length))
            answer = api.answer(seen)
            if answer == CUT:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut_after])
            self.close_connection = answer.cut_after is not None

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 -- http.server's names

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = kind(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
