from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.registry.objects import ObjectStore
from tests.unit.fakes import STORES, opened_store


@pytest.fixture(params=STORES)
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    """An empty store: each test that asks for it runs on every kind."""
    with opened_store(request.param, tmp_path) as store:
        yield store
