"""The port to wherever the store lies: a folder, or a bucket."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from mlops.errors import StoreUnavailable


@dataclass(frozen=True)
class Stamped:
    """An object with the tag of this state of it, to be given back when it is replaced."""

    content: bytes
    tag: str


@dataclass(frozen=True)
class Stat:
    """An object's tag and size, without its content."""

    tag: str
    bytes: int


class ObjectStore(Protocol):
    """Objects by key. Keys are relative, with `/` between their parts: see `check_key`.

    Every method raises StoreThrottled or StoreUnavailable where the store cannot be used.
    """

    def get(self, key: str) -> Stamped:
        """Raises ObjectNotFound."""

    def stat(self, key: str) -> Stat:
        """Raises ObjectNotFound."""

    def create(self, key: str, content: bytes) -> None:
        """Write an object that must not exist. All of it appears at once, or nothing.

        Raises ObjectExists.
        """

    def create_from(self, key: str, blocks: Iterable[bytes]) -> None:
        """Write an object as `create` does, without holding all of it in memory.

        Raises ObjectExists, and whatever `blocks` raises: nothing is written then.
        """

    def replace(self, key: str, content: bytes, tag: str | None) -> None:
        """Write an object whose current state has `tag`; None: that does not exist.

        Raises ObjectChanged.
        """

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that begin with `prefix`, sorted. Objects of other names are none of ours."""


def is_key(key: str) -> bool:
    """Whether no part of `key` is empty or begins with a dot.

    So no key leads out of a folder, and none is the name of a folder's own hidden files.
    """
    return "\0" not in key and all(part[:1] not in {"", "."} for part in key.split("/"))


def check_key(key: str) -> None:
    """Raises StoreUnavailable where it is none, see `is_key`."""
    if not is_key(key):
        raise StoreUnavailable(key, "this is no key: no part may be empty or begin with a dot")


def check_prefix(prefix: str) -> None:
    """Raises StoreUnavailable where no key can begin with `prefix`."""
    check_key(f"{prefix}x")
