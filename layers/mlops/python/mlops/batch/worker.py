"""Work on the tasks of the queue: whole jobs, and chunks of them.

Every step creates objects that must not exist yet, with content that follows from the job alone. A
step that is done twice leaves what it left the first time, and one that was cut off is done again.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from mlops.batch.job import Format, Job, Keys, Limits, Task
from mlops.batch.ports import Queue
from mlops.batch.predicting import Predicted, predict_chunk
from mlops.batch.progress import Outcome, Plan, Progress, note
from mlops.batch.row_errors import ERRORS_PER_JOB, ErrorCounts
from mlops.batch.splitting import Chunk, split
from mlops.batch.tables import first_records, merge
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
from mlops.registry.objects import ObjectStore

MARGIN = timedelta(seconds=10)
"""No step is started with less time than this. It would be cut off, and lose its try."""

_STOPPED = "The worker was stopped at each of its tries: killed, or out of time. Retry the job"


@dataclass(frozen=True)
class Attempt:
    """One delivery of a message.

    last: the queue gives the message up if this one fails too.
    deadline: when the function will be stopped; aware, UTC.
    """

    last: bool
    deadline: datetime


@dataclass(frozen=True)
class _Output:
    """What a job comes to. results, errors: files of chunks, read one after the other."""

    results: Iterable[bytes]
    errors: Iterable[bytes]
    done: int
    failed: int
    counts: ErrorCounts


class Worker:
    """Does the tasks of jobs. now: aware, UTC. threads: that share a chunk."""

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

        Returns whether the input can be predicted. If not, the job has failed, and a message of
        it has nothing left to do.
        """
        usable = True
        job = self._job(task.job_id)
        progress = Progress(self._objects, task.job_id)
        keys = progress.keys
        if progress.has(keys.summary) or progress.outcome is Outcome.CANCELLED:
            return usable
        if task.generation < progress.generation:  # a retry has sent it again
            return usable
        if progress.is_refused:
            return False
        if attempt.last:
            self._note(keys.last_try(task), attempt.deadline, reason=_STOPPED)
        ended = keys.last_try_ended(task)
        try:
            self._require_time(attempt)
            if task.chunk is None:
                self._run_job(job, progress, attempt, task.generation)
            else:
                self._run_chunk(job, progress, task.chunk)
        except InputRefused as error:
            self._note(keys.refused(task.generation), self._now(), reason=str(error))
            usable = False
        except Exception as error:
            if attempt.last:
                self._note(keys.failure(task), self._now(), reason=_reason_of(error))
                self._note(ended, self._now())
            raise
        # Of whatever try: what was killed at its last one may have come again.
        if attempt.last or progress.has(keys.last_try(task)):
            self._note(ended, self._now())
        return usable

    def _run_job(self, job: Job, progress: Progress, attempt: Attempt, generation: int) -> None:
        keys = progress.keys
        self._note(keys.started, self._now())
        plan = progress.plan
        if plan is None:
            chunks = split(self._input(job), job.input_format, self._limits, job.dropped)
            first, second = next(chunks), next(chunks, None)
            predicted = self._predict(job, first)
            if second is None:
                self._finish(job, progress, _output_of(predicted))
                return
            # Of more chunks, the first was predicted to refuse a wrong file before it is split.
            del predicted
            plan = self._store(chain((first, second), chunks), keys, attempt)
        missing = progress.missing(plan)
        # A message that comes twice does not send the chunks twice.
        if not progress.has(keys.sent(generation)):
            tasks = [Task(job.job_id, chunk, generation).to_text() for chunk in missing]
            self._queue.send(tasks, job.owner)
            self._note(keys.sent(generation), self._now())
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
            done = keys.done_chunk(number, predicted.done, predicted.failed)
            self._create(done, predicted.counts.to_bytes())
        self._merge(job, plan)

    def _store(self, chunks: Iterable[Chunk], keys: Keys, attempt: Attempt) -> Plan:
        """Store the chunks, then the plan. Nothing is predicted until the plan exists."""
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
        """Finish the job if no chunk is missing. Two workers may do so, with the same result."""
        progress = Progress(self._objects, job.job_id)
        if progress.missing(plan):
            return
        keys = progress.keys
        chunks = sorted(progress.done.items())
        done = sum(predicted for _, (predicted, _) in chunks)
        failed = sum(refused for _, (_, refused) in chunks)
        if done + failed != plan.rows:
            raise JobDamaged(job.job_id, "its chunks do not have the rows of the input")

        def read(part: str) -> Iterator[bytes]:
            return (self._objects.get(keys.chunk(chunk, part)).content for chunk, _ in chunks)

        counts = [
            ErrorCounts.from_bytes(self._objects.get(keys.done_chunk(chunk, *rows)).content)
            for chunk, rows in chunks
            if rows[1]
        ]
        output = _Output(read("results"), read("errors"), done, failed, ErrorCounts.sum(counts))
        self._finish(job, progress, output)

    def _finish(self, job: Job, progress: Progress, output: _Output) -> None:
        """Write the results, unless the job was cancelled first."""
        keys, format = progress.keys, job.output_format
        self._note(keys.outcome, self._now(), outcome=Outcome.FINISHED)
        outcome = json.loads(self._objects.get(keys.outcome).content)["outcome"]
        if outcome == Outcome.CANCELLED:
            return
        if not progress.has(keys.results(format)):
            self._create_from(keys.results(format), merge(output.results, format))
        errors, kept = _first_errors(output.errors, format)
        self._create_from(keys.errors(format), merge(errors, format))
        self._note(
            keys.summary,
            self._now(),
            rows={
                "total": output.done + output.failed,
                "done": output.done,
                "failed": output.failed,
            },
            errors_found=output.counts.total,
            errors_kept=kept,
            errors_by_field=output.counts.to_list(),
            pin=str(job.pin),
        )

    def _predict(self, job: Job, chunk: Chunk) -> Predicted:
        with _refusing_a_wrong_pin(job):
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
            raise InputRefused("The input was deleted. Upload it, and submit a new job") from error
        if found.tag != job.input_tag:
            raise InputRefused("The input was replaced after submission. Submit a new job")
        return found.content

    def _job(self, job_id: str) -> Job:
        try:
            return Job.from_bytes(self._objects.get(Keys(job_id).job).content)
        except ObjectNotFound as error:
            raise JobNotFound(job_id) from error

    def _require_time(self, attempt: Attempt) -> None:
        if attempt.deadline - self._now() < MARGIN:
            raise OutOfTime("The worker ran out of time")

    def _create(self, key: str, content: bytes) -> None:
        with suppress(ObjectExists):  # somebody did this step before, to the same effect
            self._objects.create(key, content)

    def _create_from(self, key: str, blocks: Iterable[bytes]) -> None:
        with suppress(ObjectExists):
            self._objects.create_from(key, blocks)

    def _note(self, key: str, at: datetime, *, reason: str | None = None, **facts: object) -> None:
        with suppress(ObjectExists):
            note(self._objects, key, at, reason=reason, **facts)


