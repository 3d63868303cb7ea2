"""The `mlops` command: one module for each group of commands."""

import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from mlops.cli import (
    batch,
    doctor,
    gate,
    importing,
    registry,
    release,
    smoke,
    stores,
    training,
)
from mlops.cli.examples import add_examples
from mlops.cli.output import print_error
from mlops.errors import GateRefused, ImportRefused, MlopsError, ReleaseRefused
from mlops.files import describe_os_error

REFUSED, FAILED = 3, 1
"""Exit codes besides 0 for success and 2 for a wrong command line."""

app = typer.Typer(
    name="mlops",
    help="Train or import, register, pin and release models. MLOPS_STORE names the store: a folder,"
    " or s3://bucket with the credentials and region of the AWS CLI.",
    no_args_is_help=True,
    rich_markup_mode=None,  # brackets in help texts are just brackets
    pretty_exceptions_enable=False,
)
training.add_to(app)
importing.add_to(app)
registry.add_to(app)
batch.add_to(app)
stores.add_to(app)
gate.add_to(app)
release.add_to(app)
smoke.add_to(app)
doctor.add_to(app)
add_examples(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlops {metadata.version('mlops-pipeline')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Show the version of mlops and exit.",
        ),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command with these arguments, or with those of the command line."""
    try:
        app(args=arguments)
    except (MlopsError, OSError) as error:
        print_error(_describe(error))
        refused = isinstance(error, (GateRefused, ImportRefused, ReleaseRefused))
        sys.exit(REFUSED if refused else FAILED)


def _describe(error: Exception) -> str:
    """Describe an error without the number that the system gives it."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    reason = describe_os_error(error)
    return reason if error.filename is None else f"{error.filename}: {reason}"
