"""A project whose tools only note how they are called, and its Makefile."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_MAKEFILES = ("Makefile", "deploy.mk")
_NEEDED = ("requirements.txt", "pyproject.toml", "tests/tools/sam.txt", "samconfig.toml")
_STAMPS = (".venv/.run", ".tools/sam/.done")
_TOOLS = (".venv/bin/python", ".venv/bin/mlops", ".tools/sam/bin/sam")
_SETTINGS = (
    "ALLOW_OLDER",
    "API_URL",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "BASE",
    "IMAGES_DIGEST",
    "IMAGE_REPOSITORY",
    "MLOPS_STORE",
    "PERMISSIONS_BOUNDARY",
    "PORT",
    "STACK",
    "STAGE",
    "TO",
    "TRAFFIC",
)
NOTED = """#!/bin/sh
echo "${0##*/} $*" >>calls
"""


def copy_makefiles(folder: Path) -> None:
    for path in (ROOT / "Makefile", *ROOT.glob("*.mk")):
        shutil.copy(path, folder)
    (folder / "tests/tools").mkdir(parents=True)
    shutil.copy(ROOT / "tests/tools/locked.py", folder / "tests/tools")


def noting(folder: Path) -> Path:
    """Make such a project in a folder, which is returned."""
    copy_makefiles(folder)
    for needed in _NEEDED:
        (folder / needed).touch()
    for tool in _TOOLS:
        script(folder / tool, NOTED)
    for stamp in _STAMPS:
        (folder / stamp).touch()
    return folder


def calls(folder: Path) -> list[str]:
    """How tools were called, such as `mlops bake`."""
    return (folder / "calls").read_text().splitlines()


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def make(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run make with these settings, and none of ours."""
    kept = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=kept | settings,
        capture_output=True,
        text=True,
        timeout=150,
    )
