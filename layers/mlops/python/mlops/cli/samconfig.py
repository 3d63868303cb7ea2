"""The pins in samconfig.toml, read and written with everything else left as it is."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tomlkit
import typer
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import String, StringType, Trivia

from mlops.errors import ConfigInvalid, PinInvalid
from mlops.files import write_file
from mlops.inference.version import PINS, Pin, parse_pins

_TABLES = ("default", "global", "parameters")
_LIST = "parameter_overrides"
_INDENT = "    "

MOST_CHARACTERS = 3_640
"""Of all pins, some forty. Lambda's environment has 4 kB, and the other variables need the rest."""

Samconfigs = Annotated[
    Path, typer.Option("--samconfig", help="The file that holds the pins and the stack's name.")
]


class Samconfig:
    """Holds the pins as one parameter, with a line for each model.

    The lines are sorted, and have an empty one between them: so git can merge two pull requests
    that pin different models. Each ends with a backslash, which makes TOML join them to one.
    """

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
        index = self._find()
        text = "" if index is None else _value(self._overrides[index])
        try:
            return sorted(parse_pins(text), key=str)
        except PinInvalid as error:
            raise ConfigInvalid(str(self._path), f"{PINS}: {error}") from error

    def set_pin(self, pin: Pin) -> Pin | None:
        """Pin a model's version in place of the one that was pinned, and return that.

        Raises ConfigInvalid: The pins that there are cannot be read, there would be more than a
        function's environment has room for, or the template does not take them.
        """
        pins = {found.version.model: found for found in self.pins()}
        previous = pins.get(pin.version.model)
        pins[pin.version.model] = pin
        lines = [f"{pins[model]}," for model in sorted(pins)]
        characters = sum(map(len, lines))
        if characters > MOST_CHARACTERS:
            reason = (
                f"{len(pins)} pins have {characters:,} characters, and a function's environment has"
                f" room for {MOST_CHARACTERS:,}; remove the line of a model that is not used"
            )
            raise ConfigInvalid(str(self._path), reason)
        if dropped := self.find_dropped():
            raise ConfigInvalid(str(self._path), f"{dropped[0]}: {dropped[1]}")
        newline = "\r\n" if "\r\n" in tomlkit.dumps(self._document) else "\n"
        override, index = _override(lines, newline), self._find()
        if index is None:
            self._overrides.append(override)
        else:
            self._overrides[index] = override
        return previous

    def find_dropped(self) -> tuple[str, str, str] | None:
        """Return what is wrong, why, and a command, where SAM would drop the pins.

        It drops the values of parameters that a template does not have. A template that is not
        beside the file is not looked at.
        """
        template = self._path.parent / "template.yaml"
        if not template.is_file() or _takes_pins(template.read_text()):
            return None
        what = f"{template} has no parameter {PINS}"
        return what, f"SAM would drop the pins of {self._path}.", f"git restore {template}"

    def _find(self) -> int | None:
        for index, text in enumerate(self._overrides):
            if text.partition("=")[0] == PINS:
                return index
        return None


def _value(override: str) -> str:
    return override.partition("=")[2].strip("\"'")


def _override(lines: list[str], newline: str) -> String:
    """Return a text of TOML that looks like its lines, and is one line."""
    joined = f"\\\n\n{_INDENT}".join(lines)
    original = f"\\\n{_INDENT}{PINS}=\\\n\n{_INDENT}{joined}\\\n\n{_INDENT}"
    value = f"{PINS}={''.join(lines)}"
    return String(StringType.MLB, value, original.replace("\n", newline), Trivia())


def _takes_pins(template: str) -> bool:
    parameters = re.search(r"^Parameters:\n((?:(?:[ #].*)?\n)*)", template, re.MULTILINE)
    return parameters is not None and f"\n  {PINS}:" in f"\n{parameters[1]}"
