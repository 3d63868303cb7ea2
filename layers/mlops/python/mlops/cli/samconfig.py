"""The pins in samconfig.toml, read and written with everything else left as it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tomlkit
import typer
from tomlkit.exceptions import TOMLKitError

from mlops.errors import ConfigInvalid, PinInvalid
from mlops.files import write_file
from mlops.inference.version import Pin
from mlops.models.catalogue import CONTRACTS

_TABLES = ("default", "global", "parameters")
_LIST = "parameter_overrides"

Samconfigs = Annotated[
    Path, typer.Option("--samconfig", help="The file that holds the pins and the stack's name.")
]


class Samconfig:
    """One parameter a model, `ChurnPin=churn-model-v1.3.2@sha256:…`, one line each."""

    def __init__(self, path: Path, document: tomlkit.TOMLDocument) -> None:
        found: Any = document
        for name in (*_TABLES, _LIST):
            found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            where = ".".join(_TABLES)
            raise ConfigInvalid(str(path), f"[{where}] needs {_LIST}, a list of texts")
        self._path = path
        self._document = document
        self._overrides: list[str] = found

    @classmethod
    def read(cls, path: Path) -> "Samconfig":
        """Raises ConfigInvalid."""
        try:
            return cls(path, tomlkit.parse(path.read_bytes().decode()))
        except (OSError, UnicodeDecodeError, TOMLKitError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigInvalid(str(path), reason) from error

    def write(self) -> None:
        write_file(self._path, tomlkit.dumps(self._document))

    def stack(self) -> str:
        """The stack's name. Raises ConfigInvalid."""
        found: Any = self._document
        for name in (*_TABLES, "stack_name"):
            found = found.get(name, {})
        if not isinstance(found, str) or not found:
            raise ConfigInvalid(str(self._path), f"[{'.'.join(_TABLES)}] has no stack_name")
        return str(found)

    def overrides(self) -> list[str]:
        """All parameters, as they are given to `sam deploy`: `Name=value`."""
        return [str(text) for text in self._overrides]

    def parameters(self) -> dict[str, str]:
        """All that the file gives the stack, by name."""
        pairs = (text.partition("=") for text in self.overrides())
        return {name: value.strip("\"'") for name, _, value in pairs}

    def pins(self) -> list[Pin]:
        """Raises ConfigInvalid."""
        return [pin for model in CONTRACTS if (pin := self._pin(model)) is not None]

    def set_pin(self, model: str, pin: Pin) -> str | None:
        """Return what was pinned before, whatever it was."""
        line = f"{parameter_of(model)}={pin}"
        index = self._find(model)
        if index is None:
            self._overrides.append(line)
            return None
        previous = _value(self._overrides[index])
        self._overrides[index] = line
        return previous or None

    def _pin(self, model: str) -> Pin | None:
        index = self._find(model)
        if index is None or not (text := _value(self._overrides[index])):
            return None
        try:
            pin = Pin.parse(text)
        except PinInvalid as error:
            raise ConfigInvalid(str(self._path), f"{parameter_of(model)}: {error}") from error
        if pin.version.model != model:
            raise ConfigInvalid(str(self._path), f"{parameter_of(model)}: {pin} is another model's")
        return pin

    def _find(self, model: str) -> int | None:
        for index, text in enumerate(self._overrides):
            if text.partition("=")[0] == parameter_of(model):
                return index
        return None


def _value(override: str) -> str:
    return override.partition("=")[2]


def parameter_of(model: str) -> str:
    """The template's parameter for the pin of `model`."""
    return "".join(part.capitalize() for part in model.split("-")) + "Pin"
