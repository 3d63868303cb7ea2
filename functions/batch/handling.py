"""Handle the messages of one invocation: each is done, or reported as failed."""

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger

from functions.batch.messages import MessageInvalid, SubmissionMessage, parse
from functions.batch.settings import read_settings
from mlops.batch.job import Job, Limits, Task
from mlops.batch.jobs import Submission
from mlops.batch.worker import Attempt
from mlops.bootstrap import utc_now
from mlops.bootstrap.jobs import open_jobs, open_worker
from mlops.errors import InputForbidden, InputRefused, MlopsError, ModelNotFound

_MAX_REASON = 1_000
_MAX_FRAMES = 20
"""What a line of the log holds at most, so that no message makes it large."""

Record = Mapping[str, Any]
Answer = dict[str, list[dict[str, str]]]

ALL_FAILED: Answer = {"batchItemFailures": [{"itemIdentifier": ""}]}
"""Where messages cannot be named: SQS keeps all of them. An empty list would lose them."""


class Context(Protocol):
    """What the handler needs of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int: ...


class AcceptsJobs(Protocol):
    """What the handler needs of `Jobs`."""

    def accept(self, job_id: str, submission: Submission) -> Job: ...

    def reject(self, job_id: str, owner: str, reason: str) -> None: ...


class RunsTasks(Protocol):
    """What the handler needs of `Worker`."""

    def run(self, task: Task, attempt: Attempt) -> bool: ...


class Handler:
    """now: aware, UTC. max_receives: the queue gives a message up after so many."""

    def __init__(
        self,
        jobs: AcceptsJobs,
        worker: RunsTasks,
        now: Callable[[], datetime],
        max_receives: int,
        logger: FilteringBoundLogger,
    ) -> None:
        self._jobs = jobs
        self._worker = worker
        self._now = now
        self._max_receives = max_receives
        self._logger = logger

    def __call__(self, event: object, context: Context) -> Answer:
        """Never raises: that would fail the messages that were done, too."""
        records = records_of(event)
        if not records:
            self._logger.error("this is no event of SQS")
            return ALL_FAILED
        return failed(record for record in records if not self._is_done(record, context))

    def _is_done(self, record: Record, context: Context) -> bool:
        started = self._now()
        facts: dict[str, object] = {
            "request_id": getattr(context, "aws_request_id", None),
            "message_id": record["messageId"],
        }
        try:
            usable = self._do(record, context, facts)
        # Extensions in Rust panic with what is no Exception, and the siblings are to go on.
        except BaseException as error:
            facts.update(outcome="failed", **described(error))
            log = self._logger.error
        else:
            # Why, the job's status says. The words may hold names of columns, which in a file
            # without a header are somebody's data.
            facts.update(outcome="done" if usable else "refused")
            log = self._logger.info
        facts["duration_ms"] = round((self._now() - started) / timedelta(milliseconds=1), 3)
        log("task", **facts)
        return facts["outcome"] != "failed"

    def _do(self, record: Record, context: Context, facts: dict[str, object]) -> bool:
        try:
            message = parse(record["body"])
        except MessageInvalid as error:
            facts["job_id"] = error.job_id
            if error.job_id is not None and error.owner is not None:
                self._jobs.reject(error.job_id, error.owner, error.reason)
            raise
        task = message.to_task()
        facts.update(job_id=task.job_id, chunk=task.chunk)
        if isinstance(message, SubmissionMessage):
            self._accept(message)
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        remaining = timedelta(milliseconds=context.get_remaining_time_in_millis())
        attempt = Attempt(last=receives >= self._max_receives, deadline=self._now() + remaining)
        return self._worker.run(task, attempt)

    def _accept(self, message: SubmissionMessage) -> None:
        try:
            self._jobs.accept(message.job_id, message.to_submission(message.submitted_by))
        except (InputForbidden, InputRefused, ModelNotFound) as error:
            # It fails again until it is in the dead-letter queue; its submitter need not wait.
            self._jobs.reject(message.job_id, message.submitted_by, str(error))
            raise


class Unusable:
    """Handles nothing and says why. Messages wait until the function is fixed."""

    def __init__(self, error: Exception, logger: FilteringBoundLogger) -> None:
        self.facts = described(error)
        self._logger = logger

    def __call__(self, event: object, context: Context) -> Answer:
        records = records_of(event)
        self._logger.error("unusable", messages=len(records), **self.facts)
        return failed(records) if records else ALL_FAILED


def create_handler(
    environment: Mapping[str, str], logger: FilteringBoundLogger
) -> Callable[[object, Context], Answer]:
    """Make the handler from the settings. Raises nothing.

    An import that raises is a function that Lambda starts over and over, with no word of ours.
    """
    try:
        settings = read_settings(environment)
        return Handler(
            open_jobs(settings.store, settings.queue, settings.parsed_pins()),
            open_worker(
                settings.store,
                settings.queue,
                baked=settings.models_dir,
                cache=settings.cache_dir,
                limits=Limits(rows=settings.max_rows, bytes=settings.max_bytes),
            ),
            utc_now,
            settings.max_receives,
            logger,
        )
    except Exception as error:
        logger.error("unusable", **described(error))
        return Unusable(error, logger)


def records_of(event: object) -> Sequence[Record]:
    """The records of an event of SQS; none where it is something else, even in part."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not all(map(_is_record, records)):
        return ()
    return records


def _is_record(record: object) -> bool:
    message_id = record.get("messageId") if isinstance(record, Mapping) else None
    return isinstance(message_id, str) and message_id != ""


def failed(records: Iterable[Record]) -> Answer:
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in records]}


def described(error: BaseException) -> dict[str, object]:
    """Return what an error was and where. The words of foreign errors may quote a row."""
    ours = isinstance(error, MlopsError) and not isinstance(error, InputForbidden)  # names them
    reason = str(error)[:_MAX_REASON] if ours else None
    if isinstance(error, ValidationError):  # of the settings
        reason = "; ".join(f"{wrong['loc'][0]}: {wrong['msg']}" for wrong in error.errors())
    return {
        "error": type(error).__qualname__,
        "reason": reason,
        "stack": traceback.format_tb(error.__traceback__, -_MAX_FRAMES),
    }
