"""`mlops`: what a data scientist does with models, one module for each group of commands."""

import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from mlops.cli import batch, doctor, gate, registry, release, smoke, stores, training
from mlops.cli.output import print_error
from mlops.errors import GateRefused, MlopsError, ReleaseRefused

REFUSED, FAILED = 3, 1
"""Exit codes besides 0 for success and 2 for a wrong command line."""

app = typer.Typer(
    name="mlops",
    help="Train, register, pin and release models. Settings: MLOPS_STORE (a folder or s3://bucket),"
    " and for S3 the AWS CLI's own variables.",
    no_args_is_help=True,
    rich_markup_mode=None,  # brackets in help texts are just brackets
    pretty_exceptions_enable=False,
)
training.add_to(app)
registry.add_to(app)
batch.add_to(app)
stores.add_to(app)
gate.add_to(app)
release.add_to(app)
smoke.add_to(app)
doctor.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlops {metadata.version('mlops-pipeline')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; `arguments` are the command line's unless given."""
    try:
        app(args=arguments)
    except (MlopsError, OSError) as error:
        print_error(error)
        sys.exit(REFUSED if isinstance(error, (GateRefused, ReleaseRefused)) else FAILED)
