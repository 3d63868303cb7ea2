"""What is in the images, and what is not."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.container.engine import build, docker, inspect, run_python
from tests.container.images import copy_project
from tests.project.files import ROOT

SERVE_BYTES = 225_000_000
"""Less than half of the 487 MB that the same service takes with pandas and scikit-learn."""


@dataclass(frozen=True)
class Image:
    """unchanged: layers that a change of code leaves as they are, all but the last."""

    id: str
    stage: str
    max_bytes: int
    lock: str
    unchanged: int


UNCOMPILED = """
import importlib.util, os, pathlib
def compiled_unchecked(source):
    bytecode = pathlib.Path(importlib.util.cache_from_source(source))
    return bytecode.exists() and bytecode.read_bytes()[4:8] == b"\\x01\\0\\0\\0"  # PEP 552
for root in ("/opt", "/var/task", os.path.dirname(os.__file__)):
    for source in pathlib.Path(root).rglob("*.py"):
        if not compiled_unchecked(source):
            print(source)
"""
INSTALLED = """
import importlib.metadata, os
places = os.environ["PYTHONPATH"].split(":")
for found in importlib.metadata.distributions(path=places):
    print(f"{found.name}=={found.version}".lower().replace("_", "-"))
"""
CERTIFICATES = "import pathlib; print(*pathlib.Path('/').glob('[!p]*/**/*.crt'))"
UNREADABLE = """
import os, pathlib
for root in ("/opt", "/var/task"):
    for path in pathlib.Path(root).rglob("*"):
        if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            print(path)
"""


@pytest.fixture(params=["serve", "batch", "release"])
def built(
    request: pytest.FixtureRequest, image: str, batch_image: str, release_image: str
) -> Image:
    return {
        "serve": Image(image, "serve", SERVE_BYTES, "functions/api/requirements.txt", 3),
        "batch": Image(batch_image, "batch", 340_000_000, "functions/batch/requirements.txt", 4),
        "release": Image(
            release_image, "release", 340_000_000, "functions/release/requirements.txt", 4
        ),
    }[request.param]


def test_the_image_is_small(built: Image) -> None:
    # What `inspect` calls its size may be of compressed layers: it depends on the engine's store.
    sizes = docker("history", "--human=false", "--format", "{{.Size}}", built.id)
    size = sum(map(int, sizes.split()))
    assert size <= built.max_bytes, f"the image has {size / 1e6:.1f} MB"


def test_all_have_the_same_system_and_dependencies(
    image: str, batch_image: str, release_image: str
) -> None:
    """A registry keeps a layer once, and Lambda's cache knows it from the other functions."""
    ours, *others = (
        inspect(each)["RootFS"]["Layers"] for each in (image, batch_image, release_image)
    )
    assert [len(set(ours) & set(theirs)) for theirs in others] == [len(ours)] * 2


def test_each_starts_its_own_handler(image: str, batch_image: str, release_image: str) -> None:
    commands = [inspect(each)["Config"]["Cmd"] for each in (image, batch_image, release_image)]
    assert commands == [
        ["functions.api.handler.lambda_handler"],
        ["functions.batch.handler.lambda_handler"],
        ["functions.release.handler.lambda_handler"],
    ]


def test_it_does_not_run_as_root(built: Image) -> None:
    assert run_python(built.id, "import os; print(os.getuid(), os.getgid())") == "65534 65534"


def test_any_user_can_read_it(built: Image) -> None:
    """Lambda runs it as a user of its own."""
    assert run_python(built.id, UNREADABLE, "--user", "1051:1051") == ""


def test_all_bytecode_is_compiled_and_trusted(built: Image) -> None:
    assert run_python(built.id, UNCOMPILED) == ""


def test_the_installed_packages_are_the_locked_ones(built: Image) -> None:
    lock = (ROOT / built.lock).read_text()
    locked = set(re.findall(r"^[a-z0-9.-]+==[^\s;]+", lock, re.MULTILINE))
    assert set(run_python(built.id, INSTALLED).split()) == locked


@pytest.mark.parametrize("module", ["pip", "sklearn", "pandas", "onnx", "typer"])
def test_what_serves_no_prediction_is_not_there(built: Image, module: str) -> None:
    script = f"import importlib.util; print(importlib.util.find_spec({module!r}))"
    assert run_python(built.id, script) == "None"


def test_a_certificate_given_to_the_build_is_not_there(built: Image) -> None:
    assert run_python(built.id, CERTIFICATES) == ""


def test_a_fresh_clone_needs_nothing_baked(tmp_path: Path, discard: list[str]) -> None:
    project = copy_project(tmp_path)
    shutil.rmtree(project / ".mlops", ignore_errors=True)
    discard.append(build(project, stage="code"))


def test_a_change_of_code_rebuilds_the_code_only(
    built: Image, tmp_path: Path, discard: list[str]
) -> None:
    project = copy_project(tmp_path)
    discard.append(build(project, built.stage))
    handler = project / "functions/api/handler.py"
    handler.write_text(handler.read_text() + "# changed\n")
    discard.append(build(project, built.stage))

    first, second = map(inspect, discard)
    assert first["Id"] != second["Id"]
    before, after = first["RootFS"]["Layers"], second["RootFS"]["Layers"]
    assert len(before) == built.unchanged + 1
    assert before[:-1] == after[:-1]
