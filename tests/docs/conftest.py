"""A terminal for each document, and the engine that some commands need."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.container.engine import require_engine
from tests.docs.terminal import Terminal


@pytest.fixture(scope="module")
def terminals(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Terminal]]:
    """The terminal of a document: its blocks share it, the next document gets a new one."""
    opened: dict[str, Terminal] = {}

    def of(document: str) -> Terminal:
        if document not in opened:
            for other in opened.values():
                other.stop()
            opened[document] = Terminal(tmp_path_factory.mktemp(Path(document).stem))
        return opened[document]

    yield of
    for terminal in opened.values():
        terminal.stop()


@pytest.fixture(autouse=True)
def engine_for_containers(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("container"):
        request.getfixturevalue("engine")


@pytest.fixture(scope="session")
def engine() -> None:
    require_engine("what the documents show of containers was not run")
