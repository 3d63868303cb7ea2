"""The workflows: valid, pinned, without a right they do not need, and no magic of their own."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project.files import ROOT, make_targets, project_files

WORKFLOWS = [path for path in project_files() if path.match(".github/workflows/*.yml")]
# A job reads the code; one that deploys asks AWS for short-lived credentials.
RIGHTS = {("contents", "read"), ("id-token", "write")}

each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=str)


def jobs(workflow: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / workflow).read_text())["jobs"]
    return found


def test_there_is_a_workflow() -> None:
    assert WORKFLOWS


@each_workflow
def test_actions_are_pinned_by_commit_and_say_their_version(workflow: Path) -> None:
    uses = [line for line in (ROOT / workflow).read_text().splitlines() if "uses:" in line]
    assert uses
    for line in uses:
        pinned = r"\s*(- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
        assert re.fullmatch(pinned, line), line


def test_an_action_has_one_version_in_all_workflows() -> None:
    text = "\n".join((ROOT / workflow).read_text() for workflow in WORKFLOWS)
    pins = set(re.findall(r"uses: (\S+)@(\S+ # \S+)", text))
    assert len({action for action, _ in pins}) == len(pins)


@each_workflow
def test_rights_are_least(workflow: Path) -> None:
    assert yaml.safe_load((ROOT / workflow).read_text())["permissions"] == {}
    for name, job in jobs(workflow).items():
        assert set(job["permissions"].items()) <= RIGHTS, name


@each_workflow
def test_every_job_ends_in_time(workflow: Path) -> None:
    for name, job in jobs(workflow).items():
        assert job["timeout-minutes"] <= 60, name


@each_workflow
def test_every_command_is_a_make_target_that_exists(workflow: Path) -> None:
    steps = [step for job in jobs(workflow).values() for step in job["steps"]]
    commands = [line for step in steps for line in step.get("run", "").splitlines()]
    assert commands
    for command in commands:
        called = re.fullmatch(r"make ([a-z-]+)", command)
        assert called, f"{command!r} cannot be run by hand with make"
        assert called[1] in make_targets(), command
