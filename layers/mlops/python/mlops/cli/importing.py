"""`mlops import`."""

import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import typer

from mlops.cli.output import AsJson, answer, notes, table
from mlops.cli.training import CANDIDATES, code_sha, training_date
from mlops.errors import ConfigInvalid
from mlops.files import describe_os_error, replacing_file
from mlops.importing.process import LIMITS, Imported, Limits, Order, run_import
from mlops.models.contract import find_name_fault


def add_to(app: typer.Typer) -> None:
    app.command("import")(import_model)


def import_model(
    pipeline: Annotated[
        Path, typer.Argument(help="The fitted estimator or pipeline, a file of joblib.")
    ],
    sample: Annotated[
        Path,
        typer.Argument(help="Labelled rows that it has not seen, CSV or Parquet; 200 or more."),
    ],
    model: Annotated[str, typer.Option(help="Name that the model gets, such as loans.")],
    label: Annotated[str, typer.Option(help="Column of the sample that says what happened.")],
    positive: Annotated[
        str | None,
        typer.Option(
            help="Of two classes, the one to give the probability of. [default: the second]"
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Another file that has the labels, row for row.")
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            "--id", help="Column that names the row. Clients send it, the model ignores it."
        ),
    ] = None,
    optional: Annotated[
        str,
        typer.Option(
            help="Columns that clients may leave out, separated by commas, besides those that are"
            " blank in some row of the sample."
        ),
    ] = "",
    contract: Annotated[
        Path | None,
        typer.Option(
            help="The contract to use, or to write if it is not there yet."
            " [default: contract.toml beside PIPELINE]"
        ),
    ] = None,
    infer: Annotated[
        bool,
        typer.Option("--infer", help="Write the contract again, though it is there already."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the candidate. [default: .mlops/candidates/MODEL]"),
    ] = None,
    time_limit: Annotated[
        float, typer.Option(min=1, help="Seconds that loading and comparing may take.")
    ] = LIMITS.seconds,
    memory_limit: Annotated[
        int, typer.Option(min=256, help="Megabytes that it may take.")
    ] = LIMITS.bytes // 2**20,
    as_json: AsJson = False,
) -> None:
    """Import a model that was trained with scikit-learn, without fitting it again.

    A joblib file is code: import only files of people you trust. It is loaded in a process of its
    own, and never where predictions are served. The command writes contract.toml for you to review
    and a candidate to register. It refuses a model whose ONNX graph would not predict the same
    (exit code 3). SOURCE_DATE_EPOCH sets the date of the import.
    """
    at = training_date()
    if fault := find_name_fault(model):
        raise typer.BadParameter(f"--model: {fault}.")
    from mlops.training.folder import require_replaceable, save

    folder = output or CANDIDATES / model
    require_replaceable(folder)
    document = contract or pipeline.parent / "contract.toml"
    found = _read(document)
    known = None if infer else found
    order = Order(
        pipeline=str(pipeline),
        sample=str(sample),
        model=model,
        label=label,
        labels=None if labels is None else str(labels),
        positive=positive,
        subject=subject,
        optional=tuple(name.strip() for name in optional.split(",") if name.strip()),
        contract=known,
        contract_source=str(document),
    )
    # Figures need scikit-learn, which takes a second to import: meanwhile, the other process works.
    Thread(target=import_module, args=("mlops.importing.candidate",), daemon=True).start()
    with notes.status(f"Importing {pipeline}") as status:
        imported, graph = run_import(
            order,
            lambda step: status.update(f"{step} ..."),
            Limits(time_limit, memory_limit * 2**20),
        )
        status.update("Computing figures ...")
        from mlops.importing.candidate import candidate_of

        candidate, warnings = candidate_of(imported, graph, pipeline, at=at, code_sha=code_sha())
    with ExitStack() as both:
        if known is None:
            document.parent.mkdir(parents=True, exist_ok=True)
            file = both.enter_context(replacing_file(document))
            file.write(imported.contract_text.encode())
        save(candidate, folder)
    for text in [*warnings, *imported.notes]:
        notes.print(f"Note: {text}.".replace("..", "."))
    register_it = f"mlops register {model}"
    if output is not None:
        register_it += f" --candidate {shlex.quote(str(output))}"
    answer(
        {
            "model": model,
            "candidate": str(folder),
            "contract": str(document),
            "contract_is_new": known is None,
            "changes": imported.changes,
            "estimator": imported.estimator,
            "rows_compared": imported.rows,
            "max_difference": imported.parity,
            "metrics": candidate.metrics,
            "notes": [*warnings, *imported.notes],
        },
        as_json,
        "\n".join(
            [
                _describe_contract(document, imported, is_new=known is None),
                f"The graph and the {imported.estimator} differ by {imported.parity:.1e} at most,"
                f" in {imported.rows:,} rows.",
                table(_figure_rows(candidate.metrics)),
                f"Next: {register_it}",
            ]
        ),
    )


def _read(document: Path) -> str | None:
    """Return an edited contract, or None if there is none. Raise ConfigInvalid."""
    try:
        return document.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = describe_os_error(error) if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigInvalid(str(document), reason) from error


def _describe_contract(document: Path, imported: Imported, *, is_new: bool) -> str:
    if is_new:
        return f"{document} says what clients send; review it, and import again after a change."
    if not imported.changes:
        return f"{document} was used; it says what the sample shows."
    lines = [f"{document} was used. Where it differs from what the sample shows:"]
    return "\n".join([*lines, *(f"  {change}" for change in imported.changes)])


def _figure_rows(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"view": view, **{name: f"{value:,.5g}" for name, value in figures.items()}}
        for view, figures in metrics["holdout"].items()
    ]
