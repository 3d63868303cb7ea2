"""The gate on behalf of clients: their contract; and where it gives up."""

import json
from typing import Any

import pytest

from mlops.errors import CloudUnavailable, FunctionGone, StoreUnavailable
from mlops.inference.golden import GoldenRow, golden_to_bytes
from mlops.inference.holdout import Holdout, holdout_to_bytes
from mlops.inference.loading import ServedModel
from mlops.inference.manifest import CONTRACT, GOLDEN, HOLDOUT, MODEL
from mlops.inference.version import Pin
from mlops.models.churn.contract import CHURN
from mlops.models.contract import Contract
from mlops.release.gate import GatePolicy
from mlops.release.ports import FunctionVersion
from tests.unit.inference.building import golden_rows, onnx_model
from tests.unit.release.fakes import unavailable
from tests.unit.release.gating import (
    CANDIDATE,
    CHAMPION,
    ROWS,
    SLOPE,
    World,
    holdout_rows,
    model_files,
)

BREAKING = GatePolicy(allow_breaking=True)


def narrower(document: dict[str, Any]) -> None:
    """Take a field and its rules away, and lower a bound; the golden rows still fit."""
    document["fields"] = [it for it in document["fields"] if it["name"] != "partner"]
    for field in document["fields"]:
        if field["name"] == "tenure":
            field["le"] = 72
    document["examples"] = {
        name: {key: value for key, value in request.items() if key != "partner"}
        for name, request in document["examples"].items()
    }
    document["answer"]["labels"]["name"] = "risk"


def test_a_broken_contract_is_named_and_let_through_only_where_that_is_allowed() -> None:
    document = json.loads(CHURN.to_json())
    narrower(document)
    contract = Contract.from_json(json.dumps(document).encode(), "test")
    rows = [
        GoldenRow({k: v for k, v in row.request.items() if k != "partner"}, row.numbers)
        for row in golden_rows(SLOPE)
    ]
    model = onnx_model(slope=SLOPE, columns=18, layout=contract.encoder.layout)
    replaced = {
        CONTRACT: contract.to_json(), GOLDEN: golden_to_bytes(rows), MODEL: model,
    }  # fmt: skip
    world = World(model_files(replaced=replaced))
    breaches = [
        "request, tenure: the upper bound is 72, and was 1200",
        "request, partner: is removed",
        "answer, risk_category: is removed",
    ]
    assert world.report().reasons == tuple(f"churn: {breach}" for breach in breaches)
    allowed = world.report(policy=BREAKING)
    assert allowed.passed
    assert allowed.details["models"]["churn"]["contract_breaches"] == breaches
    assert allowed.details["models"]["churn"]["holdout"]["rows"] == ROWS


def test_a_champion_that_cannot_read_the_holdout_is_not_compared() -> None:
    """The candidate takes a longer tenure than the champion did, and its holdout has some."""
    rows = holdout_rows(3)
    document = json.loads(CHURN.to_json())
    for field in document["fields"]:
        if field["name"] == "tenure":
            field["le"] = 5_000
    long = tuple(dict(row) | {"tenure": 4_000} for row in rows.requests)
    replaced = {
        CONTRACT: Contract.from_json(json.dumps(document).encode(), "test").to_json(),
        HOLDOUT: holdout_to_bytes(Holdout(long, rows.labels)),
    }
    (reason,) = World(model_files(replaced=replaced)).report().reasons
    assert reason == (
        "churn: the champion cannot be used: churn-model-v1.0.0: the contract refuses row 1 of"
        " the holdout"
    )


# Where there is no verdict.


def test_what_cannot_be_asked_is_raised() -> None:
    world = World()
    world.function.before = unavailable
    versions = [
        FunctionVersion(number, "code", (pin,), "settings")
        for number, pin in ((CANDIDATE, world.candidate_pin), (CHAMPION, world.champion_pin))
    ]
    with pytest.raises(CloudUnavailable):
        world.report(candidate=versions[0], champion=versions[1])


def test_a_version_that_is_gone_is_raised() -> None:
    world = World()
    candidate = world.function.describe(CANDIDATE)
    world.function.remove(CANDIDATE)
    with pytest.raises(FunctionGone):
        world.report(candidate=candidate)


def test_a_store_that_is_down_is_raised() -> None:
    world = World()

    def load(pin: Pin) -> ServedModel:
        raise StoreUnavailable("models/", "refused")

    world.load = load
    with pytest.raises(StoreUnavailable):
        world.report()
