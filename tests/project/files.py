"""The files of the project: what git tracks, and what it would track once added."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Only for a tree without git, such as an unpacked archive: there nothing reads .gitignore.
NOT_OURS = {".venv", ".tools", ".mlops", ".aws-sam", ".hypothesis", "htmlcov", "__pycache__"}


def project_files() -> list[Path]:
    """Paths relative to the root, in a fixed order."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        paths = [Path(name) for name in listing.stdout.split("\0") if name]
    else:
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
    return sorted(path for path in paths if (ROOT / path).is_file() and not is_made(path))


def is_made(path: Path) -> bool:
    caches = any(part.startswith(".") and part.endswith("_cache") for part in path.parts)
    return caches or path.name.startswith(".coverage") or bool(NOT_OURS.intersection(path.parts))


def makefiles() -> str:
    return "".join(path.read_text() for path in (ROOT / "Makefile", *sorted(ROOT.glob("*.mk"))))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefiles(), re.MULTILINE))
