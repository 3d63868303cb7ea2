"""The images, built once for all workers as `make build` builds them, in a copy of the project.

This is a plugin and no conftest, because the container tests and the rehearsal share the images.
"""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from mlops.inference.version import Pin
from tests.container.engine import BUILD_SECONDS, CALL_SECONDS, docker, inspect, why_no_engine
from tests.project.files import ROOT, project_files
from tests.tools.images import images
from tests.workers import is_worker, shared_folder

TEMPLATE = Path(".aws-sam/build/template.yaml")
SESSION_SECONDS = 2 * BUILD_SECONDS
SAM = ROOT / ".tools/sam/bin/sam"
RUN = "MLOPS_TEST_RUN"
"""The variable that holds the id of this run of the tests, which is part of its images' tags."""
BUILT_FROM = (".dockerignore", "template.yaml", "samconfig.toml", "functions", "layers")


def mark_container_tests(items: list[pytest.Item], folder: Path) -> None:
    for item in items:
        if folder in item.path.parents:
            item.add_marker("container")
            item.add_marker(pytest.mark.timeout(SESSION_SECONDS))  # whichever comes first builds


def copy_project(folder: Path) -> Path:
    """What the image and the stack are made of: the tests leave the working copy alone.

    Nothing is baked in it, but for the certificates that a proxy makes necessary.
    """
    for path in project_files():
        if path.parts[0] in BUILT_FROM:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, folder / path)
    if certificates := os.environ.get("MLOPS_CA_BUNDLE"):
        (folder / ".mlops/image").mkdir(parents=True)
        shutil.copyfile(certificates, folder / ".mlops/image/ca.crt")
    return folder


def sam_environment() -> dict[str, str]:
    return os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, trained_store: Path, churn_pin: Pin) -> Path:
    """Return a copy of the project after `make build`: the model baked, the images built."""

    def build(folder: Path) -> None:
        copy_project(folder)
        mlops = Path(sys.executable).with_name("mlops")
        bake = ["bake", "--pin", str(churn_pin), "--store", str(trained_store)]
        subprocess.run([mlops, *bake], cwd=folder, check=True, timeout=CALL_SECONDS)
        subprocess.run(
            [SAM, "build", "--parameter-overrides", f"Pins={churn_pin}"],
            cwd=folder,
            env=sam_environment(),
            check=True,
            timeout=BUILD_SECONDS,
        )
        keep_names(folder)

    return shared_folder(tmp_path_factory, "project", build)


def pytest_configure() -> None:
    """Name the run. The workers inherit the name from the process that starts them."""
    os.environ.setdefault(RUN, uuid.uuid4().hex)


def pytest_sessionfinish() -> None:
    """Remove the images of this run once no worker needs them any more."""
    if is_worker() or why_no_engine() is not None:
        return
    names = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    ours = [name for name in names if name.partition(":")[2].startswith(os.environ[RUN])]
    if ours:
        docker("image", "rm", "--no-prune", *ours)


def keep_names(folder: Path) -> list[str]:
    """Tag the images for this run; the next build takes over the tags that SAM has set.

    Returns the new names.
    """
    template = folder / TEMPLATE
    text = template.read_text()
    own = {
        image: f"{image.partition(':')[0]}:{os.environ[RUN]}-{uuid.uuid4().hex}"
        for image in images(text)
    }
    for image, name in own.items():
        docker("tag", image, name)
        text = text.replace(f"ImageUri: {image}\n", f"ImageUri: {name}\n")
    template.write_text(text)
    return list(own.values())


def built(folder: Path, name: str) -> str:
    """Its id. name: as SAM calls it, such as apifunction."""
    (found,) = (it for it in images((folder / TEMPLATE).read_text()) if it.startswith(f"{name}:"))
    return str(inspect(found)["Id"])


@pytest.fixture(scope="session")
def image(project: Path) -> str:
    return built(project, "apifunction")


@pytest.fixture(scope="session")
def batch_image(project: Path) -> str:
    return built(project, "batchfunction")


@pytest.fixture(scope="session")
def release_image(project: Path) -> str:
    return built(project, "releasefunction")


@pytest.fixture(scope="session")
def emulator(image: str) -> Path:
    """AWS's runtime emulator, which the SAM CLI brings along."""
    name = {"amd64": "x86_64", "arm64": "arm64"}[inspect(image)["Architecture"]]
    (found,) = ROOT.glob(f".tools/sam/lib/python*/**/aws-lambda-rie-{name}")
    return found
