"""Resolve every requirements file anew: `make lock`.

The first file is what development uses; the image's and the tests' are resolved within it, so what
is tested is what is served. Tools that pin what we use too have a file, and an environment, alone.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MAIN = "requirements.txt"


@dataclass(frozen=True)
class Lock:
    path: str
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    python: str = "3.11"  # the lowest version it is for
    within: str | None = None

    @property
    def holds_project(self) -> bool:
        return bool(self.extras)

    def command(self) -> list[str]:
        return [
            *("uv", "pip", "compile", "--universal", "--python-version", self.python),
            *("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"),
            *(["pyproject.toml"] if self.holds_project else []),
            *(argument for extra in self.extras for argument in ("--extra", extra)),
            *(argument for group in self.groups for argument in ("--group", group)),
            *(["--constraints", self.within] if self.within else []),
            *("--upgrade", "--output-file", self.path),
        ]


LOCKS = (
    Lock(MAIN, extras=("train", "cli", "local"), groups=("build",)),
    Lock("functions/api/requirements.txt", extras=("lambda",), python="3.13", within=MAIN),
    Lock("tests/requirements.txt", extras=("train", "cli", "local"), groups=("test",), within=MAIN),
    Lock("tests/tools/sam.txt", groups=("sam",)),
    Lock("tests/tools/checkov.txt", groups=("checkov",)),
)


def main() -> None:
    for lock in LOCKS:
        print(f"Resolving {lock.path} ...", flush=True)
        subprocess.run([sys.executable, "-m", *lock.command(), "--quiet"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
