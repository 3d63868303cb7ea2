"""Everything that should agree: what is committed, deployed, live, registered and stored."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from mlops.errors import MlopsError, PinInvalid
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.catalog import Entry
from mlops.registry.journal import Stage
from mlops.registry.releases import Kind, ReleaseRecord
from mlops.release.alias import is_same
from mlops.release.ports import FunctionVersion, Traffic

SAMCONFIG = "samconfig.toml"
DEAD = {
    "CREATE_FAILED": "Its creation has failed",
    "ROLLBACK_COMPLETE": "Its creation has failed, and was rolled back",
    "ROLLBACK_FAILED": "Its creation has failed, and could not be rolled back",
    "DELETE_FAILED": "It could not be deleted, not all of it",
}
"""Stacks that never take a deployment again, and why."""


@dataclass(frozen=True)
class Committed:
    """What samconfig.toml says. parameters: for the stack; None where it cannot be read."""

    parameters: Mapping[str, str] | None
    path: str = SAMCONFIG


@dataclass(frozen=True)
class Side:
    """One function. name: AWS's. latest, traffic: None where the function, its alias is gone.

    tried: the version that the last planned release, or rollback, was about.
    """

    name: str
    latest: FunctionVersion | None
    traffic: Traffic | None
    live: FunctionVersion | None
    tried: FunctionVersion | None

    @property
    def is_current(self) -> bool:
        """Whether what was deployed is live; also where that cannot be told."""
        return self.latest is None or self.live is None or is_same(self.latest, self.live)

    @property
    def was_tried(self) -> bool:
        """Whether what is deployed is what the last release was about."""
        return bool(self.latest and self.tried and is_same(self.latest, self.tried))


@dataclass(frozen=True)
class Unmade:
    """A stack without outputs: it is being created, or never was. The rest as of `Deployed`."""

    stack: str
    named: bool
    status: str


@dataclass(frozen=True)
class Deployed:
    """A stack. named: it is not the one that commands take by themselves.

    api, batch: None where they cannot be read. release: the one that has the aliases and is not
    over. is_running: whether its execution runs.
    alarms: those in state ALARM. holding: all that hold releases up, whatever their state.
    """

    stack: str
    named: bool
    status: str
    parameters: Mapping[str, str]
    release_function: str
    api: Side | None
    batch: Side | None
    release: str | None
    is_running: bool
    alarms: tuple[str, ...]
    holding: tuple[str, ...]

    @property
    def is_changing(self) -> bool:
        return self.status.endswith("IN_PROGRESS")

    @property
    def sides(self) -> list[Side]:
        return [side for side in (self.api, self.batch) if side is not None]


@dataclass(frozen=True)
class Kept:
    """What the store, and the registry in it, hold.

    entries: None where they cannot be read. corrupt: why, where a rebuild helps.
    records: all there are, the last one last, whether or not the registry has them.
    unlisted: complete versions, and records of releases, that the registry lacks.
    damaged_records: why a record of a release cannot be read, by its id; a rebuild leaves it out.
    left_out: versions as registered that it lacks since the store has other manifests of them.
    stages: of registered versions, as the journal has them. damaged: versions that are not, or not
    all, as they should be: those that are pinned or live byte by byte, other registered ones by
    their manifests and the names of their files.
    """

    location: str
    entries: Mapping[ModelVersion, Entry] | None
    records: tuple[ReleaseRecord, ...]
    corrupt: str | None
    unlisted: tuple[str, ...]
    damaged_records: Mapping[str, str]
    left_out: tuple[Pin, ...]
    stages: Mapping[ModelVersion, Stage]
    damaged: Mapping[Pin, MlopsError]

    @property
    def registered(self) -> set[Pin]:
        """What the registry knows of, also what it leaves out."""
        return {*self.left_out, *(entry.pin for entry in (self.entries or {}).values())}


@dataclass(frozen=True)
class Facts:
    """deployed: None where no stack is compared; no_stack: why, unless it could not be read.

    unmade: the stack that is there and cannot be compared. local: nobody wants a stack. models: by
    the stack's parameter for the pin of each. unread: why something could not be read.
    """

    committed: Committed
    models: Mapping[str, str]
    deployed: Deployed | None
    no_stack: str | None
    unmade: Unmade | None
    local: bool
    kept: Kept
    unread: Mapping[str, str]

    def uses(self) -> Mapping[Pin, list[str]]:
        """What each pin that matters is: committed, deployed, live, in this order."""
        found: dict[Pin, list[str]] = {}
        for pin in self._pins(self.committed.parameters or {}):
            found.setdefault(pin, []).append("committed")
        if self.deployed is not None:
            for pin in self._pins(self.deployed.parameters):
                found.setdefault(pin, []).append("deployed")
            for side in self.deployed.sides:
                for pin in side.live.pins if side.live else ():
                    words = found.setdefault(pin, [])
                    if "live" not in words:
                        words.append("live")
        return found

    def _pins(self, parameters: Mapping[str, str]) -> Iterator[Pin]:
        for name in self.models:
            pin = pin_of(parameters, name)
            if pin is not None:
                yield pin


def pin_of(parameters: Mapping[str, str], name: str) -> Pin | None:
    """None where there is no pin, or none that can be read."""
    with suppress(PinInvalid):
        return Pin.parse(parameters.get(name, ""))
    return None


def planned(records: Iterable[ReleaseRecord]) -> ReleaseRecord | None:
    """The last release, or rollback, that had a plan: others were about nothing in particular."""
    had_plan = (it for it in records if it.champion is not None or it.kind is Kind.FIRST)
    return next((it for it in reversed([*had_plan]) if all(subject(it))), None)


def subject(record: ReleaseRecord) -> tuple[str | None, str | None]:
    """The versions of both functions that it was to make live, or from which it went back."""
    if record.kind is Kind.ROLLBACK and record.moved:
        return record.champion, record.batch_champion
    return record.candidate, record.batch_candidate
