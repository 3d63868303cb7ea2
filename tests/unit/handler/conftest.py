import pytest

from tests.unit.handler.service import Service


@pytest.fixture
def service() -> Service:
    return Service()
