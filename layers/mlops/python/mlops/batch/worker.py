"""Working on what the queue brings: whole jobs, and chunks of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mlops.batch.job import Task
from mlops.batch.ports import Queue
from mlops.inference.loading import ServedModel
from mlops.inference.version import Pin
from mlops.registry.objects import ObjectStore


@dataclass(frozen=True)
class Attempt:
    """One delivery of a message.

    last: the queue gives the message up if this one fails too.
    deadline: when the function will be stopped; aware, UTC.
    """

    last: bool
    deadline: datetime


@dataclass(frozen=True)
class Limits:
    """rows: of a job. bytes: of an input, uncompressed."""

    rows: int = 1_000_000
    bytes: int = 1024 * 1024 * 1024


class Worker:
    def __init__(
        self,
        objects: ObjectStore,
        queue: Queue,
        model: Callable[[Pin], ServedModel],
        limits: Limits,
        now: Callable[[], datetime],
    ) -> None: ...

    def run(self, task: Task, attempt: Attempt) -> None:
        """Do a task, unless it is done. Raises whatever kept it from being done: try it again.

        An input that cannot be predicted raises nothing: the job has failed, and is done with.
        """
