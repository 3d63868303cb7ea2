"""How commands answer: for people, or as JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mlops.errors import ModelNotFound
from mlops.inference.version import ModelVersion
from mlops.models.catalogue import CONTRACTS
from mlops.registry.catalog import Entry

# Without markup: brackets in paths and messages are just brackets.
notes = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
"""Progress and remarks: never mixed with what a command answers."""

Model = Annotated[str, typer.Argument(help="Name of the model, such as churn.")]
Version = Annotated[str, typer.Argument(help="Name of the version, such as churn-model-v1.0.0.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON.")]
Store = Annotated[
    str,
    typer.Option(
        envvar="MLOPS_STORE", help="Where versions lie: a folder or s3://bucket[/prefix]."
    ),
]
STATE = Path(".mlops")
DEFAULT_STORE = str(STATE)


def require_model(name: str) -> None:
    """Raises ModelNotFound."""
    if name not in CONTRACTS:
        raise ModelNotFound(name, tuple(CONTRACTS))


def version_of(model: str, text: str) -> ModelVersion:
    """Raises VersionInvalid; BadParameter where it is a version of another model."""
    version = ModelVersion.parse(text)
    if version.model != model:
        raise typer.BadParameter(f"{version} is not a version of {model}.")
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
    typer.echo(json.dumps(document, indent=2) if as_json else text)


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as aligned text, nothing cut; the first one's keys are the headings."""
    drawn = Table(box=None, pad_edge=False)
    for heading in rows[0]:
        drawn.add_column(heading, no_wrap=True)
    for row in rows:
        drawn.add_row(*row.values())
    console = Console(width=sys.maxsize, no_color=True, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
