"""What the client sends, and when it takes an answer for whole."""

import pytest

from bench.load import is_whole, request

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (HEAD, False),
        (HEAD + b"Content-Length: 2\r\n\r\n{", False),
        (HEAD + b"Content-Length: 2\r\n\r\n{}", True),
        (HEAD + b"content-length: 2\r\n\r\n{}", True),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", False),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", True),
    ],
)
def test_an_answer_is_whole_when_its_body_is(answer: bytes, whole: bool) -> None:
    assert is_whole(answer) is whole


def test_a_request_tells_how_long_its_body_is() -> None:
    head, body = request(8000, "/predict", b'{"a": 1}').split(b"\r\n\r\n")
    assert head.startswith(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n")
    assert b"Content-Length: 8" in head
    assert body == b'{"a": 1}'
