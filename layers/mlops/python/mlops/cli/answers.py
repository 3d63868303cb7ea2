"""What the command line relies on in the API's answers: another service's are told by it."""

import re
from typing import Any

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, ValidationError, model_validator

JOB_ID = re.compile("[A-Za-z0-9_-]+")


class Answered(BaseModel):
    """Only checked, never made into something else: `--json` shows an answer as it came."""

    model_config = ConfigDict(strict=True, protected_namespaces=())


class Upload(Answered):
    url: AnyHttpUrl
    input: str
    headers: dict[str, str]


class Rows(Answered):
    total: int | None
    done: int
    failed: int


class Links(Answered):
    results: AnyHttpUrl
    errors: AnyHttpUrl
    summary: AnyHttpUrl


class Job(Answered):
    # A folder of this name is written to.
    job_id: str = Field(pattern=f"^{JOB_ID.pattern}$")
    status: str
    model_version: str | None
    submitted_at: str | None
    started_at: str | None
    ended_at: str | None
    rows: Rows
    reason: str | None
    links: Links | None

    @model_validator(mode="after")
    def _has_results(self) -> "Job":
        if self.status == "succeeded" and self.links is None:
            raise ValueError("it has succeeded without links to what came out")
        return self


class Served(Answered):
    model_version: str
    digest: str


class ServedContract(Answered):
    contract: dict[str, Any]


class Models(Answered):
    models: list[Served]


def wrong_fields(error: ValidationError) -> str:
    """Their names; never their values, which may be anybody's."""
    return ", ".join(
        sorted({".".join(map(str, fault["loc"])) or "all" for fault in error.errors()})
    )
