"""Submit jobs, show their state, cancel and retry them."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlops.batch.job import (
    MAX_CHUNK_BYTES,
    MAX_RECORD_BYTES,
    Format,
    Job,
    Keys,
    Renames,
    Task,
    Uploads,
)
from mlops.batch.ports import Queue
from mlops.batch.progress import JobState, Outcome, Progress, Status, note
from mlops.errors import (
    InputRefused,
    JobConflict,
    JobEnded,
    JobNotFound,
    ModelNotFound,
    ObjectExists,
    ObjectNotFound,
    StoreError,
)
from mlops.inference.version import Pin
from mlops.registry.objects import ObjectStore

MAX_INPUT_BYTES = 512 * 1024 * 1024
"""Of an input object as it lies in the store, so compressed where it is."""

_TEXT_OR_INFINITY = re.compile(r'"(?:[^"\\]|\\.)*"|Infinity')
_INVALID = "was refused, as its message was not a valid job. Submit it again"
_FINISHED = "has already finished"
_ENDED = {
    JobState.SUCCEEDED: "has already succeeded",
    JobState.CANCELLED: "was cancelled",
}
_NOT_QUEUED = "The queue could not be used. Retry the job"


@dataclass(frozen=True)
class Submission:
    """What a caller asks for.

    pin: of another version than the one that is served; None for that one.
    input: URL of an object, `s3://…`; or else `rows`, objects as the API takes them.
    rename: columns of the input that have other names than the model's fields, or are left out.
    escape_formulas: whether results in CSV are safe to open in a spreadsheet.
    """

    owner: str
    model: str
    input_format: Format
    output_format: Format
    pin: Pin | None = None
    input: str | None = None
    rows: Sequence[Mapping[str, Any]] | None = None
    rename: Renames = field(default_factory=dict)
    escape_formulas: bool = True

    @property
    def digest(self) -> str:
        document: dict[str, Any] = {
            "owner": self.owner,
            "model": self.model,
            "pin": None if self.pin is None else str(self.pin),
            "input": self.input,
            "rows": self.rows,
            "formats": [self.input_format, self.output_format],
        }
        # Named where they are given: a submission of an earlier release stays the same one.
        if self.rename:
            document["rename"] = self.rename
        if not self.escape_formulas:
            document["escape_formulas"] = False
        text = json.dumps(document, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Jobs:
    """The jobs in a store. now: aware, UTC."""

    def __init__(
        self,
        objects: ObjectStore,
        queue: Queue,
        uploads: Uploads,
        pins: Mapping[str, Pin],
        now: Callable[[], datetime],
    ) -> None:
        self._objects = objects
        self._queue = queue
        self._uploads = uploads
        self._pins = pins
        self._now = now

    def submit(self, job_id: str, submission: Submission) -> Status:
        """Accept a job and put it on the queue. The same submission again gives the same job.

        Raises ModelNotFound, InputForbidden, InputRefused, JobConflict, any StoreError.
        """
        self.accept(job_id, submission)
        progress = Progress(self._objects, job_id)
        keys = progress.keys
        # A job may have been accepted before without a message: its sender may have died.
        if not progress.has(keys.started) and not progress.has(keys.queued):
            self._queue.send([Task(job_id).to_text()], submission.owner)
            with suppress(ObjectExists):
                note(self._objects, keys.queued, self._now())
        return self.status(job_id, submission.owner)

    def accept(self, job_id: str, submission: Submission) -> Job:
        """Write the job down, resolved: its model to a pin, its input to one state of an object.

        Raises as `submit` does.
        """
        keys = Keys(job_id)
        # This comes first: the store is not asked about an input that is forbidden.
        key = keys.inline_rows
        if submission.input is not None:
            key = self._uploads.key(submission.input, submission.owner)
        with suppress(JobNotFound):
            return self._same(self._read(job_id), submission)
        ours = self._pins.get(submission.model)
        if ours is None:
            raise ModelNotFound(submission.model, tuple(self._pins))
        pin = submission.pin or ours
        if pin.version.model != submission.model:
            raise ModelNotFound(submission.model, tuple(self._pins))
        if submission.input is None:
            self._store_rows(job_id, key, _as_lines(submission.rows or ()))
        job = Job(
            job_id=job_id,
            owner=submission.owner,
            pin=pin,
            input_key=key,
            input_tag=self._tag(key),
            input_format=submission.input_format,
            output_format=submission.output_format,
            submitted_at=self._now(),
            request=submission.digest,
            pin_asked=submission.pin is not None,
            rename=submission.rename,
            escape_formulas=submission.escape_formulas,
        )
        try:
            self._objects.create(keys.job, job.to_bytes())
        except ObjectExists:  # somebody was faster
            return self._same(self._read(job_id), submission)
        return job

    def reject(self, job_id: str, owner: str, reason: str) -> None:
        """Show a message that is not a valid job as a failed job of its submitter."""
        keys = Keys(job_id)
        with suppress(ObjectExists):
            note(self._objects, keys.rejected, self._now(), owner=owner, reason=reason)

    def status(self, job_id: str, owner: str) -> Status:
        """Return the state of a job. Raises JobNotFound, also for a job of another owner."""
        return self._look(job_id, owner)[1]

    def cancel(self, job_id: str, owner: str) -> Status:
        """Cancel what has not been done yet. Raises JobNotFound, JobEnded."""
        progress, status = self._look(job_id, owner)
        if status.job is None:
            raise JobEnded(job_id, _INVALID)
        if status.state is JobState.SUCCEEDED:
            raise JobEnded(job_id, _ENDED[status.state])
        with suppress(ObjectExists):
            note(self._objects, progress.keys.outcome, self._now(), outcome=Outcome.CANCELLED)
        if Progress(self._objects, job_id).outcome is not Outcome.CANCELLED:
            raise JobEnded(job_id, _FINISHED)
        return self.status(job_id, owner)

    def retry(self, job_id: str, owner: str) -> Status:
        """Put what is missing of a failed job on the queue again.

        A job that is queued or running is left alone: its messages are on the queue already. Of
        any number of calls, exactly one begins the next generation and sends its messages.

        Raises JobNotFound, JobEnded, StoreThrottled, StoreUnavailable.
        """
        progress, status = self._look(job_id, owner)
        if status.job is None:
            raise JobEnded(job_id, _INVALID)
        if status.state in _ENDED:
            raise JobEnded(job_id, _ENDED[status.state])
        if status.state is JobState.FAILED:
            generation = progress.generation + 1
            with suppress(ObjectExists):  # somebody else has begun it
                note(self._objects, progress.keys.retry(generation), self._now())
                self._send_again(progress, generation, owner)
        return self.status(job_id, owner)

    def _send_again(self, progress: Progress, generation: int, owner: str) -> None:
        """Send what is missing. Where that fails, the job has failed, and is retried again."""
        keys = progress.keys
        try:
            self._queue.send([task.to_text() for task in outstanding(progress, generation)], owner)
        except StoreError:
            failed = keys.failure(Task(keys.job_id, generation=generation))
            note(self._objects, failed, self._now(), reason=_NOT_QUEUED)
            raise
        note(self._objects, keys.retry_sent(generation), self._now())

    def _look(self, job_id: str, owner: str) -> tuple[Progress, Status]:
        progress = Progress(self._objects, job_id)
        if not progress.has(progress.keys.job):
            return progress, self._rejected(progress, owner)
        job = self._read(job_id)
        if job.owner != owner:
            raise JobNotFound(job_id)
        return progress, progress.status(job, self._now())

    def _rejected(self, progress: Progress, owner: str) -> Status:
        job_id, key = progress.keys.job_id, progress.keys.rejected
        if not progress.has(key) or progress.read(key)["owner"] != owner:
            raise JobNotFound(job_id)
        return Status(
            job_id=job_id,
            job=None,
            state=JobState.FAILED,
            rows_done=0,
            rows_failed=0,
            rows_total=None,
            started_at=None,
            ended_at=progress.time(key),
            reason=progress.read(key)["reason"],
        )

    def _read(self, job_id: str) -> Job:
        try:
            return Job.from_bytes(self._objects.get(Keys(job_id).job).content)
        except ObjectNotFound as error:
            raise JobNotFound(job_id) from error

    def _same(self, job: Job, submission: Submission) -> Job:
        if job.request != submission.digest:
            raise JobConflict(job.job_id)
        return job

    def _store_rows(self, job_id: str, key: str, lines: bytes) -> None:
        """Store inline rows. Raises JobConflict if other rows were stored under the same id."""
        try:
            self._objects.create(key, lines)
        except ObjectExists:
            if self._objects.get(key).content != lines:
                raise JobConflict(job_id) from None

    def _tag(self, key: str) -> str:
        try:
            found = self._objects.stat(key)
        except ObjectNotFound as error:
            raise InputRefused("There is no such input object. Upload it first") from error
        if found.bytes > MAX_INPUT_BYTES:
            raise InputRefused(f"The input has more than {MAX_INPUT_BYTES:,} bytes")
        return found.tag


def outstanding(progress: Progress, generation: int) -> list[Task]:
    """Return what is left to be done: the chunks that are missing, or the whole job."""
    job_id = progress.keys.job_id
    plan = progress.plan
    missing = [] if plan is None else progress.missing(plan)
    return [Task(job_id, chunk, generation) for chunk in missing] or [
        Task(job_id, generation=generation)
    ]


def _as_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return inline rows as a file of JSON lines.

    Raises InputRefused for rows that are too large for a worker: the job could only fail.
    """
    lines = [_as_line(row) for row in rows]
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_RECORD_BYTES:
            raise InputRefused(
                f"Row {number:,} of `rows` has more than {MAX_RECORD_BYTES:,} bytes. Leave it out"
            )
    content = b"".join(line + b"\n" for line in lines)
    if len(content) > MAX_CHUNK_BYTES:
        raise InputRefused(
            f"`rows` has more than {MAX_CHUNK_BYTES:,} bytes. Submit several jobs of fewer rows"
        )
    return content


def _as_line(row: Mapping[str, Any]) -> bytes:
    text = json.dumps(row, ensure_ascii=False, sort_keys=True)
    # 1e999 is JSON, and is read as infinity; for that Python writes what is no JSON.
    if "Infinity" in text:
        text = _TEXT_OR_INFINITY.sub(_as_json, text)
    return text.encode()


def _as_json(found: re.Match[str]) -> str:
    return "1e999" if found[0] == "Infinity" else found[0]
