import pytest

from tests.unit.api.batch_service import BatchService, batch_service
from tests.unit.api.service import Service, service


@pytest.fixture
def api() -> Service:
    """The API with a model that works."""
    return service()


@pytest.fixture
def batch() -> BatchService:
    """The API with no jobs yet."""
    return batch_service()
