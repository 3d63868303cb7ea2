"""`make not-older`: what is deployed is not replaced by what came before it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from mlops.errors import CloudUnavailable
from tests.tools import not_older
from tests.tools.not_older import ALLOWED, Older, compared, main

TEMPLATE = """\
Parameters: {CodeSha: {Type: String, Default: ""}}
Resources: {Topic: {Type: "AWS::SNS::Topic"}}
"""


class History:
    """A repository with commits first, second and third, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch", "main")
        self.first, self.second, self.third = map(self.commit, ("first", "second", "third"))

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgsign=false")
        ran = subprocess.run(
            ["git", *who, *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return ran.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_what_is_newer_is_deployed(history: History) -> None:
    words = compared(history.folder, history.first, "")
    assert words == f"{history.third} is not older than {history.first}, which is deployed."


def test_the_same_may_be_deployed_again(history: History) -> None:
    assert compared(history.folder, history.third, "") == f"{history.third} is deployed already."


def test_what_is_older_is_refused_with_two_ways_on(history: History) -> None:
    history.git("checkout", "--quiet", history.first)
    with pytest.raises(Older) as refused:
        compared(history.folder, history.third, "")
    assert f"{history.first} is older than {history.third}" in str(refused.value)
    assert "commit a revert" in str(refused.value)
    assert str(refused.value).endswith(f"{ALLOWED}={history.first}")


def test_a_revert_goes_back(history: History) -> None:
    # What it changes does not matter here, only what it came after.
    revert = history.commit("Revert third")
    assert compared(history.folder, history.third, "").startswith(f"{revert} is not older")


def test_what_is_older_is_deployed_where_it_is_named(history: History) -> None:
    history.git("checkout", "--quiet", history.first)
    assert "lets it pass" in compared(history.folder, history.third, history.first)
    for others in (history.second, "true"):
        with pytest.raises(Older):
            compared(history.folder, history.third, others)


def test_another_branch_is_no_older_one(history: History) -> None:
    history.git("checkout", "--quiet", "-b", "other", history.first)
    other = history.commit("other")
    assert compared(history.folder, history.third, "").startswith(f"{other} is not older")


@pytest.mark.parametrize("deployed", ["0" * 40, "--all", "c0ffee1"])
def test_what_git_does_not_know_is_let_through_with_a_word(history: History, deployed: str) -> None:
    words = compared(history.folder, deployed, "")
    assert words.startswith(f"It is not known whether {history.third} is older")
    assert f"git knows no {deployed}" in words


def test_so_is_what_was_deployed_and_not_committed(history: History) -> None:
    history.git("checkout", "--quiet", history.first)
    words = compared(history.folder, f"{history.third}-dirty", "")
    assert f"git knows no {history.third}-dirty" in words


def test_so_is_a_stack_that_names_no_commit(history: History) -> None:
    assert compared(history.folder, "", "").endswith("the stack names no commit.")


def test_so_is_a_folder_without_commits(tmp_path: Path) -> None:
    assert compared(tmp_path, "0" * 40, "").endswith("there is no commit here.")


@pytest.fixture
def stacks(aws_settings: pytest.MonkeyPatch, history: History) -> Iterator[History]:
    aws_settings.setattr(not_older, "ROOT", history.folder)
    aws_settings.delenv(ALLOWED, raising=False)
    with mock_aws():
        boto3.client("cloudformation").create_stack(
            StackName="pipeline",
            TemplateBody=TEMPLATE,
            Parameters=[{"ParameterKey": "CodeSha", "ParameterValue": history.third}],
        )
        yield history


def test_the_stack_says_what_is_deployed(stacks: History, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main("pipeline") == f"{stacks.third} is deployed already."
    stacks.git("checkout", "--quiet", stacks.second)
    with pytest.raises(Older):
        main("pipeline")
    monkeypatch.setenv(ALLOWED, stacks.second)
    assert "lets it pass" in main("pipeline")


def test_where_no_stack_is_anything_may_be_deployed(stacks: History) -> None:
    assert main("gone").startswith("Nothing is deployed yet: stack gone")


def test_a_stack_that_cannot_be_read_is_not_taken_for_none(
    stacks: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(name: str) -> None:
        raise CloudUnavailable(f"stack {name}", "AccessDenied")

    monkeypatch.setattr(not_older, "find_stack", refuses)
    with pytest.raises(CloudUnavailable):
        main("pipeline")
