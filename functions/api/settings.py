"""What the API can be told by its environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mlops.errors import ConfigInvalid
from mlops.inference.version import Pin, parse_pins

LOG_KEY = "MLOPS_LOG_KEY"
_SHORTEST_KEY = 32
_UNRESOLVED = "{{resolve:"
"""CloudFormation replaces a text that begins so by the secret; `sam local` does not."""


def _split(location: str) -> str:
    """Raises ValueError where it looks like a URL and is none."""
    urlsplit(location)
    return location


Location = Annotated[str, AfterValidator(_split)]


class Settings(BaseModel):
    """Read from the environment variable that each field names."""

    model_config = ConfigDict(frozen=True, validate_by_name=True)

    pins: str = Field(default="", validation_alias="MLOPS_PINS")
    models_dir: Path = Field(default=Path("/opt/models"), validation_alias="MLOPS_MODELS_DIR")
    store: Location | None = Field(default=None, validation_alias="MLOPS_STORE")
    queue: Location | None = Field(default=None, validation_alias="MLOPS_QUEUE")
    served_at: str | None = Field(
        default=None,
        pattern="^https?://",
        validation_alias="MLOPS_SERVED_AT",
        description="URL of this server, where it serves the objects of a folder.",
    )
    cache_dir: Path = Field(default=Path("/tmp/mlops-models"), validation_alias="MLOPS_CACHE_DIR")  # noqa: S108 -- a Lambda's only writable folder; its content is checked by digest
    docs: bool = Field(default=True, validation_alias="MLOPS_DOCS")
    log_key: str = Field(
        default="",
        repr=False,
        validation_alias="MLOPS_LOG_KEY",
        description="Secret that hashes ids in the log. Empty: each process makes its own.",
    )
    metrics_namespace: str = Field(
        default="",
        validation_alias="MLOPS_METRICS_NAMESPACE",
        description="Of CloudWatch's metrics; none are written where there is no name.",
    )
    release: str = Field(default="local", validation_alias="AWS_LAMBDA_FUNCTION_VERSION")

    @property
    def serves_objects(self) -> bool:
        """Whether this server stands in for a bucket: on one's own machine, with a folder."""
        return bool(self.served_at and self.store) and not urlsplit(self.store).scheme

    def parsed_pins(self) -> tuple[Pin, ...]:
        """Raises PinInvalid."""
        return parse_pins(self.pins)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises pydantic's ValidationError, which names the variable."""
    return Settings.model_validate(dict(environment), by_alias=True, by_name=False)


def read_lambda_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of a Lambda function, which must have a secret key for its log.

    All of a function's processes must hash alike, and nobody may be able to guess the key.

    Raises:
        ConfigInvalid: The key is missing or too short.
        ValidationError: Another variable is wrong; the error names it.
    """
    settings = read_settings(environment)
    if settings.log_key.startswith(_UNRESOLVED):
        if environment.get("AWS_SAM_LOCAL") != "true":
            raise ConfigInvalid(LOG_KEY, f"CloudFormation has not resolved the secret. {_ADVICE}")
        return settings.model_copy(update={"log_key": ""})
    if len(settings.log_key.strip()) < _SHORTEST_KEY:
        what = "is too short" if settings.log_key.strip() else "is empty"
        raise ConfigInvalid(LOG_KEY, f"the key that hashes ids in the log {what}. {_ADVICE}")
    return settings


_ADVICE = (
    "Deploy with template.yaml, which generates one, or set it to a secret of at least "
    f"{_SHORTEST_KEY} random characters"
)
