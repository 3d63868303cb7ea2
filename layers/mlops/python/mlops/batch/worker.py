"""Working on what the queue brings: whole jobs, and chunks of them.

Every step creates objects that must not exist, with content that follows from the job alone. So a
step that is done twice, by whomever, leaves what it left the first time; and one that was cut off
is done again.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from mlops.batch.job import Job, Keys, Limits, Task
from mlops.batch.ports import Queue
from mlops.batch.predicting import Predicted, predict_chunk, read
from mlops.batch.progress import Outcome, Plan, Progress, note
from mlops.batch.splitting import Chunk, split
from mlops.batch.tables import merge
from mlops.errors import (
    InputRefused,
    JobDamaged,
    JobNotFound,
    MlopsError,
    ModelNotFound,
    ModelUnusable,
    ObjectExists,
    ObjectNotFound,
    OutOfTime,
    PinMismatch,
    VersionNotFound,
)
from mlops.inference.loading import ServedModel
from mlops.inference.version import Pin
from mlops.models.rules import rules_of
from mlops.registry.objects import ObjectStore

MARGIN = timedelta(seconds=10)
"""No step is begun with less time than this: it would be cut off, and its try be lost."""

_STOPPED = "The worker was stopped in the middle, each time it tried: killed, or out of time"


@dataclass(frozen=True)
class Attempt:
    """One delivery of a message.

    last: the queue gives the message up if this one fails too.
    deadline: when the function will be stopped; aware, UTC.
    """

    last: bool
    deadline: datetime


class Worker:
    """now: aware, UTC. threads: that share a chunk."""

    def __init__(
        self,
        objects: ObjectStore,
        queue: Queue,
        model: Callable[[Pin], ServedModel],
        limits: Limits,
        now: Callable[[], datetime],
        threads: int = 1,
    ) -> None:
        self._objects = objects
        self._queue = queue
        self._model = model
        self._limits = limits
        self._now = now
        self._threads = threads

    def run(self, task: Task, attempt: Attempt) -> bool:
        """Do a task, unless it is done. Raises whatever kept it from being done: try it again.

        Returns whether its input can be predicted: where not, the job has failed, and is done with.
        """
        usable = True
        job = self._job(task.job_id)
        progress = Progress(self._objects, task.job_id)
        if progress.has(progress.keys.summary) or progress.outcome is Outcome.CANCELLED:
            return usable
        generation = progress.generation
        if attempt.last:
            key = progress.keys.last_try(generation, task)
            self._note(key, attempt.deadline, reason=_STOPPED)
        failed = progress.keys.failure(generation, task)
        ended = progress.keys.last_try_ended(generation, task)
        try:
            self._require_time(attempt)
            if task.chunk is None:
                self._run_job(job, progress, attempt)
            else:
                self._run_chunk(job, progress, task.chunk)
        except InputRefused as error:
            self._note(failed, self._now(), reason=str(error))
            usable = False
        except Exception as error:
            if attempt.last:
                self._note(failed, self._now(), reason=_in_words(error))
                self._note(ended, self._now())
            raise
        # Of whatever try: what was killed at its last one may have come again.
        if attempt.last or progress.has(progress.keys.last_try(generation, task)):
            self._note(ended, self._now())
        return usable

    def _run_job(self, job: Job, progress: Progress, attempt: Attempt) -> None:
        self._note(progress.keys.started, self._now())
        plan = progress.plan
        if plan is None:
            chunks = split(self._input(job), job.input_format, self._limits, job.dropped)
            first, second = next(chunks), next(chunks, None)
            if second is None:
                self._finish(job, progress.keys, [self._predict(job, first)])
                return
            # Columns that do not fit are refused here, and not once a chunk.
            with _blaming_the_pin(job):
                contract = self._model(job.pin).contract
            read(first, job.input_format, rules_of(contract), job.rename)
            plan = self._store(chain((first, second), chunks), progress.keys, attempt)
        missing = progress.missing(plan)
        self._queue.send([Task(job.job_id, chunk).to_text() for chunk in missing])
        self._note(progress.keys.sent, self._now())
        if not missing:
            self._merge(job, plan)

    def _run_chunk(self, job: Job, progress: Progress, number: int) -> None:
        plan = progress.plan
        if plan is None or number not in range(plan.chunks):
            raise JobNotFound(f"{job.job_id}, chunk {number}")
        keys = progress.keys
        if number not in progress.done:
            chunk = Chunk(
                content=self._objects.get(keys.chunk(number, "input")).content,
                rows=plan.rows_of(number),
                first_row=plan.first_row(number),
                first_line=plan.first_line(number),
            )
            predicted = self._predict(job, chunk)
            self._create(keys.chunk(number, "results"), predicted.results)
            self._create(keys.chunk(number, "errors"), predicted.errors)
            self._create(keys.done_chunk(number, predicted.done, predicted.failed), b"")
        self._merge(job, plan)

    def _store(self, chunks: Iterable[Chunk], keys: Keys, attempt: Attempt) -> Plan:
        """Lay down the chunks, then the plan: until that is there, nothing is predicted."""
        rows, lines = 0, []
        for number, chunk in enumerate(chunks):
            self._require_time(attempt)
            self._create(keys.chunk(number, "input"), chunk.content)
            rows += chunk.rows
            if chunk.first_line is not None:
                lines.append(chunk.first_line)
        plan = Plan(rows, tuple(lines))
        self._create(keys.plan, plan.to_bytes())
        return plan

    def _merge(self, job: Job, plan: Plan) -> None:
        """Finish the job if this was its last chunk. Of two last ones, both do, to one effect."""
        progress = Progress(self._objects, job.job_id)
        if progress.missing(plan):
            return
        keys = progress.keys
        parts = [
            Predicted(
                results=self._objects.get(keys.chunk(chunk, "results")).content,
                errors=self._objects.get(keys.chunk(chunk, "errors")).content,
                done=done,
                failed=failed,
            )
            for chunk, (done, failed) in sorted(progress.done.items())
        ]
        if sum(part.done + part.failed for part in parts) != plan.rows:
            raise JobDamaged(job.job_id, "its chunks have not the rows of the input")
        self._finish(job, keys, parts)

    def _finish(self, job: Job, keys: Keys, parts: Sequence[Predicted]) -> None:
        """Write what the submitter gets, unless the job was cancelled before this very moment."""
        self._note(keys.outcome, self._now(), outcome=Outcome.FINISHED)
        outcome = json.loads(self._objects.get(keys.outcome).content)["outcome"]
        if outcome == Outcome.CANCELLED:
            return
        output = job.output_format
        self._create(keys.results(output), merge([part.results for part in parts], output))
        self._create(keys.errors(output), merge([part.errors for part in parts], output))
        done, failed = sum(part.done for part in parts), sum(part.failed for part in parts)
        rows = {"total": done + failed, "done": done, "failed": failed}
        self._note(keys.summary, self._now(), rows=rows, pin=str(job.pin))

    def _predict(self, job: Job, chunk: Chunk) -> Predicted:
        with _blaming_the_pin(job):
            return predict_chunk(
                chunk,
                job.input_format,
                job.output_format,
                job.job_id,
                self._model(job.pin),
                rename=job.rename,
                escape_formulas=job.escape_formulas,
                threads=self._threads,
            )

    def _input(self, job: Job) -> bytes:
        """Raises InputRefused where it is gone, or not what was submitted."""
        try:
            found = self._objects.get(job.input_key)
        except ObjectNotFound as error:
            raise InputRefused("The input is gone") from error
        if found.tag != job.input_tag:
            raise InputRefused("The input was replaced after the job was submitted")
        return found.content

    def _job(self, job_id: str) -> Job:
        try:
            return Job.from_bytes(self._objects.get(Keys(job_id).job).content)
        except ObjectNotFound as error:
            raise JobNotFound(job_id) from error

    def _require_time(self, attempt: Attempt) -> None:
        if attempt.deadline - self._now() < MARGIN:
            raise OutOfTime("No time was left to go on")

    def _create(self, key: str, content: bytes) -> None:
        with suppress(ObjectExists):  # somebody did this step before, to the same effect
            self._objects.create(key, content)

    def _note(self, key: str, at: datetime, **facts: object) -> None:
        with suppress(ObjectExists):
            note(self._objects, key, at, **facts)


@contextmanager
def _blaming_the_pin(job: Job) -> Iterator[None]:
    """Raises InputRefused where the submitter has named a pin that leads to no model of today.

    Where it is the release's own, that is no fault of theirs: it is raised as it is.
    """
    try:
        yield
    except (ModelNotFound, VersionNotFound, PinMismatch, ModelUnusable) as error:
        if job.pin_asked:
            raise InputRefused(str(error)) from error
        raise


def _in_words(error: Exception) -> str:
    """For the submitter. What is not ours may quote anything, and is for the logs."""
    if isinstance(error, MlopsError):
        return str(error)
    return f"An unexpected error ({type(error).__name__}); the service's logs say more"
