"""The workflows: valid, pinned, without a right they do not need, and no magic of their own."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.project.files import ROOT, make_targets, makefiles, project_files
from tests.template.resources import Resources, of_type

WORKFLOWS = [path for path in project_files() if path.match(".github/workflows/*.yml")]
FOLDER = Path(".github/workflows")
CI = FOLDER / "ci-cd.yml"
DEPLOY = FOLDER / "deploy.yml"
RELEASE_MODEL = FOLDER / "release-model.yml"
SETUP = Path("docs/ci-cd.md")

# A job reads the code; one that needs AWS asks it for short-lived credentials.
RIGHTS = {("contents", "read"), ("id-token", "write")}
MORE_RIGHTS = {RELEASE_MODEL: {("contents", "write"), ("pull-requests", "write")}}
CREDENTIALS = "aws-actions/configure-aws-credentials"
TRUSTED = {"actions", "aws-actions"}  # with our code, or with credentials
OURS = r"\$/(\.github/workflows/[\w-]+\.yml)"

each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=str)


def read(workflow: Path) -> dict[str, Any]:
    # YAML 1.1, which PyYAML reads, has `on` for true.
    found: dict[Any, Any] = yaml.safe_load((ROOT / workflow).read_text())
    return {"on" if key is True else key: value for key, value in found.items()}


def jobs(workflow: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(workflow)["jobs"]
    return found


def machines(workflow: Path) -> dict[str, dict[str, Any]]:
    """The jobs that run here, and not in a workflow that they call."""
    return {name: job for name, job in jobs(workflow).items() if "uses" not in job}


def actions(job: dict[str, Any]) -> list[str]:
    return [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]


def commands(job: dict[str, Any]) -> list[str]:
    return [line for step in job["steps"] for line in step.get("run", "").splitlines()]


def test_there_are_the_workflows() -> None:
    assert set(WORKFLOWS) == {CI, DEPLOY, RELEASE_MODEL}


@each_workflow
def test_actions_are_pinned_by_commit_and_say_their_version(workflow: Path) -> None:
    uses = [line for line in (ROOT / workflow).read_text().splitlines() if "uses:" in line]
    assert uses
    for line in uses:
        if ours := re.fullmatch(rf" *uses: {OURS}", line):
            assert (ROOT / ours[1]).exists(), line
            continue
        pinned = r"\s*(- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
        assert re.fullmatch(pinned, line), line


def test_an_action_has_one_version_in_all_workflows() -> None:
    text = "\n".join((ROOT / workflow).read_text() for workflow in WORKFLOWS)
    pins = set(re.findall(r"uses: (\S+)@(\S+ # \S+)", text))
    assert len({action for action, _ in pins}) == len(pins)


@each_workflow
def test_rights_are_least(workflow: Path) -> None:
    assert read(workflow)["permissions"] == {}
    for name, job in jobs(workflow).items():
        allowed = RIGHTS | MORE_RIGHTS.get(workflow, set())
        assert set(job["permissions"].items()) <= allowed, name


@each_workflow
def test_who_may_ask_for_credentials_does(workflow: Path) -> None:
    for name, job in machines(workflow).items():
        assert ("id-token" in job["permissions"]) == (CREDENTIALS in actions(job)), name


@each_workflow
def test_strangers_are_alone(workflow: Path) -> None:
    """An action that is neither GitHub's nor AWS's sees no checkout, credentials or commands."""
    for name, job in machines(workflow).items():
        strangers = [action for action in actions(job) if action.split("/")[0] not in TRUSTED]
        if strangers:
            assert job["permissions"] == {"contents": "read"}, name
            assert set(actions(job)) == {"actions/download-artifact", *strangers}, name
            assert not commands(job), name


@each_workflow
def test_there_are_no_secrets(workflow: Path) -> None:
    text = (ROOT / workflow).read_text()
    assert "secrets" not in text
    steps = [step for job in machines(workflow).values() for step in job["steps"]]
    handed_out = [step["run"] for step in steps if "github.token" in str(step)]
    assert handed_out == (["make release-pr"] if workflow == RELEASE_MODEL else [])


@each_workflow
def test_nobody_outside_starts_it_with_our_rights(workflow: Path) -> None:
    started_by = read(workflow)["on"]
    assert set(started_by) <= {"push", "pull_request", "workflow_call", "workflow_dispatch"}


@each_workflow
def test_a_checkout_leaves_no_token_behind(workflow: Path) -> None:
    for job in machines(workflow).values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@each_workflow
def test_every_job_ends_in_time_on_a_machine_of_a_fixed_kind(workflow: Path) -> None:
    for name, job in machines(workflow).items():
        assert job["timeout-minutes"] <= 60, name
        assert job["runs-on"] == "ubuntu-24.04", name


@each_workflow
def test_every_command_is_a_make_target_that_exists(workflow: Path) -> None:
    """And alone: what somebody may have written in GitHub never becomes part of a command."""
    found = [command for job in machines(workflow).values() for command in commands(job)]
    assert found or not machines(workflow)
    for command in found:
        called = re.fullmatch(r"make ([a-z-]+)", command)
        assert called, f"{command!r} cannot be run by hand with make"
        assert called[1] in make_targets(), command


def test_nothing_is_deployed_that_has_not_passed_all_before() -> None:
    assert {name: job.get("needs") for name, job in jobs(CI).items()} == {
        "lint": None,
        "oldest-python": "lint",
        "test": "lint",
        "build": ["oldest-python", "test"],
        "scan": "build",
        "gate": "scan",
        "staging": ["build", "gate"],
        "production": ["build", "staging"],
    }
    stages = {name: job["with"]["stage"] for name, job in jobs(CI).items() if "uses" in job}
    assert stages == {"staging": "staging", "production": "production"}
    assert "refs/heads/main" in jobs(CI)["staging"]["if"]


def test_containers_are_tested_once_and_the_rest_with_the_oldest_python_too() -> None:
    tested = {name: commands(jobs(CI)[name]) for name in ("oldest-python", "test")}
    assert tested == {"oldest-python": ["make test-without-engine"], "test": ["make test"]}
    assert not any("matrix" in str(jobs(CI)[name]) for name in tested)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (setup,) = [
        step["with"]
        for step in jobs(CI)["oldest-python"]["steps"]
        if step.get("uses", "").startswith("actions/setup-python@")
    ]
    assert project["requires-python"] == f">={setup['python-version']}"


def test_what_is_deployed_is_what_was_built() -> None:
    (deploy,) = machines(DEPLOY).values()
    steps = ["tools", "unarchive", "not-older", "deploy", "verdict", "smoke"]
    assert commands(deploy) == [f"make {step}" for step in steps]
    assert deploy["environment"] == "${{ inputs.stage }}"
    assert deploy["concurrency"]["cancel-in-progress"] is False


def downloads(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        step["with"]
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/download-artifact@")
    ]


def test_the_images_that_are_scanned_and_deployed_are_those_of_the_build_job() -> None:
    """An artifact's name may be given again, its id and a digest in the jobs' outputs may not."""
    build = jobs(CI)["build"]
    assert build["outputs"] == {
        "artifact": "${{ steps.images.outputs.artifact-id }}",
        "built": "${{ steps.archive.outputs.IMAGES_DIGEST }}",
    }
    steps = {step["id"]: step for step in build["steps"] if "id" in step}
    assert steps["archive"]["run"] == "make archive"
    assert steps["images"]["with"]["name"] == "images"
    handed_over = {name: f"${{{{ needs.build.outputs.{name} }}}}" for name in build["outputs"]}
    assert downloads(jobs(CI)["scan"]) == [{"artifact-ids": handed_over["artifact"]}]
    for stage in ("staging", "production"):
        assert jobs(CI)[stage]["with"] == {"stage": stage, **handed_over}
    (deploy,) = machines(DEPLOY).values()
    inputs = read(DEPLOY)["on"]["workflow_call"]["inputs"]
    assert all(inputs[name]["required"] for name in handed_over)
    assert downloads(deploy) == [{"artifact-ids": "${{ inputs.artifact }}", "path": ".aws-sam"}]
    assert deploy["env"]["IMAGES_DIGEST"] == "${{ inputs.built }}"
    assert commands(deploy).index("make unarchive") < commands(deploy).index("make deploy")


def installed_by(target: str) -> set[str]:
    """What `make` installs before it makes `target`, that is not there yet."""
    found = re.search(rf"^{target}: ?([^#\n]*)", makefiles(), re.MULTILINE)
    assert found
    needed = set(found[1].split())
    stamps = {name for name in needed if name.endswith(("/.run", "/.done", "/.test"))}
    return stamps.union(*(installed_by(name) for name in needed & make_targets()))


def test_make_targets_say_what_they_install() -> None:
    assert installed_by("build") == {"$(VENV)/.run", ".tools/sam/.done"}
    assert installed_by("local") == installed_by("build")


@each_workflow
def test_everything_is_installed_before_there_are_credentials(workflow: Path) -> None:
    for name, job in machines(workflow).items():
        installed: set[str] = set()
        has_credentials = False
        for step in job["steps"]:
            if CREDENTIALS in step.get("uses", ""):
                has_credentials = True
            for target in re.findall("make ([a-z-]+)", step.get("run", "")):
                more = installed_by(target) - installed
                assert not (has_credentials and more), f"{name}: make {target} installs {more}"
                installed |= more


def test_what_is_older_is_found_in_the_whole_history() -> None:
    (deploy,) = machines(DEPLOY).values()
    (checkout,) = [step for step in deploy["steps"] if "actions/checkout@" in step.get("uses", "")]
    assert checkout["with"]["fetch-depth"] == 0


def test_what_was_built_is_there_as_long_as_it_may_be_approved() -> None:
    """GitHub waits 30 days for an approval, and begins when staging is done."""
    kept = {
        step["with"]["name"]: str(step["with"]["retention-days"])
        for step in jobs(CI)["build"]["steps"]
        if "actions/upload-artifact@" in step.get("uses", "")
    }
    assert kept == {"images": "${{ github.ref == 'refs/heads/main' && 35 || 7 }}", "sbom": "90"}


def test_every_image_is_scanned(resources: Resources) -> None:
    """`sam build` names an image after its function, the first of those that share one."""
    functions = of_type(resources, "AWS::Serverless::Function")
    images: dict[tuple[str, str], str] = {}
    for name in functions:
        metadata = resources[name]["Metadata"]
        build = (metadata["Dockerfile"], metadata["DockerBuildTarget"])
        images.setdefault(build, name.lower())
    assert jobs(CI)["scan"]["strategy"]["matrix"]["image"] == sorted(images.values())


def test_any_registered_model_can_be_released_by_name() -> None:
    """Whether it is registered, `mlops pin` says."""
    inputs = read(RELEASE_MODEL)["on"]["workflow_dispatch"]["inputs"]
    assert inputs["model"]["type"] == "string"
    assert "options" not in inputs["model"]


def test_the_setup_tells_every_variable_and_environment() -> None:
    text = "".join((ROOT / workflow).read_text() for workflow in WORKFLOWS)
    used = set(re.findall(r"vars\.([A-Z_]+)", text))
    told = re.findall(r"^ *\| `([A-Z_]+)` \|", (ROOT / SETUP).read_text(), re.MULTILINE)
    assert sorted(told) == sorted(used)
    trusted = re.findall(r":environment:(\w+)", (ROOT / SETUP).read_text())
    assert set(trusted) == {"staging", "production"}
