"""Write the user's files: the whole new content appears at once, or the old one stays."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_REMEDIES = {
    errno.ENOSPC: "free some space and try again",
    errno.EDQUOT: "free some space and try again",
    errno.EACCES: "give this user access, or name another place",
    errno.EPERM: "give this user access, or name another place",
    errno.EROFS: "name a place that can be written",
    errno.EISDIR: "a file belongs here, so name one, or move the folder away",
    errno.ENOTDIR: "a part of this path is a file, so name another place",
    errno.ELOOP: "a link leads to itself, so remove it",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.ENAMETOOLONG: "use a shorter name",
    **dict.fromkeys(
        (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP),
        "the file system has no file locks, so name a folder on another disk",
    ),
}


def describe_os_error(error: OSError) -> str:
    """Say what the system refused, without its number, and what to do about it if that is known."""
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{reason}; {remedy}" if remedy else reason


@contextmanager
def replacing_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to; at the end it takes the place of `path`, unless there was an error.

    Until then, `path` is as it was: also when the disk is full or the process dies. It keeps its
    mode and owner; a symbolic link stays one, and the file that it leads to is replaced.
    Raises OSError, which names the file.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".new-{os.urandom(8).hex()}")
    before = target.stat() if target.exists() else None
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    try:
        # Unlike tempfile's, this file has the mode that the user's umask gives new ones.
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        with os.fdopen(handle, "wb") as file:
            if before is not None:
                with suppress(PermissionError):  # only root gives files away
                    os.fchown(handle, before.st_uid, before.st_gid)
                os.fchmod(handle, before.st_mode & 0o7777)
            yield file
            file.flush()
            os.fsync(handle)
        temporary.replace(target)
    except OSError as error:
        # Of a write the system names no file, and the temporary one's name says nothing.
        if error.filename is None or Path(error.filename) == temporary:
            error.filename = str(path)
        raise
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
