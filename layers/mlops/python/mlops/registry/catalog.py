"""The registry as people query it: an SQLite database, held in memory, stored as one object."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from mlops.errors import DocumentInvalid, RegistryCorrupt
from mlops.inference.manifest import Manifest
from mlops.inference.version import ModelVersion, Pin
from mlops.models.strict_json import parse
from mlops.registry.documents import parse_object, parse_time, reading
from mlops.registry.journal import Stage, StageChange
from mlops.registry.releases import ReleaseRecord

SCHEMA = """
CREATE TABLE versions (
    version TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    digest TEXT NOT NULL,
    trained_at TEXT NOT NULL,
    metrics TEXT NOT NULL,
    data_digest TEXT NOT NULL,
    code_sha TEXT
) STRICT;
CREATE TABLE stages (
    version TEXT NOT NULL REFERENCES versions,
    number INTEGER NOT NULL,
    stage TEXT NOT NULL,
    at TEXT NOT NULL,
    deployed_sha TEXT,
    PRIMARY KEY (version, number)
) STRICT;
"""
# Catalogs from before there were these get them when they are opened.
_ADDED = """
CREATE TABLE IF NOT EXISTS releases (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reasons TEXT NOT NULL,
    by TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    champion TEXT,
    candidate TEXT,
    batch_champion TEXT,
    batch_candidate TEXT,
    pins TEXT NOT NULL,
    deployed_sha TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS left_out (
    version TEXT PRIMARY KEY,
    digest TEXT NOT NULL
) STRICT;
"""
_LISTS = ("reasons", "pins")
MAX_BYTES = 64 * 2**20
"""Of the database: a hundred thousand releases."""


@dataclass(frozen=True)
class Entry:
    """One registered version."""

    pin: Pin
    trained_at: datetime
    metrics: Mapping[str, Any]
    data_digest: str
    code_sha: str | None
    history: tuple[StageChange, ...]

    @property
    def version(self) -> ModelVersion:
        return self.pin.version

    @property
    def stage(self) -> Stage:
        return self.history[-1].stage if self.history else Stage.CANDIDATE

    @property
    def deployed_sha(self) -> str | None:
        """The commit of the last deployment of this version."""
        shas = [change.deployed_sha for change in self.history if change.deployed_sha]
        return shas[-1] if shas else None


class Catalog:
    """The tables, with no idea of where their bytes lie."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def put_version(self, pin: Pin, manifest: Manifest) -> None:
        origin = manifest.provenance
        self._connection.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                str(pin.version),
                pin.version.model,
                pin.digest,
                origin.trained_at.isoformat(),
                json.dumps(manifest.metrics, sort_keys=True),
                origin.data_digest,
                origin.code_sha,
            ),
        )
        self._connection.execute("DELETE FROM left_out WHERE version = ?", (str(pin.version),))

    def leave_out(self, pin: Pin) -> None:
        """Keep what a version was registered with, until it is entered: nobody else may know."""
        self._connection.execute(
            "INSERT INTO left_out VALUES (?, ?) ON CONFLICT DO NOTHING",
            (str(pin.version), pin.digest),
        )

    def put_history(self, version: ModelVersion, history: Iterable[StageChange]) -> None:
        """Make the stage history of `version` what it is in the journal."""
        self._connection.execute("DELETE FROM stages WHERE version = ?", (str(version),))
        self._connection.executemany(
            "INSERT INTO stages VALUES (?, ?, ?, ?, ?)",
            [
                (str(version), number, change.stage, change.at.isoformat(), change.deployed_sha)
                for number, change in enumerate(history)
            ],
        )

    def put_release(self, record: ReleaseRecord) -> None:
        document = record.to_document()
        document.update((name, json.dumps(document[name])) for name in _LISTS)
        self._connection.execute(
            "INSERT INTO releases VALUES (:id, :kind, :outcome, :reasons, :by, :started_at,"
            " :ended_at, :champion, :candidate, :batch_champion, :batch_candidate, :pins,"
            " :deployed_sha) ON CONFLICT DO NOTHING",
            document,
        )

    def releases(self) -> list[ReleaseRecord]:
        """Last to end last. Raises RegistryCorrupt."""
        cursor = self._connection.execute("SELECT * FROM releases")
        names = [column[0] for column in cursor.description]
        with _reading():
            records = [_release(dict(zip(names, row, strict=True))) for row in cursor]
        return sorted(records, key=lambda record: (record.ended_at, record.id))

    def entries(self, model: str | None = None) -> list[Entry]:
        """Newest version last. Raises RegistryCorrupt."""
        rows = self._connection.execute(
            "SELECT version, digest, trained_at, metrics, data_digest, code_sha FROM versions"
            " WHERE ?1 IS NULL OR model = ?1",
            (model,),
        ).fetchall()
        with _reading():
            return sorted(map(self._entry, rows), key=lambda entry: entry.version)

    def digests(self) -> dict[ModelVersion, str]:
        """Which content each version was registered with, also those that are left out.

        Raises RegistryCorrupt.
        """
        both = "SELECT version, digest FROM versions UNION ALL SELECT version, digest FROM left_out"
        return {pin.version: pin.digest for pin in self._pins(both)}

    def left_out(self) -> list[Pin]:
        """Versions that the last rebuild did not enter, as registered. Raises RegistryCorrupt."""
        return self._pins("SELECT version, digest FROM left_out ORDER BY version")

    def _pins(self, query: str) -> list[Pin]:
        rows = self._connection.execute(query)
        with _reading():
            return [Pin.parse(f"{version}@{digest}") for version, digest in rows]

    def _entry(self, row: tuple[str, str, str, str, str, str | None]) -> Entry:
        name, digest, trained_at, metrics, data_digest, code_sha = row
        version = ModelVersion.parse(name)
        changes = self._connection.execute(
            "SELECT stage, at, deployed_sha FROM stages WHERE version = ? ORDER BY number", (name,)
        )
        return Entry(
            pin=Pin.parse(f"{name}@{digest}"),
            trained_at=parse_time(trained_at),
            metrics=parse_object(metrics.encode()),
            data_digest=data_digest,
            code_sha=code_sha,
            history=tuple(
                StageChange(version, Stage(stage), parse_time(at), sha)
                for stage, at, sha in changes
            ),
        )


