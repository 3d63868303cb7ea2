"""What the batch function can be told by its environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mlops.inference.version import Pin, parse_pins


class Settings(BaseModel):
    """Read from the environment variable that each field names."""

    model_config = ConfigDict(frozen=True, validate_by_name=True)

    store: str = Field(min_length=1, validation_alias="MLOPS_STORE")
    queue: str = Field(min_length=1, validation_alias="MLOPS_QUEUE")
    pins: str = Field(default="", validation_alias="MLOPS_PINS")
    models_dir: Path = Field(default=Path("/opt/models"), validation_alias="MLOPS_MODELS_DIR")
    cache_dir: Path = Field(default=Path("/tmp/mlops-models"), validation_alias="MLOPS_CACHE_DIR")  # noqa: S108 -- a Lambda's only writable folder; its content is checked by digest
    max_rows: int = Field(default=1_000_000, ge=1, validation_alias="MLOPS_BATCH_MAX_ROWS")
    max_bytes: int = Field(default=1024**3, ge=1, validation_alias="MLOPS_BATCH_MAX_BYTES")
    max_receives: int = Field(
        default=3,
        ge=1,
        validation_alias="MLOPS_MAX_RECEIVES",
        description="The queue's own: after so many it gives a message up.",
    )

    def parsed_pins(self) -> tuple[Pin, ...]:
        """Raises PinInvalid."""
        return parse_pins(self.pins)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises pydantic's ValidationError, which names the variable."""
    return Settings.model_validate(dict(environment), by_alias=True, by_name=False)
