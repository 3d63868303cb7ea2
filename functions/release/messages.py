"""What the release function is asked to do, by the state machine and by schedules."""

import json
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mlops.registry.releases import Ended
from mlops.release.records import RELEASE_ID

ReleaseId = Annotated[str, Field(pattern=f"^{RELEASE_ID.pattern}$")]
_LONGEST_CAUSE = 500


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class Start(Message):
    """An execution's input."""

    by: str = Field(min_length=1, max_length=256)
    despite_alarms: bool = False
    retry: bool = False


class Begin(Message):
    operation: Literal["begin"]
    id: ReleaseId
    input: Start


class Gate(Message):
    operation: Literal["gate"]
    id: ReleaseId


class Watch(Message):
    operation: Literal["watch"]
    id: ReleaseId


class Failure(Message):
    """What a Catch of the state machine caught."""

    error: str = Field(validation_alias="Error")
    cause: str = Field(default="", validation_alias="Cause")

    @property
    def words(self) -> str:
        """The cause in words; of an error that a function raised, its message alone."""
        cause = self.cause
        with suppress(ValueError, TypeError, KeyError):
            cause = str(json.loads(self.cause)["errorMessage"])
        return f"{self.error}: {cause[:_LONGEST_CAUSE]}" if cause else self.error


class Ending(Message):
    """failure: where the state machine failed at something, and that is the reason."""

    outcome: Ended
    reasons: tuple[str, ...] = ()
    failure: Failure | None = None


class Record(Message):
    operation: Literal["record"]
    id: ReleaseId
    ending: Ending

    @property
    def reasons(self) -> tuple[str, ...]:
        failure = self.ending.failure
        return self.ending.reasons if failure is None else (*self.ending.reasons, failure.words)


class Reconcile(Message):
    operation: Literal["reconcile"]


AnyMessage = Begin | Gate | Watch | Record | Reconcile
_MESSAGE: TypeAdapter[AnyMessage] = TypeAdapter(
    Annotated[AnyMessage, Field(discriminator="operation")]
)


def parse(event: object) -> AnyMessage:
    """Raises pydantic's ValidationError."""
    return _MESSAGE.validate_python(event)
