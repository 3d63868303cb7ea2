import pytest

from tests.unit.api.service import Service, service


@pytest.fixture
def api() -> Service:
    """The API with a model that works."""
    return service()
