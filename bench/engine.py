"""The Docker engine, for the bench and for load: a container as Lambda has it."""

import shutil
import subprocess
from pathlib import Path

from bench.errors import NotMeasured

CALL_SECONDS = 120
CONFINED = (
    *("run", "--detach", "--read-only", "--tmpfs=/tmp"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
)
"""What starts a container that may do as much as a function."""


def docker(*arguments: str, stdin: str | None = None, seconds: float = CALL_SECONDS) -> str:
    """Raises NotMeasured."""
    if shutil.which("docker") is None:
        raise NotMeasured("there is no docker command")
    done = subprocess.run(
        ["docker", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        start_new_session=True,  # no Ctrl-C breaks off a removal
    )
    if done.returncode != 0:
        raise NotMeasured(f"docker {arguments[0]}: {(done.stdout + done.stderr).strip()[-600:]}")
    return done.stdout.strip()


def with_emulator(project: Path, architecture: str) -> tuple[str, ...]:
    """Options that put AWS's runtime emulator, which the SAM CLI brings along, where images of ours
    look for it. architecture: as Docker calls it. Raises NotMeasured.
    """
    name = {"amd64": "x86_64", "arm64": "arm64"}[architecture]
    found = [*project.glob(f".tools/sam/lib/python*/**/aws-lambda-rie-{name}")]
    if not found:
        raise NotMeasured("there is no runtime emulator: make .tools/sam/.done")
    return "--volume", f"{found[0]}:/usr/local/bin/aws-lambda-rie:ro"
