"""The harness itself: it runs what it should, and it would notice a wrong document."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.answers import agrees
from tests.docs.blocks import Block, Step, blocks
from tests.docs.terminal import Terminal, answers

SERVED = (
    "import http.server as h, os; h.test(h.SimpleHTTPRequestHandler, port=int(os.environ['P']))"
)

ENDLESS = f'P=$(PORT) {sys.executable} -c "{SERVED}" & wait'


def block(info: str, text: str) -> Block:
    return Block("a.md", 1, info, text)


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('{"probability": 0.61}', '{"probability": 0.6123}'),
        (
            '{"id": "018f3a52-7d0e-7c1a-b5a9-000000000000"}',
            '{"id": "01900000-7d0e-7c1a-b5a9-123456789abc"}',
        ),
        ('{"model": "churn@sha256:…"}', '{"model": "churn@sha256:0123456789abcdef"}'),
        ('{"at": "2025-01-01T10:00:00Z"}', '{"at": "2026-02-02T11:30:00.5Z"}'),
        ("accuracy  0.81\nrows  5,634", "accuracy  0.803\nrows  5634"),
        ("registered …\ndone", "registered churn-model-v1.0.0\nand more\ndone"),
    ],
)
def test_answers_agree(shown: str, real: str) -> None:
    assert agrees(shown, real)


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('{"probability": 0.61}', '{"probability": 0.65}'),
        ('{"probability": 0.61}', '{"probability": 0.61, "more": 1}'),
        ('{"probability": 0.61}', '{"probability": "0.61"}'),
        ('{"rows": 3}', '{"rows": 4}'),
        ('{"churn": true}', '{"churn": false}'),
        ('{"status": "ok"}', "ok"),
        ("accuracy 0.81", "recall 0.81"),
        ("done", "done\nand more"),
    ],
)
def test_answers_differ(shown: str, real: str) -> None:
    assert not agrees(shown, real)


def test_blocks_are_found_with_their_place_and_language() -> None:
    text = "# A\n\n```bash\nls\n```\n\n- item\n\n  ```json\n  {}\n  ```\n\n      make run\n"
    found = [(each.line, each.language, each.text) for each in blocks("a.md", text)]
    assert found == [(3, "bash", "ls\n"), (9, "json", "{}\n"), (13, "", "make run\n")]


def test_a_console_block_is_split_into_commands_and_outputs() -> None:
    found = block("console", "$ echo a \\\n    b\na b\n$ true\n$ echo c\nc\n").steps()
    assert found == [Step("echo a \\\n    b", "a b"), Step("true"), Step("echo c", "c")]


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ("", "make test\n"),
        ("text", "$ ls\n"),
        ("sh", "ls\n"),
        ("bash never", "ls\n"),
        ("console", "ls\n"),
    ],
)
def test_a_command_that_would_escape_is_a_problem(info: str, text: str) -> None:
    assert block(info, text).problem()


@pytest.mark.parametrize(
    ("info", "text"),
    [("bash", "ls\n"), ("bash aws", "sam deploy\n"), ("json", "{}\n"), ("text", "client → api\n")],
)
def test_an_honest_block_is_no_problem(info: str, text: str) -> None:
    assert block(info, text).problem() is None


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with Terminal(tmp_path_factory.mktemp("harness")) as terminal:
        yield terminal


@pytest.mark.docs
def test_a_block_is_one_shell_in_the_copy(terminal: Terminal) -> None:
    terminal.execute(block("console", "$ export A=b\n$ echo $A\nb\n$ ls Makefile\nMakefile\n"))


@pytest.mark.docs
def test_make_test_is_not_started_again(terminal: Terminal) -> None:
    terminal.execute(block("bash", "make test\n"))
    with pytest.raises(AssertionError, match="exit code"):
        terminal.execute(block("bash", "make no-such-target\n"))


@pytest.mark.docs
def test_a_wrong_output_and_a_failing_command_are_noticed(terminal: Terminal) -> None:
    with pytest.raises(AssertionError, match="--- shown: b"):
        terminal.execute(block("console", "$ echo a\nb\n"))
    with pytest.raises(AssertionError, match="exit code 1"):
        terminal.execute(block("bash", "false\necho never\n"))


@pytest.mark.docs
def test_a_server_is_started_asked_and_ended(tmp_path: Path) -> None:
    with Terminal(tmp_path / "copy") as terminal:
        serve = f'\t@touch healthz && P=$(PORT) exec {sys.executable} -c "{SERVED}"'
        makefile = f"PORT ?= 8000\nrun:\n{serve}\n.venv/.test:\n\t@touch $@\n"
        (terminal.folder / "Makefile").write_text(makefile)
        terminal.execute(block("bash", "make run\n"))
        terminal.execute(block("console", "$ curl -sf http://127.0.0.1:8000/healthz\n"))
        assert answers(f"http://127.0.0.1:{terminal.port}/healthz")
    assert not answers(f"http://127.0.0.1:{terminal.port}/healthz")


@pytest.mark.docs
def test_a_server_that_ignores_interrupts_is_ended_in_peace(
    tmp_path: Path,
) -> None:
    """As under nohup; what it has to tidy up, such as containers, it tidies up."""
    serve = f"\t@trap 'touch tidied; exit' TERM; trap '' INT; touch healthz; {ENDLESS}"
    with Terminal(tmp_path / "copy") as terminal:
        makefile = f"PORT ?= 8000\nrun:\n{serve}\n.venv/.test:\n\t@touch $@\n"
        (terminal.folder / "Makefile").write_text(makefile)
        terminal.execute(block("bash", "make run\n"))
    assert (terminal.folder / "tidied").exists()
