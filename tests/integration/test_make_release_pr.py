"""`make release-pr`: a pull request for a pin that was changed, once."""

import os
from pathlib import Path

import pytest

from tests.integration.making import NOTED, calls, make, noting, script
from tests.integration.test_make_deploy import git

VERSION = "churn-model-v1.3.0"
BRANCH = f"release/{VERSION}"
URL = "https://github.com/owner/name/pull/7"
LISTS = f"""{NOTED}case "$*" in "pr list "*) echo "{URL}";; esac
"""
WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "n"), ("EMAIL", "e@example.com"))
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a repository beside it, with a pin that was changed."""
    folder = tmp_path / "project"
    folder.mkdir()
    noting(folder)
    git(tmp_path, "init", "--quiet", "--bare", "origin")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "remote", "add", "origin", "../origin")
    git(folder, "add", "samconfig.toml")
    git(folder, "commit", "--quiet", "--message", "first")
    git(folder, "push", "--quiet", "origin", "main")
    (folder / "samconfig.toml").write_text("changed")
    script(tmp_path / "bin/gh", LISTS)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_a_pin_that_was_changed_is_proposed(project: Path) -> None:
    ran = make(project, "release-pr", VERSION=VERSION, **WHO)
    assert ran.returncode == 0, ran.stderr
    assert git(project, "show", f"origin/{BRANCH}:samconfig.toml") == "changed"
    assert calls(project) == [
        "gh auth setup-git",
        f"gh pr create --base main --title Release {VERSION} --body Pins {VERSION}.",
    ]


def test_a_second_time_it_says_where_it_was_proposed(project: Path) -> None:
    git(project, "push", "--quiet", "origin", f"main:{BRANCH}")
    ran = make(project, "release-pr", VERSION=VERSION, **WHO)
    assert ran.returncode == 2
    assert ran.stdout.splitlines() == [
        f"A release of {VERSION} is proposed already. Branch: {BRANCH}. Pull request: {URL}",
        f"Merge that one; or, to propose it again: git push origin --delete {BRANCH}",
    ]
    assert git(project, "branch", "--show-current") == "main", "nothing is left behind"
    assert not [call for call in calls(project) if "pr create" in call]


def test_a_repository_that_does_not_answer_is_not_taken_for_an_empty_one(project: Path) -> None:
    git(project, "remote", "set-url", "origin", "../gone")
    assert make(project, "release-pr", VERSION=VERSION, **WHO).returncode == 2
    assert calls(project) == ["gh auth setup-git"]


def test_what_is_pinned_already_is_said(project: Path) -> None:
    git(project, "checkout", "--quiet", "samconfig.toml")
    ran = make(project, "release-pr", VERSION=VERSION, **WHO)
    assert (ran.returncode, ran.stdout) == (2, f"{VERSION} is pinned already\n")
