"""`mlops copy`: what is registered in one store, registered in another one too."""

from pathlib import Path
from typing import Annotated

import typer

from mlops.bootstrap import open_objects
from mlops.bootstrap.registry import open_registry
from mlops.cli.output import DEFAULT_STORE, AsJson, Store, answer, notes
from mlops.cli.release import StackName
from mlops.cli.samconfig import Samconfig, Samconfigs
from mlops.errors import (
    ConfigInvalid,
    ManifestInvalid,
    StackNotFound,
    VersionNotFound,
)
from mlops.inference.loading import read_manifest, read_version
from mlops.inference.manifest import Manifest
from mlops.inference.version import Pin
from mlops.registry.registry import Registry
from mlops.registry.versions import StoredVersions


def add_to(app: typer.Typer) -> None:
    app.command()(copy)


def copy(
    pins: Annotated[
        list[str] | None,
        typer.Option("--pin", help="Copy this instead of the pins in samconfig.toml. Repeatable."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="The other store: a folder or s3://bucket. [default: the stack's]"),
    ] = None,
    stack: StackName = None,
    store: Store = DEFAULT_STORE,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Register versions of one store in another one, each file checked, with the same pins.

    Repeating it changes nothing. A stack that is not there yet has no store: that is said.
    """
    wanted = [Pin.parse(text) for text in pins] if pins else Samconfig.read(samconfig).pins()
    target = to or _store_of(stack or Samconfig.read(samconfig).stack())
    copied: list[Pin] = []
    there: list[Pin] = []
    if target is not None and wanted:
        source = StoredVersions(open_objects(store, patient=True))
        registry = open_registry(target)
        for pin in wanted:
            with notes.status(f"Copying {pin.version} to {target}"):
                try:
                    _copy(source, pin, registry)
                    copied.append(pin)
                except VersionNotFound:
                    _require_there(registry, pin, store, target)
                    there.append(pin)
    if not wanted:
        notes.print("Nothing is pinned: there is nothing to copy.")
    for pin in there:
        notes.print(f"Not copied, since {target} has it and {store} has not: {pin}")
    answer(
        {"to": target, "copied": [*map(str, copied)], "there": [*map(str, there)]},
        as_json,
        "\n".join(f"{target} has {pin}" for pin in copied),
    )


def _store_of(stack: str) -> str | None:
    """Raises CloudUnavailable, also for a stack of something else."""
    from mlops.bootstrap.releases import find_stack, places_of

    try:
        found = find_stack(stack)
    except StackNotFound as error:
        notes.print(f"Nothing to copy to yet: {error}")
        return None
    if not found.outputs:  # it is being created, or never was
        notes.print(f"Nothing to copy to yet: stack {stack} is {found.status}")
        return None
    return places_of(found).store


def _copy(source: StoredVersions, pin: Pin, registry: Registry) -> None:
    """Raises VersionNotFound, VersionExists, any ArtifactError, any StoreError, RegistryBusy."""
    manifest, files = read_version(source, pin)
    # The other manifest is made from the files. Better to know beforehand that it is the same.
    if Manifest.of_files(pin.version, files, manifest.provenance) != manifest:
        raise ManifestInvalid(str(pin.version), "the manifest has other figures than its files")
    registry.register(pin.version, files, manifest.provenance)


def _require_there(registry: Registry, pin: Pin, store: str, target: str) -> None:
    """Raises ConfigInvalid, PinMismatch."""
    try:
        read_manifest(registry.versions, pin)
    except VersionNotFound as error:
        reason = f"neither {store} nor {target} has {pin}"
        raise ConfigInvalid("MLOPS_STORE", reason) from error
