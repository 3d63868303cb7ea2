"""Releases at the moments from which there is a way back, and a stack to be examined."""

import pytest

from tests.unit.release.examined_stack import ExaminedStack
from tests.unit.release.fixture import Fixture


@pytest.fixture
def deployed() -> Fixture:
    """Something new is deployed, and its release is yet to begin."""
    fixture = Fixture()
    fixture.deploy()
    return fixture


@pytest.fixture
def canary(deployed: Fixture) -> Fixture:
    deployed.canary()
    return deployed


@pytest.fixture
def promoted(deployed: Fixture) -> Fixture:
    deployed.promoted()
    return deployed


@pytest.fixture
def examined() -> ExaminedStack:
    examined = ExaminedStack()
    examined.enter()
    return examined


@pytest.fixture
def second(examined: ExaminedStack) -> ExaminedStack:
    """Version 2 was released, and has all traffic."""
    examined.deploy()
    examined.fixture.promoted()
    return examined
