"""Bodies of nearly 6 MB that would cost the most memory or time if nothing were limited."""

BYTES = 5_900_000
_ROWS = b'{"model":"churn","rows":['
_ONE_ROW = b'{"model":"churn","rows":[{"x":['


def repeated(item: bytes, head: bytes, tail: bytes) -> bytes:
    """Return a body that is full of one item."""
    number = (BYTES - len(head) - len(tail)) // (len(item) + 1)
    return head + b",".join([item] * number) + tail


def numbered(head: bytes = b"{", tail: bytes = b"}") -> bytes:
    """Return a body with half a million keys, all different."""
    return head + b",".join(b'"%x":0' % number for number in range(550_000)) + tail


COSTLY = {
    "unknown fields": (numbered(), 422),
    "unknown fields in an unknown field": (numbered(b'{"model":"churn","x":{', b"}}"), 422),
    "fields of one row": (numbered(_ROWS + b"{", b"}]}"), 202),
    "numbers for rows": (repeated(b"7", _ROWS, b"]}"), 422),
    "numbers in a row": (repeated(b"1e9", _ONE_ROW, b"]}]}"), 202),
    "long numbers in a row": (repeated(b"9" * 4000, _ONE_ROW, b"]}]}"), 202),
    "texts in a row": (repeated(b'""', _ONE_ROW, b"]}]}"), 202),
    "small objects": (repeated(b'{"":0}', b"[", b"]"), 413),
    "empty rows": (repeated(b"{}", _ROWS, b"]}"), 413),
    "small objects in a row": (repeated(b'{"":0}', _ONE_ROW, b"]}]}"), 413),
    "deep rows": (repeated(b'{"a":' * 90 + b"0" + b"}" * 90, _ROWS, b"]}"), 413),
    "opened lists": (b"[" * BYTES, 413),
    "a hundred thousand opened lists": (b"[" * 100_000 + b" " * (BYTES - 100_000), 400),
    "a key again and again": (repeated(b'"a":0', b"{", b"}"), 400),
    "one long text": (b'"' + b"x" * BYTES + b'"', 422),
    "one long escaped text": (b'"' + b"\\u0000" * (BYTES // 6) + b'"', 422),
    "one long number": (b"9" * BYTES, 400),
}
"""By what each is full of: the body of a batch submission, and the status of its answer."""
