"""What stands in the place of MiniStack's own functions, and whether it still fits there."""

import functools
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

Load = Callable[[str], ModuleType]
Record = dict[str, Any]  # what MiniStack keeps is typed by nobody
Answer = tuple[int, Record, bytes]


@dataclass(frozen=True)
class Name:
    """signature: None for what is no function."""

    module: str
    name: str
    signature: str | None = None

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    def problem(self, load: Load) -> str | None:
        """Why MiniStack's is not the one that this file knows."""
        try:
            found = getattr(load(self.module), self.name)
        except (ImportError, AttributeError):
            return f"{self} is missing"
        if self.signature is None or (actual := str(inspect.signature(found))) == self.signature:
            return None
        return f"{self} takes {actual}, and took {self.signature}"


@dataclass(frozen=True)
class Patch:
    """replacement: called with the original, and then as that was."""

    name: Name
    replacement: Callable[..., Any]


NEEDED: Final[list[Name]] = []
PATCHES: Final[list[Patch]] = []


def needs(module: str, name: str, signature: str | None = None) -> None:
    """Say what is used as it is."""
    NEEDED.append(Name(module, name, signature))


def instead_of(module: str, name: str, signature: str) -> Callable[..., Any]:
    """A decorator of what is to stand in the place of a function of MiniStack's."""

    def register(replacement: Callable[..., Any]) -> Callable[..., Any]:
        needs(module, name, signature)
        PATCHES.append(Patch(NEEDED[-1], replacement))
        return replacement

    return register


def problems(load: Load = importlib.import_module) -> list[str]:
    """What of MiniStack has changed since this was written."""
    return [problem for name in NEEDED if (problem := name.problem(load)) is not None]


def install(load: Load = importlib.import_module) -> None:
    for patch in PATCHES:
        module = load(patch.name.module)
        original = getattr(module, patch.name.name)
        setattr(module, patch.name.name, functools.partial(patch.replacement, original))
