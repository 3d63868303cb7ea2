"""Settings of the API, from environment variables."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mlops.errors import ConfigInvalid
from mlops.inference.version import Pin, parse_pins

LOG_KEY = "MLOPS_LOG_KEY"
_SHORTEST_KEY = 32
ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
"""What browsers send as `Origin`. template.yaml has the same pattern."""

_OWN_PATHS = re.compile(
    r"/v1(/(models|predict)(/.*)?)?|/(docs|healthz|readyz|openapi\.json|local)(/.*)?"
)
_UNRESOLVED = "{{resolve:"
"""CloudFormation replaces what begins so by the secret; `sam local` does not."""


def _split(location: str) -> str:
    """Return the location. Raises ValueError where it is an invalid URL."""
    urlsplit(location)
    return location


def _read_origins(text: str) -> str:
    """Return the origins. Raises ValueError where one is not what browsers send as `Origin`."""
    for origin in _names(text):
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin!r} is not an origin; one looks like https://shop.example.com"
            )
    return text


def _read_base_path(text: str) -> str:
    """Return the path as `/a/b`, or as an empty text. Raises ValueError where it is no path."""
    path = "".join(f"/{part}" for part in text.split("/") if part)
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        raise ValueError(f"{text!r} is not a base path; one looks like /prod")
    if _OWN_PATHS.fullmatch(path):
        raise ValueError(f"{path} begins paths of the API itself; choose another base path")
    return path


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


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
        description="URL of this server, if it serves the objects of a folder.",
    )
    cache_dir: Path = Field(default=Path("/tmp/mlops-models"), validation_alias="MLOPS_CACHE_DIR")  # noqa: S108 -- a Lambda's only writable folder; its content is checked by digest
    docs: bool = Field(default=True, validation_alias="MLOPS_DOCS")
    log_key: str = Field(
        default="",
        repr=False,
        validation_alias="MLOPS_LOG_KEY",
        description="Secret that hashes ids in the log. Empty: each process makes its own.",
    )
    base_path: Annotated[str, AfterValidator(_read_base_path)] = Field(
        default="",
        validation_alias="MLOPS_BASE_PATH",
        description="Path in front of all routes, such as a custom domain's or a stage's.",
    )
    cors_origins: Annotated[str, AfterValidator(_read_origins)] = Field(
        default="",
        validation_alias="MLOPS_CORS_ORIGINS",
        description="Origins whose pages may call the API in a browser, separated by commas.",
    )
    metrics_namespace: str = Field(
        default="",
        validation_alias="MLOPS_METRICS_NAMESPACE",
        description="Namespace of the metrics in CloudWatch. Empty: no metrics are written.",
    )
    release: str = Field(default="local", validation_alias="AWS_LAMBDA_FUNCTION_VERSION")

    @property
    def serves_objects(self) -> bool:
        """Whether this server takes the place of a bucket, for a store that is a folder."""
        return bool(self.served_at and self.store) and not urlsplit(self.store).scheme

    @property
    def allowed_origins(self) -> list[str]:
        return _names(self.cors_origins)

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
    if _UNRESOLVED in settings.log_key:
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
