"""The Makefile's way from what was built to what takes the traffic."""

import subprocess
from pathlib import Path

import pytest

from tests.integration.making import NOTED, calls, make, noting, script

SAMCONFIG = '[default.global.parameters]\nstack_name = "mlops-pipeline"\n'
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops-pipeline"
# Two parameters, one of which would be two words if it went through a shell.
OVERRIDES = """#!/bin/sh
echo "${0##*/} $*" >>calls
case "$*" in *overrides*) printf 'Pins=churn-model-v1.0.0@sha256:0\\0Words=a $b\\0';; esac
"""
PARAMETERS = "--parameter-overrides Pins=churn-model-v1.0.0@sha256:0 Words=a $b"
PRINT_OVERRIDES = "python -m tests.tools.overrides PermissionsBoundary= CodeSha="


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = noting(tmp_path)
    (folder / "samconfig.toml").write_text(SAMCONFIG)
    script(folder / ".venv/bin/python", OVERRIDES)
    (folder / ".aws-sam/build").mkdir(parents=True)
    (folder / ".aws-sam/build/template.yaml").touch()
    return folder


def git(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e@example.com", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


def test_a_laptop_deploys_with_its_samconfig(project: Path) -> None:
    ran = make(project, "deploy")
    assert ran.returncode == 0, ran.stderr
    assert calls(project) == [
        "mlops copy --stack mlops-pipeline",
        PRINT_OVERRIDES,
        f"sam deploy --stack-name mlops-pipeline {PARAMETERS}",
        "mlops copy --stack mlops-pipeline",
    ]


@pytest.mark.parametrize(
    ("settings", "region"),
    [
        ({}, "unset"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-north-1"}, "eu-north-1"),
        ({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-north-1"),
    ],
)
def test_sam_deploys_to_the_region_that_all_else_asks(
    project: Path, settings: dict[str, str], region: str
) -> None:
    script(
        project / ".tools/sam/bin/sam", '#!/bin/sh\necho "${AWS_DEFAULT_REGION-unset}" >>calls\n'
    )
    assert make(project, "deploy", **settings).returncode == 0
    assert region in calls(project)


def test_ci_deploys_what_it_names_by_its_digest(project: Path) -> None:
    git(project, "init", "--quiet")
    git(project, "add", "samconfig.toml")
    git(project, "commit", "--quiet", "--message", "first")
    ran = make(project, "deploy", STAGE="staging", IMAGE_REPOSITORY=REPOSITORY)
    assert ran.returncode == 0, ran.stderr
    copy, package, by_digest, overrides, deploy, again = calls(project)
    assert copy == again == "mlops copy --stack mlops-pipeline-staging"
    assert package.startswith("sam package --config-env none ")
    assert package.endswith(f" --image-repository {REPOSITORY}")
    assert by_digest == "python -m tests.tools.images by-digest"
    assert overrides == PRINT_OVERRIDES + git(project, "rev-parse", "HEAD")
    assert deploy.startswith("sam deploy --config-env none --template-file .aws-sam/packaged.yaml ")
    assert " --stack-name mlops-pipeline-staging " in deploy
    assert deploy.endswith(f" {PARAMETERS}")


def test_a_stage_is_deployed_with_its_permissions_boundary(project: Path) -> None:
    settings = {"IMAGE_REPOSITORY": REPOSITORY, "PERMISSIONS_BOUNDARY": "boundary of ours"}
    ran = make(project, "deploy", STAGE="staging", **settings)
    assert ran.returncode == 0, ran.stderr
    overrides = calls(project)[3]
    assert "overrides PermissionsBoundary=boundary of ours CodeSha=" in overrides


def test_the_digest_of_the_images_reaches_the_tool_that_compares_it(project: Path) -> None:
    script(project / ".venv/bin/python", '#!/bin/sh\necho "$IMAGES_DIGEST $*" >>calls\n')
    assert make(project, "unarchive", IMAGES_DIGEST="sha256:0").returncode == 0
    assert calls(project) == ["sha256:0 -m tests.tools.images unarchive"]


def test_what_was_not_built_is_not_deployed(project: Path) -> None:
    (project / ".aws-sam/build/template.yaml").unlink()
    ran = make(project, "deploy")
    assert (ran.returncode, ran.stdout) == (2, "Nothing is built yet: make build deploy\n")
    assert not (project / "calls").exists()


def test_a_stage_is_not_deployed_to_without_its_repository(project: Path) -> None:
    """It would become images of SAM's own, with tags; a variable was forgotten, most likely."""
    ran = make(project, "deploy", STAGE="staging", IMAGE_REPOSITORY=" ")
    needs = "STAGE=staging needs IMAGE_REPOSITORY, the one of its account (docs/ci-cd.md)\n"
    assert (ran.returncode, ran.stdout) == (2, needs)
    assert not (project / "calls").exists()


def test_what_is_older_is_looked_for_in_the_stack_of_the_stage(project: Path) -> None:
    assert make(project, "not-older", STAGE="staging").returncode == 0
    assert calls(project) == ["python -m tests.tools.not_older mlops-pipeline-staging"]


@pytest.mark.parametrize("tool", [".venv/bin/mlops", ".tools/sam/bin/sam"])
def test_a_deployment_ends_where_a_step_of_it_fails(project: Path, tool: str) -> None:
    script(project / tool, f"{NOTED}exit 1\n")
    assert make(project, "deploy").returncode == 2
    assert calls(project)[-1].startswith(Path(tool).name)
    assert len(calls(project)) == (1 if tool.endswith("mlops") else 3)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_verdict_is_the_release_s(project: Path, code: int) -> None:
    script(project / ".venv/bin/mlops", f"{NOTED}exit {code}\n")
    ran = make(project, "verdict", STAGE="production")
    waits = "mlops release status --wait --timeout 3000 --stack mlops-pipeline-production"
    assert calls(project) == [waits]
    assert ran.returncode == (2 if code else 0)
    assert (f"Error {code}" in ran.stderr) == bool(code)


def test_a_verdict_that_does_not_come_is_told(project: Path) -> None:
    script(project / ".venv/bin/mlops", f'{NOTED}echo "canary: 10%"\nexit 124\n')
    ran = make(project, "verdict", "VERDICT_MINUTES=150", STAGE="staging")
    assert ran.returncode == 2
    assert "Error 124" in ran.stderr
    stack = "mlops-pipeline-staging"
    assert ran.stdout.splitlines() == [
        "canary: 10%",
        "There is no verdict after 150 minutes. The release goes on from there.",
        f"To look again: mlops release status --stack {stack}."
        " To wait again: make verdict STAGE=staging",
    ]
    assert calls(project) == [f"mlops release status --wait --timeout 9000 --stack {stack}"]


# The release's verdict comes when there was traffic; the traffic goes on until it is told to end.
PLAYED = """#!/bin/sh
case $1 in
  smoke) trap 'echo "told to end" >>calls; exit 1' TERM; echo "mlops $*" >>calls; read -r _ <idle;;
  release) while ! test -s calls; do :; done; echo "mlops $*" >>calls; exit {code};;
esac
"""


@pytest.mark.parametrize("code", [0, 3])
def test_traffic_lasts_as_long_as_the_release(project: Path, code: int) -> None:
    subprocess.run(["mkfifo", "idle"], cwd=project, check=True)
    script(project / ".venv/bin/mlops", PLAYED.format(code=code))
    ran = make(project, "verdict", TRAFFIC="5")
    assert ran.returncode == (2 if code else 0)
    assert calls(project) == [
        "mlops smoke --stack mlops-pipeline --rate 5 --seconds 3000",
        "mlops release status --wait --timeout 3000 --stack mlops-pipeline",
        "told to end",
    ]


def test_an_api_is_asked_where_it_is_told(project: Path) -> None:
    assert make(project, "smoke").returncode == 0
    assert make(project, "smoke", API_URL="https://api.example.com").returncode == 0
    assert calls(project) == [
        "mlops smoke --stack mlops-pipeline",
        "mlops smoke --stack mlops-pipeline --url https://api.example.com",
    ]


def test_the_gate_compares_with_the_base(project: Path) -> None:
    git(project, "init", "--quiet")
    git(project, "add", "samconfig.toml")
    git(project, "commit", "--quiet", "--message", "first")
    (project / "samconfig.toml").write_text("changed")
    script(project / ".venv/bin/mlops", f'{NOTED}cat "$3" >was\n')
    assert make(project, "gate", BASE="HEAD").returncode == 0
    (call,) = calls(project)
    assert call.startswith("mlops gate --against ")
    assert (project / "was").read_text() == SAMCONFIG
    assert not Path(call.split()[-1]).exists()


def test_the_gate_says_that_there_is_nothing_to_compare_with(project: Path) -> None:
    git(project, "init", "--quiet")
    ran = make(project, "gate", BASE="gone")
    assert "Compared with nothing, since there is no samconfig.toml at gone." in ran.stdout
    assert calls(project) == ["mlops gate"]


@pytest.mark.parametrize("code", [1, 3])
def test_what_the_gate_refuses_ends_the_job(project: Path, code: int) -> None:
    script(project / ".venv/bin/mlops", f"{NOTED}exit {code}\n")
    assert f"Error {code}" in make(project, "gate").stderr


def test_a_rollback_goes_where_it_is_told(project: Path) -> None:
    assert make(project, "rollback").returncode == 0
    assert make(project, "rollback", TO="churn-model-v1.0.0", STACK="other").returncode == 0
    assert calls(project) == [
        "mlops rollback --stack mlops-pipeline",
        "mlops rollback --stack other --to churn-model-v1.0.0",
    ]


def test_a_version_s_name_is_no_command(project: Path) -> None:
    name = "$(touch broken)`touch broken`; touch broken"
    assert make(project, "pin", MODEL="churn", VERSION=name).returncode == 0
    assert calls(project) == [f"mlops pin churn {name}"]
    assert not (project / "broken").exists()
