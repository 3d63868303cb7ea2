"""The ports of a release in memory, as strict as AWS is, and stricter than its simulations are.

Each has `before`, called with the operation's name ahead of it: what it raises happens instead of
the operation, and what it does, somebody else did meanwhile.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

from mlops.errors import (
    CloudUnavailable,
    FunctionGone,
    InvocationFailed,
    TrafficChanged,
    TrafficRefused,
)
from mlops.inference.version import Pin
from mlops.release.analysis import Observation
from mlops.release.note import MOST_CHARACTERS, Note, read_note
from mlops.release.ports import Edges, Execution, ExecutionStatus, FunctionVersion, Traffic

LATEST = "$LATEST"
STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)


def nothing_happens(operation: str) -> None:
    """The usual `before`."""


def unavailable(operation: str) -> None:
    """A `before` that is an outage."""
    raise CloudUnavailable(operation, "it is played to be down")


def echo(number: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The usual `handler`."""
    return {"version": number, "event": dict(event)}


class FakeFunction:
    """Implements `Function`: version 1 is published, and the alias gives it all traffic.

    handler: answers invocations of a version; it may raise InvocationFailed. moves: all there were.
    misheard: the weights that the next move sets, whatever it is told.
    dead: versions that never will be active. woken: what was to be active, in this order.
    """

    def __init__(
        self,
        name: str = "api",
        *,
        code: str = "sha256:first",
        pins: tuple[Pin, ...] = (),
        settings: str = "settings",
        handler: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] = echo,
    ) -> None:
        self.name = name
        self.handler = handler
        self.before: Callable[[str], None] = nothing_happens
        self.after: Callable[[str], None] = nothing_happens
        self.moves: list[Traffic] = []
        self.misheard: Mapping[str, float] | None = None
        self.dead: set[str] = set()
        self.woken: list[str] = []
        self.gone = False
        self._revisions = (f"revision-{number}" for number in itertools.count(1))
        self._numbers = map(str, itertools.count(1))
        self._last = ""
        self._versions = {LATEST: FunctionVersion(LATEST, code, pins, settings)}
        self._traffic: Traffic | None = Traffic(
            self.publish().number, {}, None, revision=next(self._revisions)
        )

    @property
    def current(self) -> Traffic:
        """As it is, whatever `before` would do."""
        return self._alias()

    def code_of(self, number: str) -> str:
        return self._versions[number].code

    def deploy(self, **changed: Any) -> None:
        """Change `$LATEST`: its code, pins or settings."""
        self._versions[LATEST] = replace(self._versions[LATEST], **changed)

    def remove(self, number: str) -> None:
        """Delete a version."""
        del self._versions[number]

    def remove_alias(self) -> None:
        self._traffic = None

    def remove_function(self) -> None:
        self.gone = True

    def publish(self) -> FunctionVersion:
        self._ahead("publish")
        latest, last = self._versions[LATEST], self._versions.get(self._last)
        if last is None or latest != replace(last, number=LATEST):
            self._last = next(self._numbers)
            self._versions[self._last] = replace(latest, number=self._last)
        return self._versions[self._last]

    def describe(self, number: str) -> FunctionVersion:
        self._ahead("describe")
        return self._version(number)

    def wait_until_active(self, number: str, event: Mapping[str, Any]) -> FunctionVersion:
        self._ahead("wait_until_active")
        version = self._version(number)
        self.woken.append(number)
        if number in self.dead:
            raise InvocationFailed(f"{self.name}:{number}", f"version {number} is Failed")
        return version

    def traffic(self) -> Traffic:
        self._ahead("traffic")
        return self._alias()

    def move(
        self, version: str, weights: Mapping[str, float], note: Note | None, revision: str
    ) -> Traffic:
        self._ahead("move")
        text = "" if note is None else note.to_text()
        assert len(text) <= MOST_CHARACTERS, text
        if self._alias().revision != revision:
            raise TrafficChanged(f"{self.name}:live")
        if LATEST in (version, *weights):
            raise TrafficRefused("$LATEST is no version")
        if len(weights) > 1:
            raise TrafficRefused("more than one other version")
        if version in weights:
            raise TrafficRefused("a weight of the version itself")
        if not all(0 < weight < 1 for weight in weights.values()):
            raise TrafficRefused("a weight outside of (0, 1)")
        for number in (version, *weights):
            self._version(number)
        if self.misheard is not None:
            weights, self.misheard = self.misheard, None
        moved = Traffic(version, dict(weights), read_note(text), revision=next(self._revisions))
        self._traffic = moved
        self.moves.append(moved)
        self.after("move")
        return moved

    def move_by_hand(self, version: str, **weights: float) -> None:
        """As `aws lambda update-alias` does, which leaves the note alone."""
        shares = {number.removeprefix("v"): share for number, share in weights.items()}
        self._traffic = replace(
            self._alias(), version=version, weights=shares, revision=next(self._revisions)
        )

    def invoke(self, number: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        self._ahead("invoke")
        self._version(number)
        return self.handler(number, event)

    def _ahead(self, operation: str) -> None:
        self.before(operation)
        if self.gone:
            raise FunctionGone(f"function {self.name}")

    def _version(self, number: str) -> FunctionVersion:
        if number not in self._versions:
            raise FunctionGone(f"version {number} of {self.name}")
        return self._versions[number]

    def _alias(self) -> Traffic:
        if self._traffic is None:
            raise FunctionGone(f"alias {self.name}:live")
        return self._traffic


class FakeObservations:
    """Implements `Observations`. asked: the version and interval of each look."""

    def __init__(self) -> None:
        self.before: Callable[[str], None] = nothing_happens
        self.asked: list[tuple[str, datetime, datetime]] = []
        self._recorded: list[tuple[str, datetime, Observation]] = []

    def record(self, version: str, at: datetime, observation: Observation) -> None:
        """Let it happen at that moment."""
        self._recorded.append((version, _utc(at), observation))

    def observe(
        self, version: str, since: datetime, until: datetime, edges: Mapping[str, Edges]
    ) -> Observation:
        self.before("observe")
        assert _utc(since) < _utc(until), "an interval has a length"
        self.asked.append((version, since, until))
        parts = [
            part for number, at, part in self._recorded if number == version and since <= at < until
        ]
        return reduce(Observation.__add__, parts, Observation())


class FakeAlarms:
    """Implements `Alarms`."""

    def __init__(self) -> None:
        self.before: Callable[[str], None] = nothing_happens
        self.in_alarm: set[str] = set()

    def raised(self) -> tuple[str, ...]:
        self.before("raised")
        return tuple(sorted(self.in_alarm))


@dataclass(frozen=True)
class Run:
    status: ExecutionStatus
    by: str
    reason: str | None = None
    despite_alarms: bool = False
    retry: bool = False


class FakeDeployments:
    """Implements `Deployments`."""

    def __init__(self) -> None:
        self.before: Callable[[str], None] = nothing_happens
        self.status: str | None = None

    def half_done(self) -> str | None:
        self.before("half_done")
        return None if self.status is None else f"it is {self.status}"


class FakeExecutions:
    """Implements `Executions`. runs: all there are. states: what each was last given, by name."""

    def __init__(self) -> None:
        self.before: Callable[[str], None] = nothing_happens
        self.runs: dict[str, Run] = {}
        self.states: dict[str, Mapping[str, Any]] = {}

    def end(self, name: str, status: ExecutionStatus) -> None:
        """Let one that runs end."""
        run = self.runs[name]
        assert run.status is ExecutionStatus.RUNNING, "an end is an end"
        self.runs[name] = replace(run, status=status)

    def find(self, name: str) -> Execution | None:
        self.before("find")
        run = self.runs.get(name)
        return None if run is None else Execution(run.status, run.by, STARTED)

    def last_state(self, name: str) -> Mapping[str, Any] | None:
        self.before("last_state")
        return self.states.get(name)

    def running(self) -> tuple[str, ...]:
        self.before("running")
        running = ExecutionStatus.RUNNING
        return tuple(name for name, run in self.runs.items() if run.status is running)

    def start(
        self, name: str, by: str, *, despite_alarms: bool = False, retry: bool = False
    ) -> None:
        self.before("start")
        new = Run(ExecutionStatus.RUNNING, by, despite_alarms=despite_alarms, retry=retry)
        run = self.runs.setdefault(name, new)
        if replace(run, status=new.status, reason=None) != new:
            raise CloudUnavailable(name, "the name is taken")

    def stop(self, name: str, reason: str) -> None:
        self.before("stop")
        run = self.runs.get(name)
        if run is not None and run.status is ExecutionStatus.RUNNING:
            self.runs[name] = replace(run, status=ExecutionStatus.ABORTED, reason=reason)


class FakeNotices:
    """Implements `Notices`. sent: subject and text of each."""

    def __init__(self) -> None:
        self.before: Callable[[str], None] = nothing_happens
        self.sent: list[tuple[str, str]] = []

    def send(self, subject: str, text: str) -> None:
        self.before("send")
        assert subject, "SNS takes no empty subject"
        assert text, "nor an empty message"
        self.sent.append((subject, text))


def _utc(time: datetime) -> datetime:
    assert time.utcoffset() == timedelta(0), "times are aware, in UTC"
    return time
