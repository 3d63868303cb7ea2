"""The state machine as release.asl.yaml has it, without Step Functions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mlops.bootstrap.releases import read_state, write_state
from mlops.errors import CloudUnavailable, MlopsError, RegistryBusy, StoreUnavailable
from mlops.release.ports import ExecutionStatus
from mlops.release.steps import State
from tests.unit.release.fakes import FakeExecutions, FakeFunction

RETRIED = CloudUnavailable, StoreUnavailable, RegistryBusy
MOST_STEPS = 300
"""What takes more has run out of time."""
ATTEMPTS = {"crash": 3, "outage": 6}


class Crash(BaseException):
    """The function's process dies."""


@dataclass
class Machine:
    """Runs executions, each to its end.

    step: makes one step. passed: is told of the seconds that are waited. through_json: whether
    states are written and read, as they are in life; that takes time.
    """

    step: Callable[[State], State]
    executions: FakeExecutions
    api: FakeFunction
    passed: Callable[[timedelta], None]
    through_json: bool = True
    steps: list[str] = field(default_factory=list)

    def run(self, id: str, by: str = "ann", **said: bool) -> ExecutionStatus:
        """Start an execution, and return how it ends."""
        if id not in self.executions.runs:
            self.executions.start(id, by, **said)
        state = self.first(id)
        steps = 0
        while state.next and self.is_running(id):
            steps += 1
            if steps > MOST_STEPS:
                return self._end(id, ExecutionStatus.TIMED_OUT)
            self.steps.append(state.next)
            if state.wait:
                self.passed(timedelta(seconds=state.wait))
                if not self.is_running(id):
                    break
            after = self.attempt(state)
            if after is None:
                self._take_weights()
                return self._end(id, ExecutionStatus.FAILED)
            state = after
        return self._end(id, ExecutionStatus.SUCCEEDED)

    def first(self, id: str) -> State:
        run = self.executions.runs[id]
        said = {"by": run.by, "despite_alarms": run.despite_alarms, "retry": run.retry}
        started = "2026-03-01T12:00:00.000Z"
        return read_state({"next": "begin", "id": id, "started_at": started, "input": said})

    def attempt(self, state: State) -> State | None:
        """Make a step, as often as it takes. Return None where even `undo` or `record` fails."""
        left = dict(ATTEMPTS)
        while True:
            try:
                after = self.step(state)
            except Crash:
                failure, left["crash"] = {"Error": "Lambda.Unknown"}, left["crash"] - 1
                if left["crash"]:
                    continue
            except RETRIED as error:
                failure, left["outage"] = _failure(error), left["outage"] - 1
                if left["outage"]:
                    continue
            except (MlopsError, ValueError) as error:
                failure = _failure(error)
            else:
                return self._passed_on(after)
            if state.next in ("undo", "record"):
                return None
            return read_state({**write_state(state), "next": "undo", "wait": 0, "failure": failure})

    def is_running(self, id: str) -> bool:
        return self.executions.runs[id].status is ExecutionStatus.RUNNING

    def _passed_on(self, state: State) -> State:
        if not self.through_json:
            return state
        self.executions.states[state.id] = write_state(state)
        return read_state(write_state(state))

    def _take_weights(self) -> None:
        """What the state machine does by itself."""
        if self.api.gone:
            return
        found = self.api.current
        if found.weights:
            self.api.move_by_hand(found.version)

    def _end(self, id: str, status: ExecutionStatus) -> ExecutionStatus:
        if self.is_running(id):
            self.executions.end(id, status)
        return self.executions.runs[id].status


def _failure(error: Exception) -> dict[str, Any]:
    return {"Error": type(error).__name__, "Cause": f'{{"errorMessage": "{error}"}}'}
