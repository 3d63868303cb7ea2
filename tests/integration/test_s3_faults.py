"""S3 in trouble, over a real connection: how often it is asked again, and what comes of it."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import boto3
import pytest
from botocore.config import Config

from mlops.aws.s3 import BucketObjects, s3_client
from mlops.errors import StoreThrottled, StoreUnavailable
from mlops.registry.objects import ObjectStore
from tests.unit.fakes import no_pause

SLOW_DOWN = b"<Error><Code>SlowDown</Code></Error>"


class Troubled(ThreadingHTTPServer):
    """Answers `troubles` times with 503 SlowDown, and then well; counts the requests."""

    def __init__(self, troubles: int = 0, *, promised: int = 7, wait: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.troubles = troubles
        self.promised = promised
        self.wait = wait
        self.answered = 0
        self.over = Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Troubled

    def do_GET(self) -> None:
        server = self.server
        server.answered += 1
        if server.wait:
            server.over.wait(10)
        elif server.answered <= server.troubles:
            self._send(503, SLOW_DOWN, len(SLOW_DOWN))
        else:
            self._send(200, b"content", server.promised)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass

    def _send(self, status: int, content: bytes, promised: int) -> None:
        self.send_response(status)
        self.send_header("ETag", '"tag"')
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def running(server: Troubled) -> Iterator[Troubled]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def settings(aws_settings: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return aws_settings


def as_it_is_used(url: str, settings: pytest.MonkeyPatch, *, patient: bool = False) -> ObjectStore:
    settings.setenv("AWS_ENDPOINT_URL_S3", url)
    return BucketObjects(s3_client(patient=patient), "bucket", pause=no_pause)


def asking_once(url: str) -> ObjectStore:
    config = Config(read_timeout=0.2, connect_timeout=0.2, retries={"total_max_attempts": 1})
    return BucketObjects(boto3.client("s3", endpoint_url=url, config=config), "bucket")


def test_throttling_that_ends_goes_unnoticed(settings: pytest.MonkeyPatch) -> None:
    with running(Troubled(1)) as server:
        assert as_it_is_used(server.url, settings).get("key").content == b"content"
    assert server.answered == 2


@pytest.mark.parametrize(("patient", "attempts"), [(False, 3), (True, 4)])
def test_throttling_that_lasts_is_asked_about_a_few_times(
    settings: pytest.MonkeyPatch, patient: bool, attempts: int
) -> None:
    with running(Troubled(1000)) as server:
        with pytest.raises(StoreThrottled) as caught:
            as_it_is_used(server.url, settings, patient=patient).create("key", b"content")
        assert caught.value.key == "key"
    assert server.answered == attempts


def test_an_answer_that_breaks_off_is_no_content() -> None:
    with running(Troubled(promised=100)) as server, pytest.raises(StoreUnavailable):
        asking_once(server.url).get("key")


def test_no_answer_in_time() -> None:
    with running(Troubled(wait=True)) as server:
        with pytest.raises(StoreUnavailable):
            asking_once(server.url).get("key")
        assert server.answered == 1


def test_a_server_that_never_answers_is_given_up_in_time(settings: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = as_it_is_used(f"http://127.0.0.1:{silent.getsockname()[1]}", settings)
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.get("key")
        # Ten seconds is what a Lambda's start has; the rest is for a busy machine.
        assert time.monotonic() - started < 15


def test_nobody_there() -> None:
    with running(Troubled()) as server:
        url = server.url
    with pytest.raises(StoreUnavailable):
        asking_once(url).get("key")
