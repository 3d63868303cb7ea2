"""What may lie on the queue: tasks of our own, and what submitters send."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from mlops.batch.job import JOB_ID, OWNER, Task
from mlops.batch.submission import BatchRequest
from mlops.errors import MalformedJson, MlopsError
from mlops.models import strict_json
from mlops.models.schemas import Request
from mlops.models.validation import faults

_MOST_SHOWN = 5


class MessageInvalid(MlopsError):
    """A message that is neither a task nor a submission.

    job_id, owner: None where they cannot be told either.
    """

    def __init__(self, reason: str, job_id: str | None = None, owner: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.job_id, self.owner = reason, job_id, owner


JobId = Annotated[
    str,
    Field(
        pattern=f"^{JOB_ID.pattern}$",
        description="Chosen by the submitter, and never used for another job. The same message"
        " twice is one job.",
    ),
]


class TaskMessage(Request):
    """What the function sends itself: a whole job, or one chunk of it."""

    job_id: JobId
    chunk: Annotated[int, Field(ge=0)] | None
    generation: Annotated[int, Field(ge=0)] = 0

    def to_task(self) -> Task:
        return Task(self.job_id, self.chunk, self.generation)


class SubmissionMessage(BatchRequest):
    """A batch job, as a submitter sends it to the queue. SQS takes no message above 1 MiB."""

    model_config = ConfigDict(
        title="Batch job submission",
        json_schema_extra={
            "oneOf": [
                {"required": ["input"], "properties": {"input": {"type": "string"}}},
                {"required": ["rows"], "properties": {"rows": {"type": "array"}}},
            ]
        },
    )

    job_id: JobId
    submitted_by: str = Field(
        pattern=f"^{OWNER.pattern}$",
        description="The submitter's name in visible ASCII. Only they can see the job over the API,"
        " which names its callers `iam:<ARN>` or `jwt:<sub>`.",
    )

    def to_task(self) -> Task:
        return Task(self.job_id)


def parse(body: str) -> TaskMessage | SubmissionMessage:
    """Raises MessageInvalid, whose reason names the fields."""
    try:
        document = strict_json.parse(body.encode("utf-8", "surrogatepass"))
    except MalformedJson as error:
        raise MessageInvalid(f"the message is not JSON: {error}", *_sender_of(body)) from error
    if not isinstance(document, dict):
        raise MessageInvalid("the message is not a JSON object")
    # Every task of ours has a chunk, if only null; no submission has one.
    kind = TaskMessage if "chunk" in document else SubmissionMessage
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        raise MessageInvalid(_reason(details), *_sender(document)) from None


def _reason(errors: Sequence[Mapping[str, Any]]) -> str:
    shown = [
        f"{fault.field}: {fault.detail}"
        for fault in islice(faults(errors, whole="message"), _MOST_SHOWN)
    ]
    more = [f"and {len(errors) - _MOST_SHOWN} more"] if len(errors) > _MOST_SHOWN else []
    return "; ".join(shown + more)


def _sender_of(body: str) -> tuple[str | None, str | None]:
    """Of what is nearly JSON, such as with NaN, as Python writes it."""
    with suppress(ValueError, RecursionError):
        document = json.loads(body)
        if isinstance(document, dict):
            return _sender(document)
    return None, None


def _sender(document: Mapping[str, Any]) -> tuple[str | None, str | None]:
    job_id, owner = document.get("job_id"), document.get("submitted_by")
    return (
        job_id if isinstance(job_id, str) and JOB_ID.fullmatch(job_id) else None,
        owner if isinstance(owner, str) and OWNER.fullmatch(owner) else None,
    )
