"""What the documentation tells a reader to type works, and answers what it shows."""

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.docs.blocks import Block, blocks
from tests.docs.terminal import DOCUMENTED_ADDRESS, PATIENCE, Terminal
from tests.project.files import ROOT, make_targets, project_files

DOCUMENTS = [
    str(path)
    for path in project_files()
    if path.suffix == ".md" and (path.parts[0] == "docs" or path == Path("README.md"))
]
BLOCKS = [block for name in DOCUMENTS for block in blocks(name, (ROOT / name).read_text())]

pytestmark = pytest.mark.docs
each_document = pytest.mark.parametrize("document", DOCUMENTS)


def executed(found: list[Block]) -> Iterator[object]:
    """In document order; with the engine for all that is asked of a server in a container."""
    for document, group in groupby(found, key=lambda block: block.document):
        served_by_container = False
        for block in filter(lambda block: block.is_executed, group):
            if block.starts_server:
                served_by_container = block.needs_engine
            asks_server = DOCUMENTED_ADDRESS.search(block.text) is not None
            contained = block.needs_engine or (asks_server and served_by_container)
            marks = [pytest.mark.xdist_group(document)]
            marks += [pytest.mark.container] if contained else []
            yield pytest.param(document, block, id=f"{document}:{block.line}", marks=marks)


@pytest.mark.timeout(2 * PATIENCE + 60)
@pytest.mark.parametrize(("document", "block"), list(executed(BLOCKS)))
def test_commands_work(terminals: Callable[[str], Terminal], document: str, block: Block) -> None:
    terminals(document).execute(block)


def test_no_command_is_left_untried() -> None:
    problems = {
        f"{block.document}:{block.line}": problem
        for block in BLOCKS
        if (problem := block.problem())
    }
    assert not problems


@each_document
def test_targets_in_the_prose_exist(document: str) -> None:
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / document).read_text()))
    assert named <= make_targets()


@each_document
def test_links_inside_the_project_lead_somewhere(document: str) -> None:
    inline = [token.children or [] for token in MarkdownIt().parse((ROOT / document).read_text())]
    addresses = [
        str(token.attrs.get("href") or token.attrs.get("src"))
        for children in inline
        for token in children
        if token.type in {"link_open", "image"}
    ]
    for address in addresses:
        path = address.partition("#")[0]
        if path and "://" not in path:
            assert ((ROOT / document).parent / path).exists(), address


@each_document
def test_tests_that_are_named_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    for name, path in re.findall(r"\[(test_\w+)\]\(([^)]+)\)", text):
        assert f"def {name}(" in ((ROOT / document).parent / path).read_text(), name
