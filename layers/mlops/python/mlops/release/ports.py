"""What a release asks of the world: two functions with their aliases, a log, alarms, deployments,
executions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from mlops.inference.version import Pin
from mlops.release.judge import Observed

LATEST = "$LATEST"
"""In place of a version's number: what was deployed, published or not."""


@dataclass(frozen=True)
class Traffic:
    """How an alias splits its traffic.

    version: gets what is left. weights: the share of each other version, in (0, 1).
    revision: names this state; a change is made to it, or not at all.
    """

    version: str
    weights: Mapping[str, float]
    revision: str


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

    def awake(self, number: str, event: Mapping[str, Any]) -> FunctionVersion:
        """As `describe`, once that version can answer: what was not asked for weeks sleeps.

        event: what wakes it; it may be answered, too. Raises InvocationFailed where the version
        does not come to itself within a minute, or never will: its image is gone.
        """

    def traffic(self) -> Traffic: ...

    def move(self, version: str, weights: Mapping[str, float], revision: str) -> Traffic:
        """Point the alias at `version`, with those weights and no others.

        Raises TrafficChanged where `revision` is no longer the alias's, TrafficRefused for what
        Lambda does not take: `$LATEST`, weights of the version itself, more than one other one.
        """

    def invoke(self, number: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Let exactly that version answer. Raises InvocationFailed where it does not."""


class Observations(Protocol):
    def observed(self, version: str, since: datetime, until: datetime) -> Observed:
        """What a version of the API did from `since` until before `until` (aware, UTC).

        Raises CloudUnavailable.
        """


class Alarms(Protocol):
    """Those that are asked for: a release asks for those that say whether the API is well."""

    def red(self) -> tuple[str, ...]:
        """Names of those that ring. Raises CloudUnavailable."""


class Deployments(Protocol):
    def half_done(self) -> str | None:
        """Why functions may be half changed now, in words; None where they are not.

        Raises CloudUnavailable.
        """


class ExecutionStatus(StrEnum):
    """Of an execution of the state machine, as Step Functions names them."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    UNKNOWN = "UNKNOWN"
    """No such execution: never started, or forgotten (Step Functions keeps them for 90 days)."""


class Executions(Protocol):
    """Runs of the release's state machine, by their names. All raise CloudUnavailable."""

    def status(self, name: str) -> ExecutionStatus: ...

    def running(self) -> tuple[str, ...]:
        """Names of those that run. One that has begun or ended just now may be missing, or here."""

    def start(
        self, name: str, by: str, *, despite_alarms: bool = False, retry: bool = False
    ) -> None:
        """despite_alarms, retry: see `Beginning.begin`."""

    def stop(self, name: str, reason: str) -> None:
        """One that has ended stays as it is."""


class Notices(Protocol):
    def send(self, subject: str, text: str) -> None:
        """Tell people. Raises CloudUnavailable."""


@dataclass(frozen=True)
class GateReport:
    """Whether a candidate may have traffic at all. details: figures, as JSON takes them."""

    passed: bool
    reasons: tuple[str, ...]
    details: Mapping[str, Any]
