"""Write the user's files: the whole new content appears at once, or the old one stays."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to; at the end it takes the place of `path`, unless there was an error.

    Until then, `path` is as it was: also when the disk is full or the process dies. It keeps its
    mode and owner; a symbolic link stays one, and the file that it leads to is replaced.
    Raises OSError.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".new-{os.urandom(8).hex()}")
    before = target.stat() if target.exists() else None
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(f"{path} may not be written")
    # Unlike tempfile's, a file that is made so has the mode that the user's umask gives new ones.
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            if before is not None:
                with suppress(PermissionError):  # only root gives files away
                    os.fchown(handle, before.st_uid, before.st_gid)
                os.fchmod(handle, before.st_mode & 0o7777)
            yield file
            file.flush()
            os.fsync(handle)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def write_file(path: Path, content: str | bytes) -> None:
    """Replace the content of `path`, see `replacing_file`. Text is written in UTF-8."""
    with replacing_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def _sync_folder(folder: Path) -> None:
    """Keep the new name through a power failure, where the file system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
