"""`mlops train`."""

import os
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mlops.cli.output import STATE, AsJson, Model, answer, notes, require_model, table
from mlops.errors import ConfigInvalid

CANDIDATES = STATE / "candidates"
_PACKAGE = Path(__file__).parent.parent


def add_to(app: typer.Typer) -> None:
    app.command()(train)


def train(
    model: Model,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Labelled rows, CSV or gzipped CSV. [default: the sample data of the model]"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the candidate. [default: .mlops/candidates/MODEL]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a candidate, and refuse it if its metrics are not good enough (exit code 3).

    The same data and code give the same files. SOURCE_DATE_EPOCH sets the date of the training.
    """
    require_model(model)
    at = training_date()  # before the imports: some of them read the same variable, and fail
    # scikit-learn takes seconds to import; no other command needs it.
    from mlops.models.plans import PLANS
    from mlops.training.candidate import train as train_candidate
    from mlops.training.folder import require_replaceable, save

    plan = PLANS[model]
    source = data or Path(plan.default_data)
    folder = output or CANDIDATES / model
    require_replaceable(folder)
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=notes,
        transient=True,
        disable=not notes.is_interactive,
    )
    with progress:
        folds = progress.add_task(f"Training {model} on {source}", total=None)
        candidate = train_candidate(
            plan,
            plan.load(source),
            at=at,
            code_sha=code_sha(),
            on_fold=lambda done, of: progress.update(folds, completed=done, total=of),
        )
    save(candidate, folder)
    results = candidate.metrics["cross_validation"]
    rows = [
        {
            "view": view.name,
            "ROC-AUC": f"{results[view.name]['mean']['roc_auc']:.4f}",
            "Brier": f"{results[view.name]['mean']['brier']:.4f}",
            "calibration error": f"{results[view.name]['ece']:.4f}",
            "": view.describe,
        }
        for view in plan.views
    ]
    register_it = f"mlops register {model}"
    if output is not None:
        register_it += f" --candidate {shlex.quote(str(output))}"
    answer(
        {"model": model, "candidate": str(folder), "metrics": candidate.metrics},
        as_json,
        f"{table(rows)}\nThe candidate has passed the gate. Next: {register_it}",
    )


def training_date() -> datetime:
    """Raises ConfigInvalid."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigInvalid("SOURCE_DATE_EPOCH", f"{epoch!r} is not a number of seconds") from error


def code_sha() -> str | None:
    """Return the commit of this package, whatever folder the command runs in.

    It ends with `-dirty` if the package differs from the commit, and is None without git.
    """
    try:
        _git("ls-files", "--error-unmatch", "errors.py")
        sha = _git("rev-parse", "HEAD")
        return f"{sha}-dirty" if _git("status", "--porcelain", ".") else sha
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    ran = subprocess.run(  # noqa: S603 -- no text of a stranger
        ["git", *arguments],  # noqa: S607 -- the user's own git
        cwd=_PACKAGE,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()
