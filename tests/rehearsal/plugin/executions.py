"""Step Functions: an execution's limit of time, which MiniStack takes and then forgets."""

import contextvars
import json
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from tests.rehearsal.plugin.patches import Record, instead_of, needs

STATES: Final = "ministack.services.stepfunctions"
RUNNING: Final = "RUNNING"

needs(STATES, "_executions")
needs(STATES, "_state_machines")
needs(STATES, "now_iso", "() -> str")
needs(STATES, "_add_event", "(execution, event_type, details=None)")
needs(STATES, "_emit_execution_status_event", "(execution) -> None")


def time_out(execution: Record) -> None:
    """As StopExecution does it: a task that is under way is not stopped, but nothing follows."""
    states: Any = sys.modules[STATES]
    if execution["status"] == RUNNING:
        execution["status"] = "TIMED_OUT"
        execution["stopDate"] = states.now_iso()
        states._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
        states._emit_execution_status_event(execution)


@instead_of(STATES, "_run_execution", "(exec_arn)")
def run(original: Callable[[str], None], exec_arn: str) -> None:
    """In a thread of its own. The limit counts from the start of it, in real seconds."""
    states: Any = sys.modules[STATES]
    execution = states._executions[exec_arn]
    machine = states._state_machines[execution["stateMachineArn"]]
    seconds = json.loads(machine["definition"]).get("TimeoutSeconds")
    if seconds is None:
        return original(exec_arn)
    # Whose account and region it is, MiniStack keeps in the context.
    clock = threading.Timer(seconds, contextvars.copy_context().run, (time_out, execution))
    clock.daemon = True
    clock.start()
    try:
        return original(exec_arn)
    finally:
        clock.cancel()


@instead_of(STATES, "_fail_execution", "(execution, error, cause)")
def fail(original: Callable[..., None], execution: Record, error: str, cause: str) -> None:
    """The task that outlived its execution may fail; that has ended all the same."""
    if execution["status"] == RUNNING:
        original(execution, error, cause)
