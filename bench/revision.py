"""What of the project was measured."""

import subprocess
from pathlib import Path

WRITTEN = (
    *("bench/results.json", "docs/performance.md"),
    *("docs/load.md", "docs/load", "load/results"),
    "samconfig.toml",
)
"""What measuring changes, the bench and load; and `make build`, the pins."""


def revision(project: Path) -> str | None:
    """The commit, with `-dirty` where files of it are changed; None where git knows of none."""
    try:
        _git(project, "ls-files", "--error-unmatch", "Makefile")  # or it is another repository
        commit = _git(project, "rev-parse", "--short=12", "HEAD")
        others = (f":(exclude){path}" for path in WRITTEN)
        changed = _git(project, "status", "--porcelain", "--untracked-files=no", "--", ".", *others)
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changed else commit


def _git(project: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=project, capture_output=True, text=True, check=True
    ).stdout.strip()
