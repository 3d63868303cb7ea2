"""How commands answer: for people, or as JSON for programs.

What a command prints may come from a store, a server or a file, and so from anybody. Everything
that is printed passes through `printable`: `answer`, `notes`, `table` and `print_error` see to it.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from mlops.errors import ConfigInvalid, VersionInvalid, VersionNotFound
from mlops.inference.version import ModelVersion
from mlops.models.characters import find_control_character
from mlops.registry.catalog import Entry
from mlops.registry.registry import Registry

_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed; escapes begin so
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they make text read in another order
    r"\u2028\u2029"  # line breaks that are none of ours
    r"\ud800-\udfff]"  # halves of characters, which no terminal takes
)


def printable(text: str) -> str:
    """Return `text` without the characters that make a terminal do anything but print.

    Line feeds and tabs stay. What else belonged to an escape sequence stays too, as plain text: it
    shows that there was one.
    """
    return _UNPRINTABLE.sub("", text)


class _Notes(Console):
    """A console that prints nothing but text and what rich itself adds, whatever it is given."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


# Without markup: brackets in paths and messages are just brackets.
notes = _Notes(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
"""Progress and remarks, on stderr: never mixed with a command's answer."""


def _check_store(location: str) -> str:
    """Raises ConfigInvalid where the location holds a character that no path or URL has."""
    if found := find_control_character(location):
        raise ConfigInvalid("MLOPS_STORE", f"it contains {found}; set it again without it")
    return location


Model = Annotated[str, typer.Argument(help="Name of the model, such as churn.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON.")]
Store = Annotated[
    str,
    typer.Option(
        envvar="MLOPS_STORE",
        callback=_check_store,
        help="The store of registered versions: a folder or s3://bucket[/prefix].",
    ),
]
STATE = Path(".mlops")
DEFAULT_STORE = str(STATE)


def find_entry(registry: Registry, text: str) -> Entry:
    """Return a version by its name, or the newest version of a model by the model's name.

    Raises VersionInvalid, VersionNotFound, RegistryCorrupt.
    """
    if "-model-v" in text:
        return registry.entry(ModelVersion.parse(text))
    entries = registry.entries(text)
    if not entries:
        raise VersionNotFound(f"of {text}")
    return entries[-1]


def version_of(model: str, text: str) -> ModelVersion:
    """Parse a version of `model`. Raises VersionInvalid, also for another model's."""
    version = ModelVersion.parse(text)
    if version.model != model:
        raise VersionInvalid(text, model)
    return version


def entry_document(entry: Entry) -> dict[str, Any]:
    return {
        "version": str(entry.version),
        "stage": entry.stage,
        "trained_at": entry.trained_at.isoformat(),
        "pin": str(entry.pin),
        "data_digest": entry.data_digest,
        "code_sha": entry.code_sha,
        "deployed_sha": entry.deployed_sha,
        "metrics": entry.metrics,
        "history": [
            {
                "stage": change.stage,
                "at": change.at.isoformat(),
                "deployed_sha": change.deployed_sha,
            }
            for change in entry.history
        ],
    }


def answer(document: object, as_json: bool, text: str) -> None:
    """Print what a command found out. JSON is ASCII, with escapes for all that is not printable."""
    typer.echo(printable(json.dumps(document, indent=2) if as_json else text))


def print_error(message: str) -> None:
    typer.echo(f"mlops: {printable(message)}", err=True)


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as aligned text, nothing cut; the keys of the first row are the headings."""
    drawn = Table(box=None, pad_edge=False)
    for heading in rows[0]:
        drawn.add_column(heading, no_wrap=True)
    for row in rows:
        drawn.add_row(*(printable(" ".join(cell.split("\n"))) for cell in row.values()))
    console = Console(width=sys.maxsize, no_color=True, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
