"""What a start reads: pages that are in memory after it and were not before, file by file."""

import ctypes
import mmap
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import NotMeasured
from bench.ground import HANDLERS, MODULES, Ground, Report, python_of
from bench.handlers import start

LARGEST = 5


def files(ground: Ground, rounds: int, report: Report) -> dict[str, Any]:
    """Megabytes paged in from an empty page cache, read-ahead of the kernel included."""
    del rounds  # it is a count
    if sys.platform != "linux":
        raise NotMeasured("only Linux tells which pages are in memory")
    found = {}
    for name in HANDLERS:
        report(f"files: {name}")
        start(ground, name)  # bytecode is compiled now, for all
        looked_at = opened_by(ground, name)
        for path in looked_at:
            forget(path)
        before = {path: resident(path) for path in looked_at}
        start(ground, name)
        read = {path: resident(path) - before[path] for path in looked_at}
        largest = sorted(read, key=lambda path: -read[path])[:LARGEST]
        found[name] = {
            "read_mb": round(sum(read.values()) / 1e6, 1),
            "files": sum(pages > 0 for pages in read.values()),
            "largest_mb": {_named(path): round(read[path] / 1e6, 1) for path in largest},
        }
    return found


def opened_by(ground: Ground, name: str) -> list[Path]:
    """All that a handler may open: its environment, Python's own library, the code."""
    environment = python_of(MODULES[name][0]).parent.parent
    return sorted(_below(environment, Path(os.__file__).parent, ground.folder))


def _below(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.stat().st_size:
                yield path


def _named(path: Path) -> str:
    """Without what differs from one machine to the next."""
    parts = path.parts
    for anchor in ("site-packages", "code", "models"):
        if anchor in parts:
            return "/".join(parts[len(parts) - parts[::-1].index(anchor) :])
    return path.name


def forget(path: Path) -> None:
    """Have the kernel drop the file's pages; those that a process has mapped stay."""
    with path.open("rb") as file:
        os.fdatasync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


_libc = ctypes.CDLL(None, use_errno=True)


def resident(path: Path) -> int:
    """Bytes of the file that are in memory, in whole pages. Raises NotMeasured.

    Of a file that is neither its own nor writable Linux tells a process that all of it is, since
    5.2: mincore(2).
    """
    if path.stat().st_uid != os.geteuid() and not os.access(path, os.W_OK):
        raise NotMeasured(f"who does not own {path} is not told which of its pages are in memory")
    size = path.stat().st_size
    pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE)  # writable, as ctypes wants it
    try:
        address = ctypes.addressof(first := ctypes.c_char.from_buffer(mapped))
        del first
        if _libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), pages):
            raise OSError(ctypes.get_errno(), "mincore", str(path))
    finally:
        mapped.close()
    return sum(page & 1 for page in pages) * mmap.PAGESIZE
