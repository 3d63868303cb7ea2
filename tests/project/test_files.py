"""What holds for every file of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.files import ROOT, project_files

FILES = project_files()

# The project installs from the indexes that its user has configured for pip, npm and Docker.
PLACES_TO_INSTALL_FROM = re.compile(
    r"//[^/\s\"'`)]*(?:pypi|pythonhosted|npmjs|registry\.)"
    r"|--(?:extra-)?index-url|--find-links|--trusted-host"
)
BINARY = {".onnx", ".joblib", ".png", ".sqlite", ".gz", ".parquet"}


def test_no_file_names_a_place_to_install_from() -> None:
    this = Path(__file__).relative_to(ROOT)
    texts = (path for path in FILES if path.suffix not in BINARY and path != this)
    found = {
        str(path): match[0]
        for path in texts
        if (match := PLACES_TO_INSTALL_FROM.search((ROOT / path).read_text()))
    }
    assert not found


def shell_scripts() -> list[Path]:
    def is_script(path: Path) -> bool:
        if path.suffix in BINARY:
            return False
        first_line = (ROOT / path).read_text().partition("\n")[0]
        return re.match(r"#!.*\b(ba|da)?sh\b", first_line) is not None

    return [path for path in FILES if path.suffix == ".sh" or is_script(path)]


GITHUB = [path for path in FILES if path.parts[0] == ".github" and path.suffix == ".yml"]
WORKFLOWS = [path for path in GITHUB if path.match(".github/workflows/*.yml")]
CHECKERS: dict[str, tuple[list[str], list[Path]]] = {
    "actionlint": (["actionlint"], WORKFLOWS),
    "zizmor": (["zizmor", "--offline", "--quiet"], GITHUB),
    "workflow schema": (
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
        WORKFLOWS,
    ),
    "dependabot schema": (
        ["check-jsonschema", "--builtin-schema", "vendor.dependabot"],
        [Path(".github/dependabot.yml")],
    ),
    "shellcheck": (["shellcheck"], shell_scripts()),
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_find_nothing(checker: str) -> None:
    command, paths = CHECKERS[checker]
    assert paths, f"{checker} has nothing to look at"
    installed = Path(sys.executable).parent  # actionlint looks for shellcheck on the path
    answer = subprocess.run(
        [*command, *map(str, paths)],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of its own with this project's files, committed as they are."""
    folder = tmp_path_factory.mktemp("repository")
    for path in FILES:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", *author, *arguments], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("settings", [["core.autocrlf=true"], ["core.eol=crlf"]], ids=str)
def test_a_clone_has_the_same_bytes_whatever_line_ends_its_git_prefers(
    repository: Path, tmp_path: Path, settings: list[str]
) -> None:
    clone = tmp_path / "clone"
    options = [part for setting in settings for part in ("--config", setting)]
    subprocess.run(["git", "clone", "--quiet", *options, repository, clone], check=True)
    changed = [
        str(path)
        for path in FILES
        if (clone / path).read_bytes() != (repository / path).read_bytes()
    ]
    assert not changed


def test_no_file_has_carriage_returns_before_its_line_feeds() -> None:
    texts = (path for path in FILES if path.suffix not in BINARY)
    assert not [str(path) for path in texts if b"\r\n" in (ROOT / path).read_bytes()]
