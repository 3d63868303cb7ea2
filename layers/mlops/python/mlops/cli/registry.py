"""`mlops register | models | show | pin | bake | registry rebuild`."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.console import Console

from mlops.bootstrap import open_objects
from mlops.bootstrap.registry import open_registry
from mlops.cli.output import (
    DEFAULT_STORE,
    STATE,
    AsJson,
    Model,
    Store,
    answer,
    entry_document,
    find_entry,
    notes,
    printable,
    table,
    version_of,
)
from mlops.cli.samconfig import Samconfig, Samconfigs
from mlops.cli.training import CANDIDATES
from mlops.errors import ConfigInvalid, PinMismatch, VersionInvalid, VersionNotFound
from mlops.files import write_file
from mlops.inference.loading import SERVED_FILES, read_listed, read_manifest, read_version
from mlops.inference.manifest import MANIFEST
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.catalog import Entry
from mlops.registry.versions import StoredVersions
from mlops.training.folder import read, replacing, require_candidate
from mlops.training.servable import require_servable

_MARK = b"# Written by mlops bake, which may replace or delete this file.\n"
"""The first line of a file of certificates tells whose it is. It is a comment in PEM."""


def add_to(app: typer.Typer) -> None:
    for command in (register, models, show, pin, bake):
        app.command()(command)
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Maintain the registry itself."
    )
    group.command()(rebuild)
    app.add_typer(group, name="registry")


def register(
    model: Model,
    version: Annotated[
        str | None, typer.Option(help="Name of the version. [default: the next minor version]")
    ] = None,
    candidate: Annotated[
        Path | None,
        typer.Option(
            help="Folder that `mlops train` has written. [default: .mlops/candidates/MODEL]"
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Register the trained candidate in the store as a new version.

    A version never changes after that. A candidate that cannot be loaded, or that does not
    reproduce its golden rows, is refused.
    """
    named = None if version is None else version_of(model, version)
    folder = candidate or CANDIDATES / model
    require_candidate(folder, model)
    found = read(folder)
    if found.model != model:
        register_it = f"mlops register {found.model} --candidate {shlex.quote(str(folder))}"
        reason = (
            f"this is a candidate of {found.model}, not of {model}; to register it: {register_it}"
        )
        raise ConfigInvalid(str(folder), reason)
    require_servable(found, str(folder))
    registry = open_registry(store)
    if named is None:
        pinned = registry.register_next(model, found.files, found.provenance)
    else:
        pinned = registry.register(named, found.files, found.provenance)
    answer(
        {"version": str(pinned.version), "pin": str(pinned)},
        as_json,
        f"Registered {pinned.version}. To deploy it: mlops pin {model} {pinned.version}",
    )


