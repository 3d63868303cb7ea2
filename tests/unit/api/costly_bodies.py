"""Bodies of a batch submission that would cost the most if nothing were limited."""

from collections.abc import Callable
from functools import partial

Make = Callable[[], bytes]

_ROWS = b'{"model":"churn","rows":['
_ONE_ROW = b'{"model":"churn","rows":[{"x":['


def _repeated(item: bytes, head: bytes, tail: bytes, size: int) -> bytes:
    """Return a body that is full of one item."""
    number = (size - len(head) - len(tail)) // (len(item) + 1)
    return head + b",".join([item] * number) + tail


def _row_of(item: bytes, number: int) -> bytes:
    """Return a row that is full of one item; it should be just small enough to be accepted."""
    return b'{"x":[' + b",".join([item] * number) + b"]}"


def numbered(head: bytes, tail: bytes, size: int) -> bytes:
    """Return a body that is full of keys, all different."""
    keys = b",".join(b'"%x":0' % number for number in range(size // 9))
    return head + keys[: size - len(head) - len(tail)].rpartition(b",")[0] + tail


def costly_bodies(size: int) -> dict[str, tuple[Make, int]]:
    """Return functions that make bodies of at most so many bytes, with the answers' statuses.

    Each is made only when it is sent: together they take 100 MB.
    """

    def repeated(item: bytes, head: bytes, tail: bytes) -> Make:
        return partial(_repeated, item, head, tail, size)

    def keys(head: bytes, tail: bytes) -> Make:
        return partial(numbered, head, tail, size)

    return {
        "unknown fields": (keys(b"{", b"}"), 422),
        "fields of an unknown field": (keys(b'{"model":"churn","x":{', b"}}"), 422),
        "renamed columns": (keys(b'{"model":"churn","rows":[{}],"rename":{', b"}}"), 422),
        "fields of one row": (keys(_ROWS + b"{", b"}]}"), 422),
        "numbers for rows": (repeated(b"7", _ROWS, b"]}"), 422),
        "numbers in a row": (repeated(b"1e9", _ONE_ROW, b"]}]}"), 422),
        "long numbers in a row": (repeated(b"9" * 4000, _ONE_ROW, b"]}]}"), 422),
        "texts in a row": (repeated(b'""', _ONE_ROW, b"]}]}"), 422),
        "texts in many rows": (repeated(_row_of(b'""', 16_000), _ROWS, b"]}"), 202),
        "numbers in many rows": (repeated(_row_of(b"0.5", 13_000), _ROWS, b"]}"), 202),
        "small objects": (repeated(b'{"":0}', b"[", b"]"), 413),
        "empty rows": (repeated(b"{}", _ROWS, b"]}"), 413),
        "small objects in a row": (repeated(b'{"":0}', _ONE_ROW, b"]}]}"), 413),
        "deep rows": (repeated(b'{"a":' * 90 + b"0" + b"}" * 90, _ROWS, b"]}"), 413),
        "opened lists": (lambda: b"[" * size, 413),
        "a hundred thousand opened lists": (lambda: (b"[" * 100_000).ljust(size), 400),
        "a key again and again": (repeated(b'"a":0', b"{", b"}"), 400),
        "one long text": (lambda: b'"' + b"x" * (size - 2) + b'"', 422),
        "one long escaped text": (lambda: b'"' + b"\\u0000" * ((size - 2) // 6) + b'"', 422),
        "one long number": (lambda: b"9" * size, 400),
    }