def _release(row: dict[str, Any]) -> ReleaseRecord:
    lists = {name: parse(row[name].encode()) for name in _LISTS}
    return ReleaseRecord.from_document({**row, **lists})


@contextmanager
def _reading() -> Iterator[None]:
    """Turn whatever is wrong with a row into RegistryCorrupt."""
    try:
        with reading("a row"):
            yield
    except DocumentInvalid as error:
        raise RegistryCorrupt(error.reason) from error


@contextmanager
def opened(content: bytes | None) -> Iterator[tuple[Catalog, sqlite3.Connection]]:
    """Open the bytes of a database, or a new one. Raises RegistryCorrupt."""
    with closing(sqlite3.connect(":memory:")) as connection:
        # The messages about a damaged database quote it, and cannot always be decoded.
        try:
            if content is None:
                connection.executescript(SCHEMA)
            else:
                _read(connection, content)
            connection.executescript(_ADDED)
            yield Catalog(connection), connection
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise RegistryCorrupt(str(error)) from error


def _read(connection: sqlite3.Connection, content: bytes) -> None:
    """Take the rows of a database, and nothing that it would have SQLite do."""
    if len(content) > MAX_BYTES:
        raise RegistryCorrupt(f"it has more than {MAX_BYTES:,} bytes")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    try:
        connection.deserialize(content)
    except (OverflowError, MemoryError) as error:  # of sizes that it cannot have, 0 among them
        raise RegistryCorrupt(f"{len(content)} bytes are no database") from error
    # Before anything is asked of it: views, triggers and generated columns are code.
    found = _schema(connection)
    if not _required_schema() <= found <= _whole_schema():
        raise RegistryCorrupt("it has other tables than a registry")
    verdict = connection.execute("PRAGMA integrity_check").fetchone()
    if verdict != ("ok",):
        raise RegistryCorrupt(f"its integrity check says {verdict}")


_Schema = frozenset[tuple[str, str, str, str | None]]


def _schema(connection: sqlite3.Connection) -> _Schema:
    return frozenset(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))


@cache
def _required_schema() -> _Schema:
    return _made_by(SCHEMA)


@cache
def _whole_schema() -> _Schema:
    return _made_by(SCHEMA + _ADDED)


def _made_by(script: str) -> _Schema:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script)
        return _schema(connection)


def serialized(connection: sqlite3.Connection) -> bytes:
    connection.commit()
    return connection.serialize()
