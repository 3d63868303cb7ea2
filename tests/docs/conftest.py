"""A terminal for each document, and the engine that some commands need."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.container.engine import require_engine
from tests.docs.terminal import Terminal

FIRST = "README.md"


@pytest.fixture(scope="module")
def terminals(
    tmp_path_factory: pytest.TempPathFactory, trained_store: Path
) -> Iterator[Callable[[str], Terminal]]:
    """Return a function that opens the terminal of a document, which its blocks share.

    Readers of the other documents have followed the first one: they have its model already.
    """
    opened: dict[str, Terminal] = {}

    def of(document: str) -> Terminal:
        if document not in opened:
            for other in opened.values():
                other.stop()
            folder = tmp_path_factory.mktemp(Path(document).stem)
            opened[document] = Terminal(folder, None if document == FIRST else trained_store)
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
