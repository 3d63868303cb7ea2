"""Stand-ins for the object store, and the same store on a file system and on (simulated) S3."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from moto import mock_aws

from mlops.aws.s3 import BucketObjects
from mlops.errors import ObjectChanged, ObjectExists, ObjectNotFound
from mlops.local.files import FolderObjects
from mlops.registry.objects import ObjectStore, Stamped, Stat, check_key, check_prefix

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

STORES = ("memory", "folder", "bucket", "prefix in a bucket")
BUCKET = "models-and-registry"


class MemoryObjects:
    """Implements `ObjectStore` in a dict; a tag is the number of the write."""

    def __init__(self) -> None:
        self._objects: dict[str, Stamped] = {}
        self._writes = 0

    def get(self, key: str) -> Stamped:
        check_key(key)
        if key not in self._objects:
            raise ObjectNotFound(key)
        return self._objects[key]

    def stat(self, key: str) -> Stat:
        found = self.get(key)
        return Stat(found.tag, len(found.content))

    def create(self, key: str, content: bytes) -> None:
        check_key(key)
        if key in self._objects:
            raise ObjectExists(key)
        self._put(key, content)

    def create_from(self, key: str, blocks: Iterable[bytes]) -> None:
        self.create(key, b"".join(blocks))

    def replace(self, key: str, content: bytes, tag: str | None) -> None:
        check_key(key)
        current = self._objects.get(key)
        if (current and current.tag) != tag:
            raise ObjectChanged(key)
        self._put(key, content)

    def keys(self, prefix: str) -> Iterator[str]:
        check_prefix(prefix)
        return iter(sorted(key for key in self._objects if key.startswith(prefix)))

    def remove(self, key: str) -> None:
        """What no port can: for tests of what got lost."""
        del self._objects[key]

    def _put(self, key: str, content: bytes) -> None:
        self._writes += 1
        self._objects[key] = Stamped(content, str(self._writes))


class WatchedObjects:
    """An `ObjectStore` that calls `before(operation, key)` ahead of each operation.

    What `before` raises happens instead of the operation; what it writes, somebody else wrote.
    """

    def __init__(self, objects: ObjectStore, before: Callable[[str, str], None]) -> None:
        self._objects = objects
        self._before = before

    def get(self, key: str) -> Stamped:
        self._before("get", key)
        return self._objects.get(key)

    def stat(self, key: str) -> Stat:
        self._before("stat", key)
        return self._objects.stat(key)

    def create(self, key: str, content: bytes) -> None:
        self._before("create", key)
        self._objects.create(key, content)

    def create_from(self, key: str, blocks: Iterable[bytes]) -> None:
        self._before("create", key)
        self._objects.create_from(key, blocks)

    def replace(self, key: str, content: bytes, tag: str | None) -> None:
        self._before("replace", key)
        self._objects.replace(key, content, tag)

    def keys(self, prefix: str) -> Iterator[str]:
        self._before("keys", prefix)
        return self._objects.keys(prefix)


def no_pause(number: int) -> None:
    """Implements `pause` for those who compete with nobody."""


@cache  # a fifth of a second each; moto catches what it sends, whenever it was made
def plain_client() -> "S3Client":
    return boto3.client(
        "s3",
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 # nobody's
    )


@contextmanager
def opened_store(kind: str, folder: Path) -> Iterator[ObjectStore]:
    """An empty store of one of the kinds in STORES."""
    if kind == "memory":
        yield MemoryObjects()
    elif kind == "folder":
        yield FolderObjects(folder / "store")
    else:
        with mock_aws():
            client = plain_client()
            client.create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
            )
            prefix = "teams/churn/" if kind == "prefix in a bucket" else ""
            yield BucketObjects(client, BUCKET, prefix, pause=no_pause)


def overwrite(objects: ObjectStore, key: str, content: bytes) -> None:
    """Do what nobody should: change an object in place."""
    objects.replace(key, content, objects.get(key).tag)
