"""What the API can be told by its environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mlops.inference.version import Pin, parse_pins


class Settings(BaseModel):
    """Read from the environment variable that each field's alias names."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    pins: str = Field(default="", alias="MLOPS_PINS")
    models_dir: Path = Field(default=Path("/opt/models"), alias="MLOPS_MODELS_DIR")
    store: str | None = Field(default=None, alias="MLOPS_STORE")
    cache_dir: Path = Field(default=Path("/tmp/mlops-models"), alias="MLOPS_CACHE_DIR")  # noqa: S108 -- a Lambda's only writable folder; its content is checked by digest
    docs: bool = Field(default=True, alias="MLOPS_DOCS")
    log_salt: str = Field(default="", alias="MLOPS_LOG_SALT")
    release: str = Field(default="local", alias="AWS_LAMBDA_FUNCTION_VERSION")

    def parsed_pins(self) -> tuple[Pin, ...]:
        """Raises PinInvalid."""
        return parse_pins(self.pins)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises pydantic's ValidationError, which names the variable."""
    return Settings.model_validate(dict(environment))
