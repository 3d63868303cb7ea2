"""What the workers of one test run share: pytest-xdist starts several processes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def is_worker() -> bool:
    """Return whether this process is one of several; the one that started them is not."""
    return "PYTEST_XDIST_WORKER" in os.environ


def shared_folder(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], None]) -> Path:
    """Return a folder that the first worker fills while the others wait for it.

    Raises whatever `fill` raises; in the other workers RuntimeError, which says what that was.
    """
    base = factory.getbasetemp().parent if is_worker() else factory.getbasetemp()
    folder, done, failed = base / name, base / f"{name}.done", base / f"{name}.failed"
    with FileLock(base / f"{name}.lock"):
        if failed.exists():
            raise RuntimeError(f"{name} could not be made: {failed.read_text()}")
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                fill(folder)
            except BaseException as error:
                failed.write_text(repr(error))
                raise
            done.touch()
    return folder
