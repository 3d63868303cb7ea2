"""The strict fakes do what the ports say."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops.errors import CloudUnavailable, InvocationFailed
from mlops.release.analysis import Observation, Requests
from mlops.release.ports import ExecutionStatus
from tests.unit.release.alias_contract import AliasContract, Deployed
from tests.unit.release.fakes import FakeExecutions, FakeFunction, FakeObservations

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def failing(number: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    raise InvocationFailed(number, "it is played to fail")


def deployed_fake() -> Deployed:
    fake = FakeFunction()
    codes = map(str, itertools.count())

    def break_handler() -> None:
        fake.handler = failing

    return Deployed(
        function=fake,
        deploy=lambda: fake.deploy(code=next(codes)),
        remove_version=fake.remove,
        remove_alias=fake.remove_alias,
        remove_function=fake.remove_function,
        break_handler=break_handler,
    )


class TestFakeFunction(AliasContract):
    @pytest.fixture
    def deployed(self) -> Deployed:
        return deployed_fake()


def test_only_what_happened_in_the_interval_is_observed() -> None:
    observations = FakeObservations()
    minute = timedelta(minutes=1)
    for number in range(4):
        observed = Observation(others=Requests(10 + number, number))
        observations.record("2", NOON + number * minute, observed)
    found = observations.observe("2", NOON + minute, NOON + 3 * minute, {})
    assert found == Observation(others=Requests(23, 3))
    assert observations.observe("1", NOON, NOON + minute, {}) == Observation()
    assert [version for version, _, _ in observations.asked] == ["2", "1"]


def test_an_execution_starts_once_and_ends_once() -> None:
    executions = FakeExecutions()
    assert executions.find("a") is None
    for _ in range(2):
        executions.start("a", "me")
    assert (found := executions.find("a")) and found.is_running
    assert executions.running() == ("a",)
    with pytest.raises(CloudUnavailable):
        executions.start("a", "you")
    executions.end("a", ExecutionStatus.SUCCEEDED)
    executions.stop("a", "too late")
    assert executions.runs["a"].status is ExecutionStatus.SUCCEEDED
    executions.start("b", "me")
    assert executions.running() == ("b",)
    executions.stop("b", "because")
    assert executions.running() == ()
    assert executions.runs["b"].reason == "because"
    assert executions.runs["b"].status is ExecutionStatus.ABORTED
    executions.stop("c", "there is none")
