"""The gate on behalf of callers: their contract; and where it gives up."""

from collections.abc import Callable
from typing import Any

import pytest

from mlops.errors import CloudUnavailable, FunctionGone, StoreUnavailable
from mlops.inference.loading import ServedModel
from mlops.inference.version import Pin
from mlops.release.gate import GatePolicy
from mlops.release.ports import FunctionVersion
from tests.unit.release.fakes import unavailable
from tests.unit.release.gating import CANDIDATE, CHAMPION, World

BREAKING = GatePolicy(allow_breaking=True)
SCHEMAS = "/v1/models/churn"


def test_a_broken_contract_is_named_and_let_through_only_where_that_is_allowed() -> None:
    world = World()

    def change(answer: Any) -> None:
        fields = answer["body"]["features"]["properties"]
        del fields["gender"]
        fields["tenure"]["maximum"] = 72
        del answer["body"]["response"]["properties"]["risk_category"]

    world.changing(CANDIDATE, SCHEMAS, change)
    report = world.report()
    breaches = [
        "request, gender: is removed",
        "request, tenure: maximum 1200 → 72",
        "answer, risk_category: is removed",
    ]
    assert report.reasons == tuple(f"churn: {breach}" for breach in breaches)
    allowed = world.report(policy=BREAKING)
    assert allowed.passed
    assert allowed.details["models"]["churn"]["contract_breaches"] == breaches


def test_a_champion_from_before_there_were_schemas_of_answers() -> None:
    world = World()
    world.changing(CHAMPION, SCHEMAS, lambda answer: answer["body"].pop("response"))
    assert world.report().passed


def test_a_candidate_that_no_longer_says_what_it_answers() -> None:
    world = World()
    world.changing(CANDIDATE, SCHEMAS, lambda answer: answer["body"].pop("response"))
    assert world.report().reasons == ("churn: answer, may be any type now",)


@pytest.mark.parametrize(
    "change_of", [lambda answer: answer.update(status=503), lambda answer: answer.update(body=[])]
)
def test_a_candidate_that_does_not_say_what_it_takes(change_of: Callable[[Any], None]) -> None:
    world = World()
    world.changing(CANDIDATE, SCHEMAS, change_of)
    for policy in (GatePolicy(), BREAKING):
        (reason,) = world.report(policy=policy).reasons
        assert reason.startswith("churn: 2 does not answer: status ")


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