def models(
    model: Annotated[
        str | None, typer.Argument(help="List the versions of this model only.")
    ] = None,
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """List the registered versions."""
    entries = open_registry(store).entries(model)
    text = (
        table([_row(entry) for entry in entries])
        if entries
        else f"No version{f' of {model}' if model else ''} is registered in {store}."
    )
    answer([entry_document(entry) for entry in entries], as_json, text)


def show(
    version: Annotated[
        str,
        typer.Argument(
            help="Name of a version, such as churn-model-v1.0.0, or of a model to show its newest."
        ),
    ],
    store: Store = DEFAULT_STORE,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Show the model card as it is stored, in Markdown."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one version: its origin, its metrics and its model card."""
    registry = open_registry(store)
    entry = find_entry(registry, version)
    document = entry_document(entry)
    # Checked on the way from the pin to the card, as everything that is read from a store.
    manifest = read_manifest(registry.versions, entry.pin)
    card = read_listed(registry.versions, manifest, "model_card.md").decode(errors="replace")
    facts = table(
        [
            {"": name, " ": str(value)}
            for name, value in document.items()
            if name not in ("metrics", "history") and value is not None
        ]
    )
    terminal = Console(markup=False, emoji=False, highlight=False)
    if raw or as_json or not terminal.is_terminal:
        answer({**document, "model_card": card}, as_json, f"{facts}\n\n{card}")
    else:
        from rich.markdown import Markdown  # its parser takes a while to import

        typer.echo(f"{printable(facts)}\n")
        # A link shows its address, so that nobody is led elsewhere by its text.
        terminal.print(Markdown(printable(card), hyperlinks=False))


def pin(
    model: Model,
    version: Annotated[
        str | None,
        typer.Argument(
            help="Name of the version, such as churn-model-v1.0.0. [default: the newest one]"
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Write a version and its digest into samconfig.toml: a change of one line to review."""
    registry = open_registry(store)
    named = model if version is None else str(version_of(model, version))
    pinned = find_entry(registry, named).pin
    # A pinned version gets deployed. If the store has lost one of its files, say so now.
    read_version(registry.versions, pinned)
    file = Samconfig.read(samconfig)
    previous = file.set_pin(pinned)
    file.write()
    answer(
        {"pin": str(pinned), "previous": None if previous is None else str(previous)},
        as_json,
        f"{samconfig} now pins {pinned}",
    )


def bake(
    pins: Annotated[
        list[str] | None,
        typer.Option(
            "--pin", help="Bake this pin instead of those in samconfig.toml. Can be repeated."
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
    samconfig: Samconfigs = Path("samconfig.toml"),
    output: Annotated[Path, typer.Option(help="Folder that the image is built from.")] = STATE
    / "image",
    ca_bundle: Annotated[
        Path | None,
        typer.Option(
            envvar="MLOPS_CA_BUNDLE",
            exists=True,
            dir_okay=False,
            help="File of CA certificates for the build, if a proxy inspects TLS.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy the pinned versions into the folder that the image is built from.

    The digest of each file is checked. A pinned version that is not in the store is reported and
    left out; the image reads it from the store when it starts. Only an earlier bake is replaced.
    """
    wanted = [Pin.parse(text) for text in pins] if pins else Samconfig.read(samconfig).pins()
    source = StoredVersions(open_objects(store, patient=True))
    folder, certificates = output / "models", output / "ca.crt"
    # Read before anything is replaced: it may be the very file that is.
    bundle = None if ca_bundle is None else ca_bundle.read_bytes()
    _require_replaceable(folder, certificates, bundle, store)
    baked: list[Pin] = []
    with replacing(folder) as new:
        for pinned in wanted:
            try:
                manifest, files = read_version(source, pinned)
            except VersionNotFound:
                continue
            except PinMismatch as error:
                hint = f"in {store}; is MLOPS_STORE the store where it was registered?"
                raise PinMismatch(error.version, error.pinned, error.found, hint) from error
            baked.append(pinned)
            target = new / str(pinned.version)
            target.mkdir()
            (target / MANIFEST).write_bytes(manifest.to_bytes())
            for file, content in files.items():
                if file in SERVED_FILES:
                    (target / file).write_bytes(content)
    if bundle is None:
        certificates.unlink(missing_ok=True)
    elif not (certificates.exists() and certificates.read_bytes() == bundle):
        write_file(certificates, _MARK + bundle)
    left_out = [pinned for pinned in wanted if pinned not in baked]
    for pinned in left_out:
        notes.print(
            f"Not baked, because it is not in {store}: {pinned}."
            " The image will read it from the store of its stack when it starts."
        )
    if not wanted:
        notes.print("Nothing is pinned, so the image will contain no model.")
    answer(
        {
            "pins": [str(pinned) for pinned in baked],
            "left_out": [str(pinned) for pinned in left_out],
            "folder": str(folder),
        },
        as_json,
        "\n".join(f"Baked {pinned}" for pinned in baked),
    )


def _require_replaceable(
    folder: Path, certificates: Path, bundle: bytes | None, store: str
) -> None:
    """Raises ConfigInvalid if anything but an earlier bake would be lost."""
    if folder.resolve() == Path(store, "models").resolve():
        reason = "the store keeps its versions here; name another folder with --output"
        raise ConfigInvalid(str(folder), reason)
    foreign: Path | None = None
    if folder.exists() and not _is_baked(folder):
        foreign = folder
    elif certificates.exists():
        content = certificates.read_bytes()
        if content != bundle and not content.startswith(_MARK):
            foreign = certificates
    if foreign is not None:
        reason = "it exists and is not from an earlier bake; move it, or name another --output"
        raise ConfigInvalid(str(foreign), reason)


def _is_baked(folder: Path) -> bool:
    """Tell a bake by its files: a version in a store has more files than those that are served."""
    try:
        for version in folder.iterdir():
            ModelVersion.parse(version.name)
            if not {file.name for file in version.iterdir()} <= {MANIFEST, *SERVED_FILES}:
                return False
    except (NotADirectoryError, VersionInvalid):
        return False
    return True


def rebuild(store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Rebuild the registry from manifests and journal (exit code 1: a version was left out)."""
    if not urlsplit(store).scheme and not Path(store).is_dir():
        raise ConfigInvalid(store, "there is no such store; name an existing one with --store")
    rebuilt = open_registry(store).rebuild()
    for error in rebuilt.refused:
        notes.print(f"Left out: {error}")
    answer(
        {
            "versions": [str(entry.version) for entry in rebuilt.entries],
            "left_out": [str(error) for error in rebuilt.refused],
        },
        as_json,
        f"Versions in the registry: {len(rebuilt.entries)}",
    )
    if rebuilt.refused:
        raise typer.Exit(1)


def _row(entry: Entry) -> dict[str, str]:
    return {
        "version": str(entry.version),
        "stage": entry.stage,
        "trained": f"{entry.trained_at:%Y-%m-%d %H:%M}",
        "figures": _figures(entry),
        "commit": (entry.code_sha or "-")[:12],
        "deployed": (entry.deployed_sha or "-")[:12],
    }


def _figures(entry: Entry) -> str:
    """Return the figures of a version's first view: cross-validated ones, or its holdout's."""
    for kind in ("cross_validation", "holdout"):
        for view in _nested(entry.metrics, kind).values():
            found = _nested(view, "mean") or _nested(view)
            # As they are, whatever that is.
            return ", ".join(f"{name} {value}" for name, value in found.items()) or "-"
    return "-"


def _nested(document: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document if isinstance(document, Mapping) else {}
