"""The Makefile: `make help` lists every target, and no file can be mistaken for one."""

import re
import subprocess

from tests.project.files import ROOT, make_targets, makefiles


def test_help_lists_every_target() -> None:
    answer = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    listed = dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", answer, re.MULTILINE))
    assert listed.keys() == make_targets()


def test_every_target_is_phony() -> None:
    lines = re.findall(r"^\.PHONY: (.*)$", makefiles(), re.MULTILINE)
    assert set(" ".join(lines).split()) == make_targets()


def test_text_of_strangers_never_becomes_part_of_a_command() -> None:
    """Who asks for a release by its name is asked by GitHub; make would write it into the shell."""
    for name in (
        "IMAGES_DIGEST",
        "IMAGE_REPOSITORY",
        "MODEL",
        "PERMISSIONS_BOUNDARY",
        "TO",
        "TRAFFIC",
        "VERSION",
    ):
        written = re.findall(rf"^\t.*\$\({name}\)", makefiles(), re.MULTILINE)
        assert not written, written


def test_clean_removes_all_that_git_ignores_but_the_models() -> None:
    recipe = subprocess.run(
        ["make", "--dry-run", "clean"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    ignored = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()}
    beside_sources = {"__pycache__", "*.egg-info"}
    assert ignored - beside_sources - set(recipe.replace("\\", "").split()) == {".mlops"}
