"""`mlops train`."""

import os
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mlops.cli.output import STATE, AsJson, Model, answer, notes, table
from mlops.errors import ConfigInvalid
from mlops.models.contract import Contract
from mlops.models.plan import Bounds

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
    bounds: Annotated[
        bool,
        typer.Option(
            "--propose-bounds",
            help="Cross-validate only, and print bounds for the training plan. Write nothing.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a candidate, and refuse it if its metrics are not good enough (exit code 3).

    This is for models with a training plan in this project. A model that was trained elsewhere is
    imported: mlops import. The same data and code give the same files. SOURCE_DATE_EPOCH sets the
    date of the training.
    """
    at = training_date()  # before the imports: some of them read the same variable, and fail
    # scikit-learn takes seconds to import; no other command needs it.
    from mlops.models.plans import PLANS
    from mlops.training.folder import require_replaceable, save
    from mlops.training.loading import load
    from mlops.training.trainer import find_bounds
    from mlops.training.trainer import train as train_candidate

    plan = PLANS.get(model)
    if plan is None:
        raise ConfigInvalid(model, _without_plan(model, PLANS))
    source = data or Path(plan.default_data)
    title = f"Training {model} on {source}"
    if bounds:
        with _show_folds(title) as on_fold:
            found = find_bounds(plan, load(source, plan.contract), on_fold)
        document = {"model": model, "bounds": {view: asdict(found[view]) for view in found}}
        answer(document, as_json, _plan_text(found))
        return
    folder = output or CANDIDATES / model
    require_replaceable(folder)
    with _show_folds(title) as on_fold:
        rows = load(source, plan.contract)
        candidate = train_candidate(plan, rows, at=at, code_sha=code_sha(), on_fold=on_fold)
    save(candidate, folder)
    register_it = f"mlops register {model}"
    if output is not None:
        register_it += f" --candidate {shlex.quote(str(output))}"
    answer(
        {"model": model, "candidate": str(folder), "metrics": candidate.metrics},
        as_json,
        f"{table(_figure_rows(plan.contract, candidate.metrics))}\n"
        f"The candidate has passed the gate. Next: {register_it}",
    )


def _without_plan(model: str, plans: Iterable[str]) -> str:
    return (
        f"it has no training plan; those that have one: {', '.join(sorted(plans))}. To serve a"
        f" model that was trained elsewhere: mlops import PIPELINE.joblib SAMPLE.csv --model"
        f" {model}"
    )


@contextmanager
def _show_folds(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal; give what moves it."""
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
        folds = progress.add_task(title, total=None)
        yield lambda done, of: progress.update(folds, completed=done, total=of)


def _figure_rows(contract: Contract, metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    from mlops.training.data import views_of
    from mlops.training.evaluation import evaluation_of

    results = metrics["cross_validation"]
    figures = evaluation_of(contract).figures
    return [
        {
            "view": view.name,
            **{
                figure.title: figure.format(
                    results[view.name]["pooled" if figure.pooled else "mean"][figure.name]
                )
                for figure in figures
            },
            "": view.description,
        }
        for view in views_of(contract)
    ]


def _plan_text(bounds: Mapping[str, Bounds]) -> str:
    """Return bounds as a training plan has them."""
    lines = [
        f"    {view!r}: Bounds(minimum={dict(found.minimum)}, maximum={dict(found.maximum)}),"
        for view, found in bounds.items()
    ]
    text = "\n".join(["bounds={", *lines, "},"]).replace("'", '"')
    return f"{text}\nNothing was written. Review these bounds, and put them into the training plan."


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
