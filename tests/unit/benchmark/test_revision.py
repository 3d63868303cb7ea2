"""Of which commit a result of the bench or of load is."""

import re
import subprocess
from pathlib import Path

import pytest

from bench.revision import revision


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for file in (
        "Makefile",
        "bench/results.json",
        "load/results/a.json",
        "docs/load.md",
        "docs/load/a.svg",
        "docs/api.md",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("before")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    command = ["git", *who, *arguments]
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, timeout=30
    )
    return ran.stdout.strip()


@pytest.fixture
def repository(project: Path) -> Path:
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message=one")
    return project


def test_it_is_named_by_twelve_digits(repository: Path) -> None:
    found = revision(repository)
    assert found == git(repository, "rev-parse", "HEAD")[:12]
    assert re.fullmatch(r"[0-9a-f]{12}", found)


@pytest.mark.parametrize(
    "file", ["load/results/a.json", "docs/load/a.svg", "bench/results.json", "new"]
)
def test_what_runs_write_makes_nothing_dirty(repository: Path, file: str) -> None:
    (repository / file).write_text("after")
    assert "dirty" not in (revision(repository) or "-dirty")


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("file", ["Makefile", "docs/api.md"])
def test_what_else_is_changed_does(repository: Path, file: str, staged: bool) -> None:
    (repository / file).write_text("after")
    if staged:
        git(repository, "add", file)
    assert revision(repository) == git(repository, "rev-parse", "HEAD")[:12] + "-dirty"


def test_outside_of_git_there_is_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert revision(project) is None
    monkeypatch.setenv("PATH", str(project))
    assert revision(project) is None


def test_before_the_first_commit_and_in_the_repository_of_another_there_is_none(
    project: Path, repository: Path
) -> None:
    (repository / "unpacked").mkdir()
    (repository / "unpacked/Makefile").write_text("")
    assert revision(repository / "unpacked") is None
    git(repository, "checkout", "--quiet", "--orphan", "new")
    assert revision(repository) is None
