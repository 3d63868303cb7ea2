"""Decompression of gzip in blocks. Its time is bounded by what it yields, not by its members."""

import zlib
from collections.abc import Iterator

from mlops.errors import InputRefused

MAX_MEMBERS = 100_000
"""Of one input. `cat` and block compression make many: one for every 64 KB at most."""

_WINDOW = 1024 * 1024
_LEAST_YIELD = _WINDOW // 2
"""Bytes that each full window of compressed ones yields. Real gzip never grows what it holds by
half, but empty blocks and long headers hold nothing and take their time."""

_STEP = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS


def decompress(content: bytes, block: int) -> Iterator[bytes]:
    """Yield the content in blocks of at most `block` bytes, none of them empty.

    Raises InputRefused for what is not gzip, is cut off, or yields next to nothing.
    """
    view = memoryview(content)
    stream = zlib.decompressobj(_GZIP)
    members, begun = 1, False
    window_start, window_yield = 0, 0
    place = 0
    held: list[bytes] = []
    size = 0
    try:
        while place < len(view):
            step = view[place : place + _STEP]
            text = stream.decompress(step, block - size)
            begun = True
            place += len(step) - len(stream.unused_data if stream.eof else stream.unconsumed_tail)
            window_yield += len(text)
            size += len(text)
            held.append(text)
            if size >= block:
                yield b"".join(held)
                held, size = [], 0
            if stream.eof:
                place += _zeros(view, place)
                if place < len(view):
                    members += 1
                    _require(members <= MAX_MEMBERS, f"it has more than {MAX_MEMBERS:,} members")
                stream, begun = zlib.decompressobj(_GZIP), False
            if place - window_start >= _WINDOW:
                _require(window_yield >= _LEAST_YIELD, "it yields next to nothing")
                window_start, window_yield = place, 0
        while begun and not stream.eof:  # what is left in its own buffers
            text = stream.decompress(b"", block)
            if not text:
                _require(stream.eof, "it is cut off")
                break
            held.append(text)
            if sum(map(len, held)) >= block:
                yield b"".join(held)
                held = []
    except zlib.error as error:
        raise _refused(str(error)) from error
    if any(held):
        yield b"".join(held)


def _zeros(view: memoryview, place: int) -> int:
    """How many zeros follow: some programs fill up the last block of a file."""
    count = 0
    while place + count < len(view):
        step = bytes(view[place + count : place + count + _STEP])
        rest = step.lstrip(b"\0")
        count += len(step) - len(rest)
        if rest:
            break
    return count


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _refused(otherwise)


def _refused(reason: str) -> InputRefused:
    return InputRefused(f"The input is not gzip that can be read: {reason}")
