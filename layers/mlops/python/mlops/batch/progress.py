"""How far a job has come. Which of its objects exist tells it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from mlops.batch.job import ENDED, REFUSED, ROWS_PER_CHUNK, SENT, Job, Keys
from mlops.registry.objects import ObjectStore

MESSAGE_RETENTION = timedelta(days=4)
"""So long the queue keeps a message that nobody takes; the template sets it."""

_RETENTION_MARGIN = timedelta(hours=1)
_SENDING = timedelta(minutes=1)
"""A retry that has not sent its messages by then was cut off: a request has 30 seconds."""

_EXPIRED = (
    f"No worker finished the job within {MESSAGE_RETENTION.days} days, and the queue keeps its"
    " messages no longer. Retry the job"
)
_CUT_OFF = "The last retry was cut off before its messages were on the queue. Retry the job"
_MAX_REASON = 1_000


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What the outcome object says. The first one to create it decides."""

    CANCELLED = "cancelled"
    FINISHED = "finished"


@dataclass(frozen=True)
class Status:
    """rows_total: None until the input was read. Times are aware, in UTC.

    job: None where a message on the queue was refused as no valid job.
    reason: why it failed, in words for the submitter.
    """

    job_id: str
    job: Job | None
    state: JobState
    rows_done: int
    rows_failed: int
    rows_total: int | None
    started_at: datetime | None
    ended_at: datetime | None
    reason: str | None


