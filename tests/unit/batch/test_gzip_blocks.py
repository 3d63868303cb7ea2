"""Decompression of gzip: the same bytes as Python's, and no time for what holds nothing."""

import gzip
import random
import struct
import time
import zlib
from collections.abc import Callable

import pytest

from mlops.batch.gzip_blocks import MAX_MEMBERS, decompress
from mlops.errors import InputRefused

EMPTY = gzip.compress(b"", mtime=0)
LETTER = gzip.compress(b"a", mtime=0)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 -- the same at each run


@pytest.mark.parametrize("block", [1_000, 65_536, 4_000_000])
@pytest.mark.parametrize(
    "parts",
    [
        [b"a"],
        [b"a" * 9_000_000],
        [noise(3_000_000)],
        [b"a", b"", b"b" * 100_000, noise(70_000)],
        [noise(60)] * 5_000,
    ],
    ids=["one byte", "dense", "random", "members", "small members"],
)
def test_the_content_is_whole_in_blocks_of_the_size(parts: list[bytes], block: int) -> None:
    content = b"".join(map(gzip.compress, parts)) + bytes(1_000)
    blocks = [*decompress(content, block)]
    assert b"".join(blocks) == b"".join(parts)
    assert all(0 < len(part) <= block for part in blocks)


def test_a_file_without_content_yields_no_block() -> None:
    assert [*decompress(EMPTY, 100)] == []


@pytest.mark.parametrize(
    "content",
    [
        b"plain",
        gzip.compress(noise(100_000), mtime=0)[:-9],
        gzip.compress(noise(100_000), mtime=0)[:50_000],
        LETTER + b"garbage",
        LETTER[:-1] + b"x",
        LETTER + LETTER[:12],
        LETTER + b"\x1f",
    ],
    ids=["text", "no end", "half", "garbage after it", "wrong length", "half a member", "one byte"],
)
def test_what_is_no_whole_gzip_is_refused(content: bytes) -> None:
    with pytest.raises(InputRefused, match="The input is not gzip that can be read"):
        [*decompress(content, 4_000_000)]


def stored(count: int) -> bytes:
    """A member of deflate blocks that hold nothing."""
    blocks = b"\x00\x00\x00\xff\xff" * count + b"\x01\x00\x00\xff\xff"
    return EMPTY[:10] + blocks + struct.pack("<II", zlib.crc32(b""), 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: EMPTY * 5_000_000,
        lambda: stored(20_000_000),
        lambda: EMPTY[:3] + b"\x08" + EMPTY[4:10] + b"n" * 100_000_000 + b"\0" + EMPTY[10:],
        lambda: (
            (EMPTY[:3] + b"\x04" + EMPTY[4:10] + b"\xff\xff" + bytes(65_535) + EMPTY[10:]) * 1_500
        ),
        lambda: gzip.compress(bytes(400_000_000), 1) + stored(20_000_000),
    ],
    ids=["empty members", "empty blocks", "a long name", "extra fields", "after a dense member"],
)
def test_gzip_that_yields_nothing_is_refused_soon(make: Callable[[], bytes]) -> None:
    """Each input has some 100 MB, of which only the first few are read."""
    content = make()
    started = time.process_time()
    with pytest.raises(InputRefused, match="it yields next to nothing|members"):
        for _ in decompress(content, 4_000_000):
            pass
    assert time.process_time() - started < 10


def test_more_members_than_the_limit_are_refused() -> None:
    content = gzip.compress(b"a" * 100) * (MAX_MEMBERS + 1)
    with pytest.raises(InputRefused, match="more than 100,000 members"):
        for _ in decompress(content, 4_000_000):
            pass
