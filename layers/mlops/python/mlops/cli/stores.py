"""`mlops copy`: register versions of one store in another one."""

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
        typer.Option(
            "--pin", help="Copy this pin instead of those in samconfig.toml. Can be repeated."
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="The store to copy to: a folder or s3://bucket. [default: the store of the stack]"
        ),
    ] = None,
    stack: StackName = None,
    store: Store = DEFAULT_STORE,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Register the pinned versions of one store in another store, with the same digests.

    Each file is checked. Repeating the command changes nothing. If the stack does not exist yet,
    it has no store, and nothing is copied.
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
        notes.print("Nothing is pinned, so there is nothing to copy.")
    for pin in there:
        notes.print(
            f"Not copied, because {store} does not have it, but {target} has it already: {pin}"
        )
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
        raise ManifestInvalid(str(pin.version), "its metrics are not those of its files")
    registry.register(pin.version, files, manifest.provenance)


def _require_there(registry: Registry, pin: Pin, store: str, target: str) -> None:
    """Raises ConfigInvalid, PinMismatch."""
    try:
        read_manifest(registry.versions, pin)
    except VersionNotFound as error:
        reason = f"neither {store} nor {target} has {pin}"
        raise ConfigInvalid("MLOPS_STORE", reason) from error
