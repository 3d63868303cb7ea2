"""`mlops gate`: what a pin has to pass before it is deployed. Asks the store, and no function.

The release's gate asks again, of the version that is to get the traffic.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.bootstrap import open_objects
from mlops.cli.output import DEFAULT_STORE, AsJson, Store, answer, notes, table
from mlops.cli.samconfig import Samconfig, Samconfigs
from mlops.errors import ArtifactError, ConfigInvalid, GateRefused, PinMismatch, VersionNotFound
from mlops.inference.loading import ModelLoader, ServedModel
from mlops.inference.trial import try_model
from mlops.inference.version import Pin
from mlops.registry.versions import StoredVersions

if TYPE_CHECKING:
    from mlops.release.findings import Findings

_FIGURES = {
    "candidate": "pinned",
    "champion": "before",
    "loss_at_most": "worse by at most",
    "margin": "too much is",
}


def add_to(app: typer.Typer) -> None:
    app.command()(gate)


def gate(
    against: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The previous samconfig.toml, to compare with its pins. [default: none]",
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Refuse pinned models that fail, or are worse than the previous ones (exit code 3).

    Each must reproduce its golden rows. It is compared with the previous version on its holdout
    rows, and may be worse by the margins of a release.
    """
    pins = Samconfig.read(samconfig).pins()
    others = Samconfig.read(against).pins() if against else []
    before = {pin.version.model: pin for pin in others}
    if not pins:
        notes.print("Nothing is pinned, so there is nothing to check.")
    versions = StoredVersions(open_objects(store, patient=True))
    found: dict[Pin, Findings] = {}
    for pin in pins:
        old = before.get(pin.version.model)
        with notes.status(f"Checking {pin.version}"):
            try:
                found[pin] = _examined(versions, pin, old)
            except VersionNotFound as error:
                if pin != old:
                    raise ConfigInvalid("MLOPS_STORE", f"{store} does not have {pin}") from error
                notes.print(f"{pin} is pinned as before and not in {store}: it was not checked.")
    documents = {str(pin): _document(findings) for pin, findings in found.items()}
    answer(documents, as_json, "\n\n".join(_shown(pin, of) for pin, of in found.items()))
    for pin, findings in found.items():
        if against_it := _against(findings):
            raise GateRefused(pin.version.model, against_it)


def _examined(versions: StoredVersions, pin: Pin, old: Pin | None) -> "Findings":
    """Raises VersionNotFound, PinMismatch, any StoreError."""
    from mlops.release.comparison import compare_on_holdout  # SciPy takes a second
    from mlops.release.findings import Findings
    from mlops.release.gate import GatePolicy

    loader = ModelLoader([versions])
    try:
        files = loader.read(pin)
        try_model(str(pin.version), files.model, files.contract, files.golden)
        served = files.load()
        if old == pin:
            return Findings(details={"compared": "pinned as before"})
        champion, found = _champion(loader, old)
        found += compare_on_holdout(versions, served, champion, doubt=GatePolicy().doubt)
    except PinMismatch:  # another store, most likely: no verdict about the model
        raise
    except ArtifactError as error:
        return Findings(reasons=(str(error),))
    if old is None:
        found += Findings(details={"compared": "nothing was pinned before"})
    return found


def _champion(loader: ModelLoader, old: Pin | None) -> "tuple[ServedModel | None, Findings]":
    from mlops.release.findings import Findings

    if old is None:
        return None, Findings()
    try:
        return loader.load(old), Findings(details={"compared": f"compared with {old.version}"})
    except (ArtifactError, VersionNotFound) as error:
        return None, Findings(uncompared=(f"the previous version cannot be used: {error}",))


def _against(findings: "Findings") -> tuple[str, ...]:
    """One line each, which ONNX Runtime's are not."""
    return tuple(" ".join(reason.split()) for reason in findings.reasons + findings.uncompared)


def _document(findings: "Findings") -> dict[str, Any]:
    reasons = _against(findings)
    return {"passed": not reasons, "reasons": [*reasons], **findings.details}


def _shown(pin: Pin, findings: "Findings") -> str:
    verdict = "refused" if _against(findings) else "passed"
    how = findings.details.get("compared")
    rows = _rows(findings.details.get("holdout", {}))
    heading = f"{pin.version}: {verdict}, {how}" if how else f"{pin.version}: {verdict}"
    return f"{heading}\n{table(rows)}" if rows else heading


def _rows(holdout: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"holdout": view, "figure": name}
        | {heading: _figure(figure[key]) for key, heading in _FIGURES.items()}
        for view, figures in holdout.items()
        if isinstance(figures, Mapping)
        for name, figure in figures.items()
    ]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
