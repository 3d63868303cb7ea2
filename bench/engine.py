"""The Docker engine, for the bench and for load: a container as Lambda has it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from bench.ending import signals_wait
from bench.errors import NotMeasured

CALL_SECONDS = 120
_CONFINED = (
    *("--detach", "--read-only", "--tmpfs=/tmp"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
)


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


@contextmanager
def confined(*arguments: str) -> Iterator[str]:
    """The name of a container that may do as much as a function. Raises NotMeasured.

    It is removed at the end, also where a signal comes while it starts, or that takes too long.

    arguments: of `docker run`, the image among them.
    """
    name = f"mlops-{uuid4().hex[:12]}"
    try:
        with signals_wait():  # broken off, the engine might create it after its removal
            docker("run", "--name", name, *_CONFINED, *arguments)
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def with_emulator(project: Path, architecture: str) -> tuple[str, ...]:
    """Options that put AWS's runtime emulator, which the SAM CLI brings along, where images of ours
    look for it. architecture: as Docker calls it. Raises NotMeasured.
    """
    name = {"amd64": "x86_64", "arm64": "arm64"}[architecture]
    found = [*project.glob(f".tools/sam/lib/python*/**/aws-lambda-rie-{name}")]
    if not found:
        raise NotMeasured("there is no runtime emulator: make .tools/sam/.done")
    return "--volume", f"{found[0]}:/usr/local/bin/aws-lambda-rie:ro"
