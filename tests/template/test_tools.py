"""The judgement of other people's tools; whatever is waived is waived with its reason, in place."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.files import ROOT, project_files

CHECK_SECONDS = 480
"""Half a minute is usual for the slowest; a busy machine needs a multiple of it."""
pytestmark = pytest.mark.timeout(CHECK_SECONDS + 30)


def run(*command: str | Path) -> str:
    tools = Path(sys.executable).parent
    environment = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "SAM_CLI_TELEMETRY": "0",
    }
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shell_scripts() -> list[Path]:
    return [path for path in project_files() if (ROOT / path).read_bytes().startswith(SHEBANGS)]


SHEBANGS = (b"#!/bin/sh", b"#!/usr/bin/env bash")


def test_cfn_lint() -> None:
    run("cfn-lint", "template.yaml", ".github/deploy-role.yaml")


def test_sam_validate() -> None:
    run(ROOT / ".tools/sam/bin/sam", "validate", "--lint")


def test_checkov_passes_and_every_waiver_is_needed_and_explained() -> None:
    output = run(
        *(ROOT / ".tools/checkov/bin/checkov", "--file", "template.yaml"),
        *("--framework", "cloudformation", "--skip-download", "--output", "json"),
    )
    report = json.loads(output)
    assert report["summary"]["failed"] == 0
    assert report["summary"]["parsing_errors"] == 0
    used = [(check["resource"], check["check_id"]) for check in report["results"]["skipped_checks"]]
    assert len(set(used)) == (ROOT / "template.yaml").read_text().count("- id: CKV_")
    assert all(
        check["check_result"]["suppress_comment"] for check in report["results"]["skipped_checks"]
    )


def test_hadolint() -> None:
    run("hadolint", "functions/Dockerfile")


@pytest.mark.parametrize("script", shell_scripts(), ids=str)
def test_shellcheck(script: Path) -> None:
    run("shellcheck", "--external-sources", script)


@pytest.mark.parametrize("script", shell_scripts(), ids=str)
def test_a_script_can_be_executed(script: Path) -> None:
    assert os.access(ROOT / script, os.X_OK)
