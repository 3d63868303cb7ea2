"""What stores, servers and files say reaches a terminal as text and as nothing else."""

import io
import json
from pathlib import Path

import pytest
from rich.live import Live
from rich.progress import Progress, TextColumn
from rich.text import Text

from mlops.cli.output import _Notes, notes, print_error, printable, table
from mlops.errors import ConfigInvalid
from mlops.training.folder import Candidate, save
from tests.unit.cli.conftest import Mlops
from tests.unit.inference.building import provenance, version_files

CLEAR_SCREEN = "\x1b[2J\x1b[H"
WINDOW_TITLE = "\x1b]0;all is well\x07"
C1_ESCAPE = "\x9b31m"
OVERWRITE = "refused\rpassed "
BACKSPACE = "bad\b\b\bok "
READS_BACKWARDS = "\u202egnp.exe"
HALF_CHARACTER = "\udc1b"
ATTACKS = [
    CLEAR_SCREEN,
    WINDOW_TITLE,
    C1_ESCAPE,
    OVERWRITE,
    BACKSPACE,
    READS_BACKWARDS,
    HALF_CHARACTER,
    "\x00",
    "\x7f",
    "\u2028",
]
FORBIDDEN = {
    *map(chr, range(32)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    *map(chr, range(0xD800, 0xE000)),
} - {"\n", "\t"}


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_printable_removes_what_moves_the_cursor_and_keeps_the_words(attack: str) -> None:
    found = printable(f"before{attack}after\tand\nthe next line")
    assert not FORBIDDEN & set(found)
    assert found.startswith("before")
    assert found.endswith("after\tand\nthe next line")


def test_printable_keeps_text_of_any_language() -> None:
    text = "Kündigung, 解約, отток, إلغاء, 👩‍💻 €"
    assert printable(text) == text


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_notes_print_text_only_whether_as_text_line_or_progress(attack: str) -> None:
    screen = io.StringIO()
    console = _Notes(
        file=screen, width=200, markup=False, force_terminal=False, highlight=False, soft_wrap=True
    )
    assert isinstance(notes, _Notes)
    console.print(f"Left out: {attack}")
    console.print(Text(f"Status: {attack}"))
    with Live(console=console, auto_refresh=False) as live:
        live.update(Text(f"Requests: {attack}"), refresh=True)
    with Progress(TextColumn("{task.description}", markup=False), console=console) as progress:
        progress.add_task(f"Uploading {attack}")
    assert not FORBIDDEN & set(screen.getvalue())
    for word in ("Left out", "Status", "Requests", "Uploading"):
        assert word in screen.getvalue()


def test_a_table_cell_with_line_feeds_stays_one_line() -> None:
    drawn = table([{"version": "a\nchurn-model-v9.9.9  champion", "stage": f"x{CLEAR_SCREEN}"}])
    assert len(drawn.splitlines()) == 2
    assert "\x1b" not in drawn


def test_an_error_is_printed_without_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(str(ConfigInvalid(f"file{CLEAR_SCREEN}", "is wrong")))
    assert capsys.readouterr().err == "mlops: file[2J[H: is wrong\n"


@pytest.fixture
def hostile_version(mlops: Mlops, tmp_path: Path) -> str:
    """The store has a version with escapes in its card, its provenance and its figures."""
    card = f"# Card\n{''.join(ATTACKS[:6])}\nthe end\n".encode()
    figures = {"roc_auc": f"0.84{CLEAR_SCREEN}", "brier": OVERWRITE}
    metrics = {"cross_validation": {"full": {"mean": figures}}}
    files = version_files(metrics_json=json.dumps(metrics).encode()) | {"model_card.md": card}
    origin = provenance(code_sha=f"c0ffee{CLEAR_SCREEN}")
    save(Candidate("churn", files, origin, metrics), tmp_path / ".mlops/candidates/churn")
    version: str = mlops("register", "churn", "--json").document["version"]
    return version


def test_a_hostile_version_is_shown_and_listed_as_text(mlops: Mlops, hostile_version: str) -> None:
    for command in (["show", hostile_version], ["models"]):
        for arguments in (command, [*command, "--json"]):
            ran = mlops(*arguments)
            assert ran.code == 0
            assert not FORBIDDEN & set(ran.out + ran.err)
    assert "the end" in mlops("show", hostile_version).out


def test_a_hostile_file_name_and_its_content_are_named_without_escapes(
    mlops: Mlops, tmp_path: Path
) -> None:
    hostile = tmp_path / f"sam{CLEAR_SCREEN}.toml"
    hostile.write_text(f'x = "{C1_ESCAPE}\\q"')
    ran = mlops("bake", "--samconfig", hostile)
    assert ran.code == 1
    assert not FORBIDDEN & set(ran.out + ran.err)
