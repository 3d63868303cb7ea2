"""Names of versions, and pins: a version's name with the digest of its manifest."""

import re
from dataclasses import dataclass

from mlops.errors import PinInvalid, VersionInvalid

_NUMBER = "(0|[1-9][0-9]{0,8})"
_VERSION = re.compile(rf"([a-z][a-z0-9]*(?:-[a-z0-9]+)*)-model-v{_NUMBER}\.{_NUMBER}\.{_NUMBER}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, order=True)
class ModelVersion:
    """`churn-model-v1.3.2`; ordered by model, then as semantic versions are."""

    model: str
    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> "ModelVersion":
        """Raises VersionInvalid."""
        match = _VERSION.fullmatch(text)
        if match is None:
            raise VersionInvalid(text)
        model, *numbers = match.groups()
        return cls(model, *map(int, numbers))

    def __str__(self) -> str:
        return f"{self.model}-model-v{self.major}.{self.minor}.{self.patch}"

    def next_minor(self) -> "ModelVersion":
        return ModelVersion(self.model, self.major, self.minor + 1, 0)


@dataclass(frozen=True)
class Pin:
    """`churn-model-v1.3.2@sha256:…`: which version, and exactly which content.

    digest: of the manifest's bytes; the manifest in turn lists the digest of every file.
    """

    version: ModelVersion
    digest: str

    @classmethod
    def parse(cls, text: str) -> "Pin":
        """Raises PinInvalid."""
        name, separator, digest = text.partition("@")
        if not separator or DIGEST.fullmatch(digest) is None:
            raise PinInvalid(text)
        try:
            return cls(ModelVersion.parse(name), digest)
        except VersionInvalid as error:
            raise PinInvalid(text) from error

    def __str__(self) -> str:
        return f"{self.version}@{self.digest}"


PINS = "Pins"
"""The parameter of the template that has the pins of all models."""


def parse_pins(text: str) -> tuple[Pin, ...]:
    """Read pins with commas or blanks between. Raises PinInvalid, also for two of one model."""
    pins = tuple(map(Pin.parse, text.replace(",", " ").split()))
    if len({pin.version.model for pin in pins}) < len(pins):
        raise PinInvalid(text)
    return pins
