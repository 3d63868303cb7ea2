"""What is in the image, and what is not."""

import re
import shutil
from pathlib import Path

import pytest

from tests.container.conftest import copy_project
from tests.container.engine import build, inspect, run_python
from tests.project.files import ROOT

MAX_BYTES = 250_000_000
BASE_PYTHON_DEPENDENCIES = 3  # layers, the first ones

UNCOMPILED = """
import importlib.util, pathlib
def compiled_unchecked(source):
    bytecode = pathlib.Path(importlib.util.cache_from_source(source))
    return bytecode.exists() and bytecode.read_bytes()[4:8] == b"\\x01\\0\\0\\0"  # PEP 552
for root in ("/opt/python", "/var/task"):
    for source in pathlib.Path(root).rglob("*.py"):
        if not compiled_unchecked(source):
            print(source)
"""
INSTALLED = """
import importlib.metadata
for found in importlib.metadata.distributions(path=["/opt/python"]):
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


def test_the_image_is_below_250_mb(image: str) -> None:
    assert inspect(image)["Size"] < MAX_BYTES


def test_it_does_not_run_as_root(image: str) -> None:
    assert run_python(image, "import os; print(os.getuid(), os.getgid())") == "65534 65534"


def test_any_user_can_read_it(image: str) -> None:
    """Lambda runs it as a user of its own."""
    assert run_python(image, UNREADABLE, "--user", "1051:1051") == ""


def test_all_bytecode_is_compiled_and_trusted(image: str) -> None:
    assert run_python(image, UNCOMPILED) == ""


def test_the_installed_packages_are_the_locked_ones(image: str) -> None:
    lock = (ROOT / "functions/api/requirements.txt").read_text()
    locked = set(re.findall(r"^[a-z0-9.-]+==[^\s;]+", lock, re.MULTILINE))
    assert set(run_python(image, INSTALLED).split()) == locked


@pytest.mark.parametrize("module", ["pip", "sklearn", "pandas", "onnx", "typer"])
def test_what_serves_no_prediction_is_not_there(image: str, module: str) -> None:
    script = f"import importlib.util; print(importlib.util.find_spec({module!r}))"
    assert run_python(image, script) == "None"


def test_a_certificate_given_to_the_build_is_not_there(image: str) -> None:
    assert run_python(image, CERTIFICATES) == ""


def test_a_fresh_clone_needs_nothing_baked(tmp_path: Path, discard: list[str]) -> None:
    project = copy_project(tmp_path)
    shutil.rmtree(project / ".mlops", ignore_errors=True)
    discard.append(build(project, stage="code"))


def test_a_change_of_code_rebuilds_the_code_only(tmp_path: Path, discard: list[str]) -> None:
    project = copy_project(tmp_path)
    discard.append(build(project))
    handler = project / "functions/api/handler.py"
    handler.write_text(handler.read_text() + "# changed\n")
    discard.append(build(project))

    first, second = map(inspect, discard)
    assert first["Id"] != second["Id"]
    unchanged = slice(BASE_PYTHON_DEPENDENCIES)
    assert first["RootFS"]["Layers"][unchanged] == second["RootFS"]["Layers"][unchanged]
