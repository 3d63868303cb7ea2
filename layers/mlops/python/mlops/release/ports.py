"""What releases need from outside: two functions with their aliases, a registry, a log, alarms,
deployments, executions and notices."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from mlops.inference.version import ModelVersion, Pin
from mlops.registry.catalog import Entry
from mlops.registry.journal import StageChange
from mlops.registry.releases import ReleaseRecord
from mlops.registry.versions import StoredVersions
from mlops.release.analysis import Observation
from mlops.release.note import Note

LATEST = "$LATEST"
"""In place of a version's number: what was deployed, published or not."""


@dataclass(frozen=True)
class Traffic:
    """An alias: how it splits its traffic, and who moved it last.

    version: gets what is left. weights: the share of each other version, in (0, 1).
    note: None where no release has moved it yet. revision: names this state; a change is made to
    it, or not at all.
    """

    version: str
    weights: Mapping[str, float]
    note: Note | None
    revision: str

    @property
    def shares(self) -> dict[str, float]:
        """The share of each version that gets any."""
        return {self.version: round(1 - sum(self.weights.values()), 6), **self.weights}


@dataclass(frozen=True)
class FunctionVersion:
    """A published version of a function, or `$LATEST`: what has not been published yet.

    code: digest of the image. pins: of the models it serves. settings: digest of all else that
    shapes it, such as environment, memory and time-out.
    """

    number: str
    code: str
    pins: tuple[Pin, ...]
    settings: str


class Function(Protocol):
    """One function and its alias `live`.

    Every method raises FunctionGone where the function, its alias or that version is not there,
    and CloudUnavailable where nothing can be asked.
    """

    def publish(self) -> FunctionVersion:
        """Freeze `$LATEST` as a version. Where nothing changed since the last one: that one."""

    def describe(self, number: str) -> FunctionVersion: ...

    def wait_until_active(self, number: str, event: Mapping[str, Any]) -> FunctionVersion:
        """Describe a version once it can answer. One that was idle for weeks is inactive.

        event: is sent to activate it. Raises InvocationFailed where the version is not active
        within a minute, or never will be because its image is gone.
        """

    def traffic(self) -> Traffic: ...

    def move(
        self, version: str, weights: Mapping[str, float], note: Note | None, revision: str
    ) -> Traffic:
        """Point the alias at `version`, with those weights and that note, and no others.

        Raises TrafficChanged where `revision` is no longer the alias's, TrafficRefused for what
        Lambda does not take: `$LATEST`, weights of the version itself, more than one other one.
        """

    def invoke(self, number: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Let exactly that version answer. Raises InvocationFailed where it does not."""


Edges = tuple[float, ...]
"""Inner edges of bins, which rise. A value that is an edge is in the bin above it."""


class Observations(Protocol):
    def observe(
        self, version: str, since: datetime, until: datetime, edges: Mapping[str, Edges]
    ) -> Observation:
        """Return what a version of the API did from `since` until before `until` (aware, UTC).

        edges: by model, the bins to count its predictions in; those of others are not counted.
        Raises CloudUnavailable.
        """


class Alarms(Protocol):
    def raised(self) -> tuple[str, ...]:
        """Return the names of the alarms in state ALARM. Raises CloudUnavailable."""


class Deployments(Protocol):
    def half_done(self) -> str | None:
        """Return why only some functions may have changed yet; None where that cannot be.

        Raises CloudUnavailable.
        """


class ExecutionStatus(StrEnum):
    """As Step Functions names them."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    PENDING_REDRIVE = "PENDING_REDRIVE"


@dataclass(frozen=True)
class Execution:
    """One execution of the state machine. by: who started it."""

    status: ExecutionStatus
    by: str
    started_at: datetime

    @property
    def is_running(self) -> bool:
        return self.status is ExecutionStatus.RUNNING


class Executions(Protocol):
    """Executions of the release's state machine, by name. All raise CloudUnavailable."""

    def find(self, name: str) -> Execution | None:
        """Return None where there is none; Step Functions keeps them for 90 days."""

    def running(self) -> tuple[str, ...]:
        """Return the names of those that run. One that began or ended just now may be wrong."""

    def last_state(self, name: str) -> Mapping[str, Any] | None:
        """Return the state that the last step of an execution was given, as JSON."""

    def start(
        self, name: str, by: str, *, despite_alarms: bool = False, retry: bool = False
    ) -> None:
        """despite_alarms, retry: see `steps.Start`."""

    def stop(self, name: str, reason: str) -> None:
        """Stop an execution. One that has ended, or never began, stays as it is."""


class Notices(Protocol):
    def send(self, subject: str, text: str) -> None:
        """Notify the operators. Raises CloudUnavailable."""


class Registry(Protocol):
    """What releases need of the registry; see `mlops.registry.registry.Registry`."""

    @property
    def versions(self) -> StoredVersions: ...

    def record(self, release: ReleaseRecord) -> ReleaseRecord: ...

    def has_release(self, id: str) -> bool: ...

    def releases(self) -> Sequence[ReleaseRecord]: ...

    def ended_at(self, now: datetime) -> datetime: ...

    def entries(self, model: str | None = None) -> Sequence[Entry]: ...

    def entry(self, version: ModelVersion) -> Entry: ...

    def move(self, change: StageChange) -> None: ...


@dataclass(frozen=True)
class Dependencies:
    """What releases, rollbacks and repairs have in common.

    now: aware, UTC. new_id: a new name for a rollback. pause: see `registry.pausing`.
    """

    api: Function
    batch: Function
    registry: Registry
    executions: Executions
    notices: Notices
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    pause: Callable[[int], None]

    @property
    def parts(self) -> tuple[tuple[str, Function], ...]:
        """Both functions, in the order in which their aliases are moved."""
        return ("api", self.api), ("batch", self.batch)


@dataclass(frozen=True)
class GateReport:
    """Whether a candidate may have traffic at all. details: figures, as JSON takes them."""

    passed: bool
    reasons: tuple[str, ...]
    details: Mapping[str, Any]
