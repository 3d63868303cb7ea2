"""What a release was decided on: the gate's report and each analysis with its samples.

Each is an object in the store, written once. Nothing here says how far a release has come.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from mlops.errors import ObjectExists, ObjectNotFound, RecordDamaged
from mlops.registry.objects import ObjectStore

PREFIX = "releases/"


class Evidence:
    """Raises any StoreError, and RecordDamaged for what is not as it was written."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def read(self, id: str, name: str) -> dict[str, Any] | None:
        key = _key(id, name)
        with suppress(ObjectNotFound):
            content = self._objects.get(key).content
            with reading(key):
                document = json.loads(content)
                if not isinstance(document, dict):
                    raise TypeError("it is no object")
                return document
        return None

    def keep(self, id: str, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Write a document, unless there is one. Return the one that is there."""
        content = json.dumps(document, indent=1, sort_keys=True) + "\n"
        with suppress(ObjectExists):
            self._objects.create(_key(id, name), content.encode())
        return self.read(id, name) or dict(document)


@contextmanager
def reading(key: str) -> Iterator[None]:
    """Raise RecordDamaged for whatever is wrong with a document."""
    try:
        yield
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordDamaged(key, f"{type(error).__name__}: {error}") from error


def _key(id: str, name: str) -> str:
    return f"{PREFIX}{id}/{name}.json"