@dataclass(frozen=True)
class Plan:
    """An input that was split: what each chunk holds.

    lines: for each chunk, the line of the file on which it begins; empty where there are none.
    """

    rows: int
    lines: tuple[int, ...] = ()

    @property
    def chunks(self) -> int:
        return -(-self.rows // ROWS_PER_CHUNK)

    def first_row(self, chunk: int) -> int:
        """Counted from 1."""
        return chunk * ROWS_PER_CHUNK + 1

    def rows_of(self, chunk: int) -> int:
        return min(ROWS_PER_CHUNK, self.rows - chunk * ROWS_PER_CHUNK)

    def first_line(self, chunk: int) -> int | None:
        return self.lines[chunk] if self.lines else None

    def to_bytes(self) -> bytes:
        return json.dumps({"rows": self.rows, "lines": self.lines}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Plan":
        document = json.loads(content)
        return cls(document["rows"], tuple(document["lines"]))


class Progress:
    """The objects of a job at one moment. What is created later is not seen."""

    def __init__(self, objects: ObjectStore, job_id: str) -> None:
        self.keys = Keys(job_id)
        self._objects = objects
        self._found = tuple(objects.keys(self.keys.folder))
        self._names = frozenset(self._found)

    def has(self, key: str) -> bool:
        return key in self._names

    @property
    def generation(self) -> int:
        """How often the job was retried."""
        return sum(not name.endswith(SENT) for name in self._below(self.keys.retries))

    @property
    def is_refused(self) -> bool:
        """Whether the input cannot be predicted, since the last retry."""
        return self.has(self.keys.refused(self.generation))

    @cached_property
    def plan(self) -> Plan | None:
        key = self.keys.plan
        return Plan.from_bytes(self._objects.get(key).content) if self.has(key) else None

    @cached_property
    def outcome(self) -> Outcome | None:
        key = self.keys.outcome
        return Outcome(self.read(key)["outcome"]) if self.has(key) else None

    @cached_property
    def done(self) -> Mapping[int, tuple[int, int]]:
        """Rows predicted and refused, by chunk."""
        counts = (map(int, name.split("-")) for name in self._below(self.keys.done))
        return {chunk: (predicted, refused) for chunk, predicted, refused in counts}

    def missing(self, plan: Plan) -> Sequence[int]:
        done = self.done
        return [chunk for chunk in range(plan.chunks) if chunk not in done]

    def status(self, job: Job, now: datetime) -> Status:
        predicted = sum(counts[0] for counts in self.done.values())
        refused = sum(counts[1] for counts in self.done.values())
        plan = self.plan
        state, at, reason = self._state(job, now)
        total = None if plan is None else plan.rows
        if state is JobState.SUCCEEDED:
            rows = self.read(self.keys.summary)["rows"]
            predicted, refused, total = rows["done"], rows["failed"], rows["total"]
        return Status(
            job_id=job.job_id,
            job=job,
            state=state,
            rows_done=predicted,
            rows_failed=refused,
            rows_total=total,
            started_at=self.time(self.keys.started),
            ended_at=at,
            reason=reason,
        )

    def _state(self, job: Job, now: datetime) -> tuple[JobState, datetime | None, str | None]:
        if self.has(self.keys.summary):
            return JobState.SUCCEEDED, self.time(self.keys.summary), None
        if self.outcome is Outcome.CANCELLED:
            return JobState.CANCELLED, self.time(self.keys.outcome), None
        failure = self._failure(now) or self._lost(job, now)
        if failure is not None:
            at, reason = failure
            return JobState.FAILED, at, reason
        running = self.has(self.keys.started)
        return (JobState.RUNNING if running else JobState.QUEUED), None, None

    def _failure(self, now: datetime) -> tuple[datetime, str] | None:
        """The first failure since the last retry that still stands."""
        failures = f"{self.keys.failures}{self.generation:04}/"
        for name in self._below(failures):
            if not self._is_fixed(name):
                document = self.read(failures + name)
                return datetime.fromisoformat(document["at"]), document["reason"]
        last_tries = f"{self.keys.last_tries}{self.generation:04}/"
        for name in self._below(last_tries):
            ended = name.endswith(ENDED) or self.has(f"{last_tries}{name}{ENDED}")
            if not ended and not self._is_fixed(name):
                document = self.read(last_tries + name)
                at = datetime.fromisoformat(document["at"])
                if at <= now:  # its time is over, and it never came to its end
                    return at, document["reason"]
        return None

    def _lost(self, job: Job, now: datetime) -> tuple[datetime, str] | None:
        """Tell when and why there are no messages of the job any more, if time tells it."""
        generation = self.generation
        if generation and not self.has(self.keys.retry_sent(generation)):
            at = self._at(self.keys.retry(generation)) + _SENDING
            if at <= now:
                return at, _CUT_OFF
        if now - job.submitted_at <= MESSAGE_RETENTION:  # as mostly
            return None
        sent = [self.keys.started, self.keys.sent(generation)]
        if generation:
            sent.append(self.keys.retry(generation))
        times = [self._at(key) for key in sent if self.has(key)]
        at = max([job.submitted_at, *times]) + MESSAGE_RETENTION
        return (at, _EXPIRED) if at + _RETENTION_MARGIN <= now else None

    def _is_fixed(self, name: str) -> bool:
        """Tell whether a task that failed was done after all, while others are still missing.

        Where none is missing, the failure was that of the merge.
        """
        plan = self.plan
        if name == REFUSED or plan is None or not self.missing(plan):
            return False
        if name.isdigit():
            return int(name) in self.done
        return self.has(self.keys.sent(self.generation))

    def time(self, key: str) -> datetime | None:
        return self._at(key) if self.has(key) else None

    def _at(self, key: str) -> datetime:
        return datetime.fromisoformat(self.read(key)["at"])

    def _below(self, prefix: str) -> Sequence[str]:
        return [key.removeprefix(prefix) for key in self._found if key.startswith(prefix)]

    def read(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._objects.get(key).content)
        return document


def note(
    objects: ObjectStore, key: str, at: datetime, *, reason: str | None = None, **facts: object
) -> None:
    """Create a small object that says what happened when. Raises ObjectExists.

    reason: is cut to 1,000 characters.
    """
    if reason is not None:
        facts["reason"] = reason[:_MAX_REASON]
    objects.create(key, (json.dumps({"at": at.isoformat(), **facts}) + "\n").encode())
