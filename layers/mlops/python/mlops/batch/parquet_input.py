"""A caller's Parquet file as chunks, read by a process of its own whose memory is bounded."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO

from mlops.batch import parquet_reader
from mlops.batch.parquet_reader import CHUNK, END, HEADER, LENGTHS, READY, REFUSED, Request
from mlops.errors import InputRefused

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Of a Parquet file. It lies in the memory of the worker and of the reader at once."""

MEMORY = 1024 * 1024 * 1024
"""Bytes that the reader may take beside its code; the file itself is part of it."""

SECONDS = 60
"""Of processor time that the reader may take."""

_COPIED = re.compile("PATH|LANG|LD_LIBRARY_PATH|PYTHON[A-Z]+")
_SET = {
    # Memory that is set aside for threads and never used would count.
    "MALLOC_ARENA_MAX": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def read_chunks(content: bytes, request: Request) -> Iterator[tuple[bytes, int]]:
    """Yield each chunk as a small Parquet file of known types, with its number of rows.

    Raises InputRefused, whatever the file does to its reader; and ChildProcessError where the
    reader cannot be started.
    """
    if len(content) > MAX_FILE_BYTES:
        raise InputRefused(f"A Parquet file may have {MAX_FILE_BYTES:,} bytes")
    with _running(content, request) as process:
        assert process.stdout is not None  # noqa: S101 -- a pipe
        if _read_frame(process.stdout)[0] != READY:
            raise ChildProcessError("The reader of Parquet files cannot be started")
        while True:
            kind, rows, payload = _read_frame(process.stdout)
            if kind == END:
                return
            if kind == REFUSED:
                raise InputRefused(payload.decode())
            if kind != CHUNK:
                raise InputRefused(_why_ended(process.wait(), request))
            yield payload, rows


@contextmanager
def _running(content: bytes, request: Request) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: S603 -- this Python, with a module of ours
        [sys.executable, "-m", parquet_reader.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(),
    )
    assert process.stdin is not None  # noqa: S101 -- a pipe
    feeder = threading.Thread(target=_feed, args=(process.stdin, content, request), daemon=True)
    feeder.start()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        feeder.join()
        if process.stdout is not None:
            process.stdout.close()


def _environment() -> Mapping[str, str]:
    """No credentials: nothing that reads a stranger's bytes needs any."""
    copied = {name: value for name, value in os.environ.items() if _COPIED.fullmatch(name)}
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
    return copied | _SET | {"PYTHONPATH": path}


def _feed(sink: IO[bytes], content: bytes, request: Request) -> None:
    asked = request.to_bytes()
    # A reader that has ended, or refused the file early, reads no more of it.
    with suppress(OSError):
        sink.write(LENGTHS.pack(len(asked), len(content)) + asked)
        sink.write(content)
    with suppress(OSError):
        sink.close()


def _read_frame(source: IO[bytes]) -> tuple[int | None, int, bytes]:
    """Return a frame's kind, rows and payload; the kind is None where the reader has ended."""
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        return None, 0, b""
    kind, rows, size = HEADER.unpack(header)
    payload = source.read(size)
    return (kind, rows, payload) if len(payload) == size else (None, 0, b"")


def _why_ended(code: int, request: Request) -> str:
    if code == -signal.SIGXCPU:
        return f"Reading the Parquet file takes more than {request.seconds} seconds"
    return f"{parquet_reader.TOO_MUCH_MEMORY}, or the file is damaged"
