"""The settings of the release function, from its environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mlops.release import steps
from mlops.release.canary_analysis import Schedule
from mlops.release.gate import GatePolicy

EVENTS_A_POLL = 10
"""Step, choose, wait: nine entries in an execution's history, and now and then a retry."""
MOST_EVENTS = 20_000
"""Step Functions ends an execution at 25,000. The rest is for all that is no poll of a canary."""


class Settings(BaseModel):
    """Read from the environment variable that each field names."""

    model_config = ConfigDict(frozen=True, validate_by_name=True)

    store: str = Field(min_length=1, validation_alias="MLOPS_STORE")
    api_function: str = Field(min_length=1, validation_alias="MLOPS_API_FUNCTION")
    batch_function: str = Field(min_length=1, validation_alias="MLOPS_BATCH_FUNCTION")
    api_log_group: str = Field(min_length=1, validation_alias="MLOPS_API_LOG_GROUP")
    state_machine: str = Field(min_length=1, validation_alias="MLOPS_STATE_MACHINE")
    topic: str = Field(min_length=1, validation_alias="MLOPS_TOPIC")
    alarms: str = Field(
        min_length=1,
        validation_alias="MLOPS_ALARMS",
        description="Names of those that hold releases up, with commas between them.",
    )
    stack: str = Field(min_length=1, validation_alias="MLOPS_STACK")
    models_dir: Path = Field(default=Path("/opt/models"), validation_alias="MLOPS_MODELS_DIR")
    code_sha: str = Field(default="", validation_alias="MLOPS_CODE_SHA")
    cache_dir: Path = Field(default=Path("/tmp/mlops-models"), validation_alias="MLOPS_CACHE_DIR")  # noqa: S108 -- a Lambda's only writable folder; its content is checked by digest
    analyses: int = Field(default=5, ge=1, le=100, validation_alias="MLOPS_CANARY_ANALYSES")
    analysis_seconds: int = Field(
        default=360, ge=1, validation_alias="MLOPS_CANARY_ANALYSIS_SECONDS"
    )
    poll_seconds: int = Field(default=30, ge=1, validation_alias="MLOPS_CANARY_POLL_SECONDS")
    min_requests: int = Field(default=150, ge=1, validation_alias="MLOPS_CANARY_MIN_REQUESTS")
    weight: float = Field(default=0.1, gt=0, lt=1, validation_alias="MLOPS_CANARY_WEIGHT")
    log_delay_seconds: int = Field(
        default=15,
        ge=0,
        validation_alias="MLOPS_CANARY_LOG_DELAY_SECONDS",
        description="An analysis waits so long for the last lines of its interval.",
    )
    timeout_seconds: int = Field(
        default=7200,
        ge=1,
        validation_alias="MLOPS_CANARY_TIMEOUT_SECONDS",
        description="The state machine's own.",
    )
    when_inconclusive: Literal["rollback", "promote"] = Field(
        default="rollback", validation_alias="MLOPS_WHEN_INCONCLUSIVE"
    )
    allow_breaking: bool = Field(default=False, validation_alias="MLOPS_ALLOW_BREAKING")
    allow_uncompared: bool = Field(default=False, validation_alias="MLOPS_ALLOW_UNCOMPARED")

    @property
    def refusals(self) -> tuple[str, ...]:
        """Say why no canary can come to its end with these; empty where it can.

        No reason to be invalid: a release under way has settings of its own, and goes on.
        """
        refusals = []
        watched = self.analyses * self.analysis_seconds
        if watched / self.poll_seconds * EVENTS_A_POLL > MOST_EVENTS:
            refusals.append(
                f"MLOPS_CANARY_ANALYSES x MLOPS_CANARY_ANALYSIS_SECONDS are {watched} s, and with "
                f"MLOPS_CANARY_POLL_SECONDS {self.poll_seconds} that is more than the "
                f"{MOST_EVENTS // EVENTS_A_POLL} polls that an execution's history has room for"
            )
        last = watched + self.log_delay_seconds
        if self.timeout_seconds <= last:
            refusals.append(
                f"MLOPS_CANARY_TIMEOUT_SECONDS is {self.timeout_seconds}, and MLOPS_CANARY_ANALYSES"
                ", MLOPS_CANARY_ANALYSIS_SECONDS and MLOPS_CANARY_LOG_DELAY_SECONDS put the last "
                f"analysis at {last} s"
            )
        return tuple(refusals)

    def to_policy(self) -> GatePolicy:
        return GatePolicy(
            allow_breaking=self.allow_breaking, allow_uncompared=self.allow_uncompared
        )

    def to_settings(self) -> steps.Settings:
        return steps.Settings(
            weight=self.weight,
            poll_seconds=self.poll_seconds,
            schedule=Schedule(
                analyses=self.analyses,
                analysis_seconds=self.analysis_seconds,
                min_requests=self.min_requests,
                log_delay_seconds=self.log_delay_seconds,
            ),
            when_inconclusive=self.when_inconclusive,
            code_sha=self.code_sha or None,
        )


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises pydantic's ValidationError, which names the variable."""
    return Settings.model_validate(dict(environment), by_alias=True, by_name=False)
