"""An object store in a folder. Safe for several processes on one machine."""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlops.errors import (
    ObjectBlocked,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    StoreFull,
    StoreUnavailable,
)
from mlops.files import describe_os_error
from mlops.inference.manifest import digest_of
from mlops.registry.objects import Stamped, Stat, check_key, check_prefix

_LOCK = ".lock"
_MODE = 0o644  # a temporary file is its owner's alone; an object is anybody's to read

# What os.link says on FAT, SMB, FUSE and others that have no hard links.
_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV)
_FULL = (errno.ENOSPC, errno.EDQUOT)


def store_error(key: str, error: OSError) -> StoreUnavailable:
    """Return the error to raise for a key, or a folder, that the file system refused."""
    kind = StoreFull if error.errno in _FULL else StoreUnavailable
    return kind(key, _reason(error))


def _reason(error: OSError) -> str:
    reason = describe_os_error(error)
    path = error.filename2 or error.filename  # the second is where a file was to be moved
    return f"{path}: {reason}" if path else reason


class FolderObjects:
    """Implements `ObjectStore`; an object's tag is the digest of its content."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, key: str) -> Stamped:
        """Raises ObjectBlocked for a folder or a broken link, and below a file."""
        check_key(key)
        path = self._root / key
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            if path.is_symlink():
                reason = f"{path}: it is a link to a file that is not there; restore that file"
                raise ObjectBlocked(key, reason) from error
            raise ObjectNotFound(key) from error
        except (NotADirectoryError, IsADirectoryError) as error:
            raise ObjectBlocked(key, _reason(error)) from error
        except OSError as error:
            raise store_error(key, error) from error
        return Stamped(content, digest_of(content))

    def stat(self, key: str) -> Stat:
        found = self.get(key)
        return Stat(found.tag, len(found.content))

    def create(self, key: str, content: bytes) -> None:
        self.create_from(key, (content,))

    def create_from(self, key: str, blocks: Iterable[bytes]) -> None:
        with self._written(key, blocks) as temporary:
            try:
                # Unlike a rename, a link fails where the name is taken.
                os.link(temporary, self._root / key)
            except FileExistsError as error:
                raise ObjectExists(key) from error
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._rename_unless_taken(temporary, key)

    def replace(self, key: str, content: bytes, tag: str | None) -> None:
        with self._written(key, (content,)) as temporary, self._locked():
            try:
                current = self.get(key).tag
            except ObjectNotFound:
                current = None
            if current != tag:
                raise ObjectChanged(key)
            temporary.replace(self._root / key)

    def _rename_unless_taken(self, temporary: Path, key: str) -> None:
        """Do what a link does, on a file system that has none. Raises ObjectExists."""
        with self._locked():
            if os.path.lexists(self._root / key):
                raise ObjectExists(key)
            temporary.rename(self._root / key)

    def keys(self, prefix: str) -> Iterator[str]:
        check_prefix(prefix)
        folder = self._root / prefix.rpartition("/")[0]
        try:
            found = [
                (Path(parent) / name).relative_to(self._root).as_posix()
                for parent, _, names in os.walk(folder, onerror=_unless_absent)
                for name in names
                if not name.startswith(".")
            ]
        except OSError as error:
            raise store_error(prefix, error) from error
        return iter(sorted(name for name in found if name.startswith(prefix)))

    @contextmanager
    def _written(self, key: str, blocks: Iterable[bytes]) -> Iterator[Path]:
        """A temporary file beside `key`, complete and on the disk."""
        check_key(key)
        folder = (self._root / key).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".", dir=folder)
        except OSError as error:
            raise store_error(key, error) from error
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                with suppress(OSError):  # FAT and SMB have no such modes
                    os.fchmod(handle, _MODE)
                file.writelines(blocks)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        except OSError as error:
            raise store_error(key, error) from error
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._root / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the file, also when the process dies
            yield


def _unless_absent(error: OSError) -> None:
    # What cannot be listed must not look empty, and pathlib's walks say nothing about it.
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
