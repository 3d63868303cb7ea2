"""MiniStack, an AWS that runs here. It starts functions in containers, as Lambda does."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
import httpx2

from tests.container.engine import docker
from tests.project.files import ROOT

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

PYTHON = ROOT / ".tools/ministack/bin/python"
REGION: Final = "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
START_SECONDS = 60
END_SECONDS = 30


@dataclass(frozen=True)
class Cloud:
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def session(self) -> boto3.Session:
        return boto3.Session(
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )

    def s3(self) -> "S3Client":
        return self.session.client("s3", endpoint_url=self.url)

    def sqs(self) -> "SQSClient":
        return self.session.client("sqs", endpoint_url=self.url)

    def containers(self) -> list[str]:
        """Ids of the containers that this one started, whatever became of them."""
        label = f"label=ministack.instance={socket.gethostname()}:{self.port}"
        return docker("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split()


def wait_until(done: Callable[[], bool], what: str, cloud: Cloud, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():
            return
        time.sleep(0.2)
    raise AssertionError(f"{what}: not in {seconds} s\n{cloud.log.read_text()[-8000:]}")


@contextmanager
def ministack(folder: Path, emulator: Path) -> Iterator[Cloud]:
    """Start MiniStack on a free port; at the end nothing of it is left.

    emulator: AWS's runtime emulator, which runs in each container instead of Lambda.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        cloud = Cloud(probe.getsockname()[1], folder / "ministack.log")
    # Confined as on Lambda, but for its privileges: those MiniStack cannot take away.
    flags = f"-v {emulator}:/usr/local/bin/aws-lambda-rie:ro -m 1769m --read-only --tmpfs /tmp"
    passed_on = {name: os.environ[name] for name in ("DOCKER_HOST", "PATH") if name in os.environ}
    environment = {
        **passed_on,
        **KEYS,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "GATEWAY_PORT": str(cloud.port),
        "BIND_HOST": "0.0.0.0",  # noqa: S104 -- containers come over the engine's bridge
        "MINISTACK_REGION": REGION,
        "LAMBDA_DOCKER_FLAGS": flags,
    }
    with cloud.log.open("w") as output:
        server = subprocess.Popen(
            [PYTHON, "-m", "ministack"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _is_ready(cloud, server), "MiniStack is ready", cloud, START_SECONDS)
        yield cloud
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(END_SECONDS)
        for container in cloud.containers():
            docker("rm", "--force", "--volumes", container)


def _is_ready(cloud: Cloud, server: "subprocess.Popen[bytes]") -> bool:
    assert server.poll() is None, cloud.log.read_text()
    try:
        return httpx2.get(f"{cloud.url}/_ministack/health", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False
