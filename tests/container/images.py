"""The images, built once a session as `make build` builds them, in a copy of the project.

A plugin, and no conftest: the rehearsal needs them too, and they are not to be built twice.
"""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.inference.version import Pin
from tests.container.engine import BUILD_SECONDS, CALL_SECONDS, docker, inspect
from tests.project.files import ROOT, project_files
from tests.tools.images import images

TEMPLATE = Path(".aws-sam/build/template.yaml")
SESSION_SECONDS = 2 * BUILD_SECONDS
SAM = ROOT / ".tools/sam/bin/sam"
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
def project(
    tmp_path_factory: pytest.TempPathFactory, trained_store: Path, churn_pin: Pin
) -> Iterator[Path]:
    """A copy of the project after `make build`: the model baked, the images built."""
    folder = copy_project(tmp_path_factory.mktemp("project"))
    mlops = Path(sys.executable).with_name("mlops")
    bake = ["bake", "--pin", str(churn_pin), "--store", str(trained_store)]
    subprocess.run([mlops, *bake], cwd=folder, check=True, timeout=CALL_SECONDS)
    subprocess.run(
        [SAM, "build", "--parameter-overrides", f"ChurnPin={churn_pin}"],
        cwd=folder,
        env=sam_environment(),
        check=True,
        timeout=BUILD_SECONDS,
    )
    names = keep_names(folder)
    yield folder
    docker("image", "rm", "--no-prune", *names)


def keep_names(folder: Path) -> list[str]:
    """Give the images names of their own: the next build takes over those that SAM has given."""
    template = folder / TEMPLATE
    text = template.read_text()
    own = {image: f"{image.partition(':')[0]}:{uuid.uuid4().hex}" for image in images(text)}
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
