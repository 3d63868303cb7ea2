"""What `mlops smoke` sends: examples; or many rows, for a canary without other clients."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.bootstrap import open_objects
from mlops.errors import ConfigInvalid, ModelUnusable, PinMismatch, VersionNotFound
from mlops.inference.holdout import holdout_from_bytes
from mlops.inference.loading import read_contract, read_listed, read_manifest
from mlops.inference.manifest import HOLDOUT
from mlops.inference.version import Pin
from mlops.models.contract import Contract
from mlops.models.schemas import Request
from mlops.models.validation import validate
from mlops.registry.versions import StoredVersions

_FOR_CHANCE = 1.2
"""An alias deals requests out by chance: where just enough are expected, half of all canaries have
too few. A fifth more is three standard deviations of 300."""


@dataclass(frozen=True)
class Case:
    """One request. pins: the versions that may answer it, by their digests."""

    contract: Contract
    request: Mapping[str, Any]
    pins: Mapping[str, Pin]


def by_model(pins: Iterable[Pin]) -> dict[str, list[Pin]]:
    """Return the pins of each model, in their order."""
    found = list(dict.fromkeys(pins))
    models = sorted({pin.version.model for pin in found})
    return {model: [pin for pin in found if pin.version.model == model] for model in models}


def examples(contract: Contract, pins: Sequence[Pin]) -> list[Case]:
    return [Case(contract, request, _by_digest(pins)) for request in contract.examples.values()]


def rows(pins: Mapping[str, Sequence[Pin]], store: str) -> list[list[Case]]:
    """Of each model the rows of a version's holdout, which are as clients send them.

    The analysis compares the distribution of predictions. A few rows have none: one of two whose
    prediction crosses a bin's border would weigh as much as half of all customers.

    Raises ConfigInvalid where no version of a model has one, any ArtifactError, any StoreError.
    """
    versions = StoredVersions(open_objects(store, patient=True))
    return [_cases(versions, store, of_model) for of_model in pins.values()]


def _by_digest(pins: Sequence[Pin]) -> dict[str, Pin]:
    return {pin.digest: pin for pin in pins}


def _cases(versions: StoredVersions, store: str, pins: Sequence[Pin]) -> list[Case]:
    """Return the rows of the first of these versions that has a holdout.

    Golden rows are too few, too.
    """
    for pin in pins:
        try:
            manifest = read_manifest(versions, pin)
        except (VersionNotFound, PinMismatch):  # mlops doctor looks into that
            continue
        if HOLDOUT not in manifest.files:
            continue
        name = str(pin.version)
        holdout = holdout_from_bytes(name, read_listed(versions, manifest, HOLDOUT))
        contract = read_contract(versions, manifest)
        found = [row for row in holdout.requests if isinstance(validate(contract, row), Request)]
        if not found:
            raise ModelUnusable(name, "the contract refuses all rows of its holdout")
        return [Case(contract, row, _by_digest(pins)) for row in found]
    missing = " or ".join(str(pin.version) for pin in pins)
    raise ConfigInvalid("MLOPS_STORE", f"{store} has no holdout of {missing} for --rate to send")


def too_little(rate: float, parameters: Mapping[str, str], models: int) -> str | None:
    """Return why so many requests a second are too few for a canary, or None if they are enough.

    parameters: of the stack. One without these is of another template: nothing is known of it.
    models: how many take turns; the canary needs enough answers of each that a release changes.
    """
    try:
        weight = float(parameters["CanaryWeight"])
        seconds = int(parameters["CanaryAnalyses"]) * int(parameters["CanaryAnalysisSeconds"])
        needed = int(parameters["CanaryMinRequests"])
    except (KeyError, ValueError):
        return None
    expected = rate * weight * seconds / models
    if expected >= _FOR_CHANCE * needed:
        return None
    enough = math.ceil(_FOR_CHANCE * needed * models / (weight * seconds) * 100) / 100
    return (
        f"{rate:g} requests a second are too few for a verdict, if there are no others: the canary"
        f" answers about {expected:,.0f} in its {seconds / 60:g} minutes, and has to answer"
        f" {needed:,}. {enough:g} a second are enough."
    )