def _output_of(predicted: Predicted) -> _Output:
    return _Output(
        results=(predicted.results,),
        errors=(predicted.errors,),
        done=predicted.done,
        failed=predicted.failed,
        counts=predicted.counts,
    )


def _first_errors(parts: Iterable[bytes], format: Format) -> tuple[list[bytes], int]:
    """Return the first errors of a job, in files of chunks, and how many these are."""
    first: list[bytes] = []
    kept = 0
    for part in parts:
        if kept == ERRORS_PER_JOB:
            break
        content, found = first_records(part, ERRORS_PER_JOB - kept, format)
        first.append(content)
        kept += found
    return first, kept


@contextmanager
def _refusing_a_wrong_pin(job: Job) -> Iterator[None]:
    """Raise InputRefused if the submitter has named a pin without a usable model.

    For the release's own pin, the error is raised as it is: the submitter cannot fix it.
    """
    try:
        yield
    except (ModelNotFound, VersionNotFound, PinMismatch, ModelUnusable) as error:
        if job.pin_asked:
            raise InputRefused(str(error)) from error
        raise


def _reason_of(error: Exception) -> str:
    """Return the reason for the submitter. Foreign errors may quote rows: only logs have them."""
    if isinstance(error, MlopsError):
        return str(error)
    return f"An unexpected error ({type(error).__name__}); the service's logs say more"
