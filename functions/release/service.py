"""The release function: one step of a release, or a repair. Errors are raised to the caller."""

import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn

from pydantic import TypeAdapter
from structlog.typing import FilteringBoundLogger

from functions.release.messages import ExecutionEnded, RepairRequest
from functions.release.settings import read_settings
from mlops.bootstrap import utc_now
from mlops.bootstrap.releases import Places, open_release_function, read_state, write_state
from mlops.release.repair import Repair
from mlops.release.steps import Release

_EVENT: TypeAdapter[RepairRequest | ExecutionEnded] = TypeAdapter(RepairRequest | ExecutionEnded)
_LOGGED = {"next", "wait", "outcome", "reasons", "repaired"}


class Handler:
    """now: aware, UTC."""

    def __init__(
        self,
        release: Release,
        repair: Repair,
        now: Callable[[], datetime],
        logger: FilteringBoundLogger,
    ) -> None:
        self._release = release
        self._repair = repair
        self._now = now
        self._logger = logger

    def __call__(self, event: object, context: object) -> dict[str, Any]:
        """Raises pydantic's ValidationError for an unknown event, and what the steps raise."""
        started = self._now()
        facts: dict[str, object] = {"request_id": getattr(context, "aws_request_id", None)}
        log = self._logger.error
        try:
            answer = self._answer(event, facts)
            facts["answer"] = {name: it for name, it in answer.items() if name in _LOGGED}
            log = self._logger.info
        except Exception as error:
            facts.update(describe_error(error))
            raise
        finally:
            facts["duration_ms"] = round((self._now() - started) / timedelta(milliseconds=1), 3)
            log("operation", **facts)
        return answer

    def _answer(self, event: object, facts: dict[str, object]) -> dict[str, Any]:
        if isinstance(event, Mapping) and "next" in event:
            state = read_state(event)
            facts.update(operation=state.next, release=state.id)
            return write_state(self._release.step(state))
        facts["operation"] = "repair"
        request = _EVENT.validate_python(event)
        ended = request.detail.name if isinstance(request, ExecutionEnded) else None
        facts["release"] = ended
        return {"repaired": list(self._repair(ended))}


class Unusable:
    """Does nothing, and says why."""

    def __init__(self, error: Exception, logger: FilteringBoundLogger) -> None:
        self._error = error
        self._logger = logger

    def __call__(self, event: object, context: object) -> NoReturn:
        self._logger.error("unusable", **describe_error(self._error))
        raise self._error


def create_handler(
    environment: Mapping[str, str], logger: FilteringBoundLogger
) -> Callable[[object, object], dict[str, Any]]:
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
        release, repair = open_release_function(
            places,
            settings.to_settings(),
            settings.to_policy(),
            settings.refusals,
            cache=settings.cache_dir,
            baked=settings.models_dir,
        )
        return Handler(release, repair, utc_now, logger)
    except Exception as error:
        logger.error("unusable", **describe_error(error))
        return Unusable(error, logger)


def describe_error(error: Exception) -> dict[str, object]:
    return {
        "error": type(error).__qualname__,
        "reason": str(error),
        "stack": traceback.format_tb(error.__traceback__),
    }
