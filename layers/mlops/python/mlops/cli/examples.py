"""An example of each command, shown at the end of its help.

They are here together, and not beside their commands, because they show one project: the tests run
them from the first to the last.
"""

from collections.abc import Mapping, Sequence

import typer

EXAMPLES: Mapping[str, Sequence[str]] = {
    "": ("mlops train churn", "mlops register churn", "mlops show churn", "mlops pin churn"),
    "train": ("mlops train churn", "mlops train churn --data customers.csv --output my-candidate"),
    "import": (
        "mlops import pipeline.joblib sample.csv --model loans --label default --positive bad",
        "mlops import prices.joblib sales.parquet --model house-prices --label price --id sale",
    ),
    "register": (
        "mlops register churn",
        "mlops register churn --version churn-model-v1.1.0 --candidate my-candidate",
    ),
    "models": ("mlops models", "mlops models churn --json"),
    "show": ("mlops show churn", "mlops show churn-model-v1.0.0 --raw"),
    "pin": ("mlops pin churn", "mlops pin churn churn-model-v1.0.0"),
    "bake": ("mlops bake", "mlops bake --store s3://my-bucket"),
    "copy": ("mlops copy --to s3://my-bucket", "mlops copy --stack mlops-pipeline-staging"),
    "gate": ("mlops gate", "mlops gate --against previous-samconfig.toml"),
    "registry": ("mlops registry rebuild",),
    "registry rebuild": ("mlops registry rebuild --store .mlops",),
    "doctor": ("mlops doctor", "mlops doctor --local"),
    "batch": (
        "mlops batch submit customers.csv --wait",
        "mlops batch status job_3f0c",
    ),
    "batch submit": (
        "mlops batch submit customers.csv --wait",
        "mlops batch submit customers.parquet --output-format csv --idempotency-key march",
    ),
    "batch status": ("mlops batch status job_3f0c",),
    "batch results": ("mlops batch results job_3f0c --output march",),
    "batch cancel": ("mlops batch cancel job_3f0c",),
    "batch retry": ("mlops batch retry job_3f0c",),
    "smoke": ("mlops smoke", "mlops smoke --url http://127.0.0.1:8000 --rate 5 --seconds 60"),
    "release": ("mlops release start --wait", "mlops release status"),
    "release start": ("mlops release start --wait --timeout 3000",),
    "release status": ("mlops release status", "mlops release status --wait"),
    "release list": ("mlops release list --json",),
    "release promote": ("mlops release promote",),
    "release abort": ("mlops release abort",),
    "rollback": ("mlops rollback", "mlops rollback --to churn-model-v1.0.0"),
}
"""Command lines by the name of their command; without a name, those of `mlops` itself."""


def add_examples(app: typer.Typer, name: str = "") -> None:
    """Show the examples in the help of `app`, of its commands and of its groups."""
    app.info.epilog = _format(EXAMPLES.get(name, ()))
    for command in app.registered_commands:
        known = command.name or getattr(command.callback, "__name__", "")
        command.epilog = _format(EXAMPLES.get(f"{name} {known}".strip(), ()))
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_examples(group.typer_instance, f"{name} {group.name}".strip())


def _format(examples: Sequence[str]) -> str | None:
    if not examples:
        return None
    heading = "Example:" if len(examples) == 1 else "Examples:"
    # The first character keeps the lines as they are.
    return "\n".join(["\b", heading, *(f"  {example}" for example in examples)])
