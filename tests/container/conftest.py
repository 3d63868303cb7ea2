"""The API function in its image, and the engine that all of these tests need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.inference.version import Pin
from tests.container.engine import Function, docker, require_engine, running
from tests.container.images import mark_container_tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_container_tests(items, Path(__file__).parent)


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    require_engine(
        "no container test was run, so the image's size, its start without a network, its fallback"
        " to S3, the runtime emulator and `sam local start-api` are unproved"
    )


@pytest.fixture(scope="module")
def function(image: str, emulator: Path, churn_pin: Pin) -> Iterator[Function]:
    """The function with its model baked in, and no network at all."""
    environment = {"MLOPS_PINS": str(churn_pin), "MLOPS_STORE": "s3://store"}
    with running(image, environment, emulator=emulator) as function:
        yield function


@pytest.fixture
def discard() -> Iterator[list[str]]:
    """Images named here are removed after the test."""
    images: list[str] = []
    yield images
    for image in dict.fromkeys(images):
        docker("image", "rm", "--force", image)
