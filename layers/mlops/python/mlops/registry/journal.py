"""What happened to versions, as one create-only object an event.

The SQLite file is made from manifests and these; so it can be lost without losing anything.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mlops.errors import ObjectExists, RegistryBusy, VersionInvalid
from mlops.inference.version import DIGEST, ModelVersion
from mlops.registry.documents import (
    parse_object,
    parse_optional_text,
    parse_text,
    parse_time,
    reading,
)
from mlops.registry.objects import ObjectStore

PREFIX = "registry/journal/"
_TRIES = 50


class Stage(StrEnum):
    """Where a version is on its way."""

    CANDIDATE = "candidate"
    CANARY = "canary"
    CHAMPION = "champion"
    RETIRED = "retired"


@dataclass(frozen=True)
class StageChange:
    """`version` entered `stage` at that time (aware, UTC), deployed from commit `deployed_sha`."""

    version: ModelVersion
    stage: Stage
    at: datetime
    deployed_sha: str | None = None


class Journal:
    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def append(self, change: StageChange, digest: str) -> None:
        """Note a change. Repeating the last one changes nothing: that is how a crash is repaired.

        digest: of the version's manifest; so a rebuild knows what it was, without the catalog.
        Raises RegistryBusy where others took every number that was tried.
        """
        document = {
            "stage": change.stage,
            "at": change.at.isoformat(),
            "deployed_sha": change.deployed_sha,
            "digest": digest,
        }
        content = (json.dumps(document, sort_keys=True) + "\n").encode()
        number = len(list(self._keys(self._folder(change.version))))
        for candidate in range(max(number - 1, 0), number + _TRIES):
            key = f"{self._folder(change.version)}{candidate:06}.json"
            try:
                self._objects.create(key, content)
            except ObjectExists:
                if self._objects.get(key).content != content:
                    continue
            return
        raise RegistryBusy(_TRIES)

    def versions(self) -> set[ModelVersion]:
        """Those that ever entered a stage."""
        found = set()
        for key in self._keys(PREFIX):
            with suppress(VersionInvalid):  # then it is not one of ours
                found.add(ModelVersion.parse(key.removeprefix(PREFIX).partition("/")[0]))
        return found

    def read(self, version: ModelVersion | None = None) -> Iterator[StageChange]:
        """All changes, of one version in the order in which they came. Raises DocumentInvalid."""
        prefix = PREFIX if version is None else self._folder(version)
        for change, _ in self._read(prefix):
            yield change

    def digests(self, version: ModelVersion) -> set[str]:
        """What its manifest was at each change; one digest, or somebody has changed it since.

        Raises DocumentInvalid.
        """
        return {digest for _, digest in self._read(self._folder(version))}

    def _read(self, prefix: str) -> Iterator[tuple[StageChange, str]]:
        for key in self._keys(prefix):
            content = self._objects.get(key).content
            with reading(key):
                document = parse_object(content)
                change = StageChange(
                    version=ModelVersion.parse(key.removeprefix(PREFIX).partition("/")[0]),
                    stage=Stage(document["stage"]),
                    at=parse_time(document["at"]),
                    deployed_sha=parse_optional_text(document["deployed_sha"]),
                )
                digest = parse_text(document["digest"])
                if DIGEST.fullmatch(digest) is None:
                    raise ValueError("the digest is not sha256:<64 hex digits>")
            yield change, digest

    def _keys(self, prefix: str) -> Iterator[str]:
        """Without what somebody else has put there."""
        return (key for key in self._objects.keys(prefix) if key.endswith(".json"))

    def _folder(self, version: ModelVersion) -> str:
        return f"{PREFIX}{version}/"
