"""Each operation's answer, as the state machine takes it. Errors are raised: it waits for them."""

import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn, Protocol

from structlog.typing import FilteringBoundLogger

from functions.release.messages import AnyMessage, Begin, Gate, Record, Watch, parse
from functions.release.settings import read_settings
from mlops.bootstrap import utc_now
from mlops.bootstrap.releases import Places, open_rollouts
from mlops.registry.releases import Ended
from mlops.release.beginning import Begun
from mlops.release.closing import Closed
from mlops.release.ports import GateReport
from mlops.release.reconcile import Reconciled
from mlops.release.rollout import Watched

Answer = dict[str, Any]
STARTED, WAITING = "STARTED", "WAITING"


class Begins(Protocol):
    """What the handler needs of `Beginning`."""

    def begin(
        self, id: str, by: str, *, despite_alarms: bool = False, retry: bool = False
    ) -> Begun: ...


class Releases(Protocol):
    """What the handler needs of `Rollout`."""

    def gate(self, id: str) -> GateReport: ...

    def watch(self, id: str) -> Watched: ...

    def record(self, id: str, outcome: Ended, reasons: tuple[str, ...]) -> Closed: ...


class Reconciles(Protocol):
    """What the handler needs of `Reconciler`."""

    def reconcile(self) -> Reconciled: ...


class Handler:
    """now: aware, UTC."""

    def __init__(
        self,
        beginning: Begins,
        rollout: Releases,
        reconciler: Reconciles,
        now: Callable[[], datetime],
        logger: FilteringBoundLogger,
    ) -> None:
        self._beginning = beginning
        self._rollout = rollout
        self._reconciler = reconciler
        self._now = now
        self._logger = logger

    def __call__(self, event: object, context: object) -> Answer:
        """Raises pydantic's ValidationError for what is no message, and what operations raise."""
        started = self._now()
        facts: dict[str, object] = {"request_id": getattr(context, "aws_request_id", None)}
        log = self._logger.error
        try:
            message = parse(event)
            facts.update(operation=message.operation, release=getattr(message, "id", None))
            answer = self._answer(message)
            facts["answer"] = {name: it for name, it in answer.items() if name != "plan"}
            log = self._logger.info
        except Exception as error:
            facts.update(described(error))
            raise
        finally:
            facts["duration_ms"] = round((self._now() - started) / timedelta(milliseconds=1), 3)
            log("operation", **facts)
        return answer

    def _answer(self, message: AnyMessage) -> Answer:
        match message:
            case Begin():
                start = message.input
                begun = self._beginning.begin(
                    message.id, start.by, despite_alarms=start.despite_alarms, retry=start.retry
                )
                return _of_begun(begun)
            case Gate():
                report = self._rollout.gate(message.id)
                # Without its details: what passes through a state machine is limited to 256 KiB.
                return {"passed": report.passed, "reasons": list(report.reasons)}
            case Watch():
                watched = self._rollout.watch(message.id)
                return {**vars(watched), "reasons": list(watched.reasons)}
            case Record():
                closed = self._rollout.record(message.id, message.ending.outcome, message.reasons)
                return {**vars(closed), "reasons": list(closed.reasons)}
            case _:
                reconciled = self._reconciler.reconcile()
                return {"done": list(reconciled.done), "idle": reconciled.idle}


class Refusing:
    """Begins nothing, and says why. What is under way is still watched, recorded and reconciled."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        self._reasons = reasons

    def begin(
        self, id: str, by: str, *, despite_alarms: bool = False, retry: bool = False
    ) -> Begun:
        return Begun(None, Ended.REFUSED, self._reasons)


class Unusable:
    """Does nothing, and says why."""

    def __init__(self, error: Exception, logger: FilteringBoundLogger) -> None:
        self._error = error
        self._logger = logger

    def __call__(self, event: object, context: object) -> NoReturn:
        self._logger.error("unusable", **described(self._error))
        raise self._error


def create_handler(
    environment: Mapping[str, str], logger: FilteringBoundLogger
) -> Callable[[object, object], Answer]:
    """Make the handler that these settings ask for. Raises nothing.

    An import that raises is a function that Lambda starts over and over, with no word of ours.
    """
    try:
        settings = read_settings(environment)
        places = Places(
            stack=settings.stack,
            store=settings.store,
            api=settings.api_function,
            batch=settings.batch_function,
            state_machine=settings.state_machine,
            topic=settings.topic,
            api_logs=settings.api_log_group,
            alarms=tuple(settings.alarms.split(",")),
        )
        opened = open_rollouts(
            places,
            settings.to_settings(),
            settings.to_policy(),
            cache=settings.cache_dir,
            baked=settings.models_dir,
        )
        refusals = settings.refusals
        beginning: Begins = Refusing(refusals) if refusals else opened.beginning
        return Handler(beginning, opened.rollout, opened.reconciler, utc_now, logger)
    except Exception as error:
        logger.error("unusable", **described(error))
        return Unusable(error, logger)


def described(error: Exception) -> dict[str, object]:
    return {
        "error": type(error).__qualname__,
        "reason": str(error),
        "stack": traceback.format_tb(error.__traceback__),
    }


def _of_begun(begun: Begun) -> Answer:
    return {
        "outcome": begun.outcome or (WAITING if begun.plan is None else STARTED),
        "reasons": list(begun.reasons),
        "plan": None if begun.plan is None else begun.plan.to_document(),
    }
