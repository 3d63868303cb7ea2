"""Resolve every requirements file anew: `make lock`.

With --keep, versions stay as they are where they can: what pyproject.toml has new is added, and
nothing else changes.

The first file is what development uses; the images' and the tests' are resolved within it, so what
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

    def command(self, *, upgrade: bool) -> list[str]:
        return [
            *("uv", "pip", "compile", "--universal", "--python-version", self.python),
            *("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"),
            *(["pyproject.toml"] if self.holds_project else []),
            *(argument for extra in self.extras for argument in ("--extra", extra)),
            *(argument for group in self.groups for argument in ("--group", group)),
            *(["--constraints", self.within] if self.within else []),
            *(["--upgrade"] if upgrade else []),
            *("--output-file", self.path),
        ]


DEVELOPMENT = ("batch", "release", "train", "cli", "local")
PEERS = ("classic", "mlserver", "bentoml", "mlflow", "litserve")
LOCKS = (
    Lock(MAIN, extras=DEVELOPMENT, groups=("build",)),
    Lock("functions/api/requirements.txt", extras=("lambda",), python="3.13", within=MAIN),
    Lock("functions/batch/requirements.txt", ("lambda", "batch"), python="3.13", within=MAIN),
    Lock("functions/release/requirements.txt", ("lambda", "release"), python="3.13", within=MAIN),
    Lock("tests/requirements.txt", extras=DEVELOPMENT, groups=("test",), within=MAIN),
    Lock("tests/tools/sam.txt", groups=("sam",)),
    Lock("tests/tools/checkov.txt", groups=("checkov",)),
    Lock("tests/tools/ministack.txt", groups=("ministack",)),
    Lock("tests/tools/syft.txt", groups=("syft",)),
    Lock("tests/tools/load.txt", groups=("load",)),
    Lock("tests/tools/generators.txt", groups=("generators",)),
    Lock("tests/tools/api.txt", extras=("lambda",), groups=("api",), within=MAIN),
    Lock("tests/tools/bench.txt", extras=DEVELOPMENT, groups=("bench",), within=MAIN),
    *(Lock(f"tests/tools/peer-{name}.txt", groups=(f"peer-{name}",)) for name in PEERS),
)


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--keep"]):
        print("usage: python -m tests.tools.lock [--keep]", file=sys.stderr)
        return 2
    for lock in LOCKS:
        print(f"Resolving {lock.path} ...", flush=True)
        command = lock.command(upgrade=not arguments)
        subprocess.run([sys.executable, "-m", *command, "--quiet"], cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
