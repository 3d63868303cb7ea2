"""An AWS on this machine: MiniStack with our plugin, and a registry for images.

MiniStack runs functions in containers, as Lambda does, and lets nobody do what IAM does not allow.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import boto3
import httpx2
import pytest

from tests.container.engine import docker
from tests.project.files import ROOT
from tests.rehearsal.process import Server, free_ports, serving

PYTHON = ROOT / ".tools/ministack/bin/python"
PLUGIN: Final = "tests.rehearsal.plugin"
REGION: Final = "eu-west-1"
CONTAINER_IDLE_SECONDS = 60
REQUEST_SECONDS = 30  # as API Gateway
SEED = "1"


class Keys(NamedTuple):
    """What somebody signs with. token: of a role's session."""

    key: str
    secret: str
    token: str | None = None


# The account's root, who may do everything; MiniStack looks at no signature of his.
ACCOUNT: Final = Keys("test", "test")

_REGISTRY_SETTINGS = """
version: 0.1
log: {{accesslog: {{disabled: true}}, level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{address}"}}
"""


@dataclass(frozen=True)
class Cloud:
    """registry: host and port of the images' registry. http: for requests that no SDK makes."""

    port: int
    registry: str
    server: Server
    http: httpx2.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, keys: Keys = ACCOUNT) -> Any:
        """Return a boto3 client with these keys."""
        return _client(self.url, service, keys)

    def user(self, name: str, *allowed: str) -> Keys:
        """A new IAM user's. allowed: actions, on whatever there is."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        statements = [{"Effect": "Allow", "Action": action, "Resource": "*"} for action in allowed]
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": statements})
            iam.put_user_policy(UserName=name, PolicyName="allowed", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(key["AccessKeyId"], key["SecretAccessKey"])

    def environment(self) -> dict[str, str]:
        """What a command needs to take this for AWS."""
        key, secret, _ = ACCOUNT
        return os.environ | {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "SAM_CLI_TELEMETRY": "0",
        }

    def role(self, function: str) -> Keys:
        """Those that a container of this function has been given: its role's."""
        for container in json.loads(docker("inspect", *self.containers())):
            variables = dict(pair.split("=", 1) for pair in container["Config"]["Env"])
            if variables["AWS_LAMBDA_FUNCTION_NAME"] == function:
                return Keys(
                    variables["AWS_ACCESS_KEY_ID"],
                    variables["AWS_SECRET_ACCESS_KEY"],
                    variables["AWS_SESSION_TOKEN"],
                )
        raise AssertionError(f"no container of {function}")

    def containers(self) -> list[str]:
        """Ids of the containers that this one started, whatever became of them."""
        label = f"label=ministack.instance={socket.gethostname()}:{self.port}"
        return docker("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split()

    def images(self) -> list[str]:
        """The names that images were given to be pushed."""
        names = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        return [name for name in names if name.startswith(f"{self.registry}/")]

    def wait_until(self, done: Callable[[], bool], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if done():
                return
            time.sleep(0.2)
        raise AssertionError(f"{what}: not in {seconds} s. {self.server.tail()}")


@cache  # to make one takes as long as ten calls
def _client(url: str, service: str, keys: Keys) -> Any:
    session: Any = boto3.Session(keys.key, keys.secret, keys.token, REGION)
    return session.client(service, endpoint_url=url)


def require_registry(unproved: str) -> None:
    """End the test where images cannot be pushed, saying what that leaves unproved."""
    if shutil.which("docker-registry") is None:
        problem = f"{unproved}: there is no docker-registry (Debian's package has this name)"
        pytest.fail(problem) if os.environ.get("CI") == "true" else pytest.skip(problem)


@contextmanager
def running_cloud(folder: Path, emulator: Path) -> Iterator[Cloud]:
    """Start it on free ports; at the end nothing of it is left.

    emulator: AWS's runtime emulator, which runs in each container instead of Lambda.
    """
    port, registry_port = free_ports(2)
    registry = f"127.0.0.1:{registry_port}"
    settings = folder / "registry.yml"
    settings.write_text(_REGISTRY_SETTINGS.format(folder=folder / "images", address=registry))
    with (
        serving(
            ["docker-registry", "serve", settings],
            log=folder / "registry.log",
            environment=_passed_on(),
            ready=f"http://{registry}/v2/",
        ),
        serving(
            [PYTHON, "-m", PLUGIN],
            log=folder / "ministack.log",
            environment=_ministack_environment(folder, port, registry, emulator),
            ready=f"http://127.0.0.1:{port}/_ministack/health",
        ) as server,
        httpx2.Client(timeout=REQUEST_SECONDS) as http,
    ):
        cloud = Cloud(port, registry, server, http)
        yield cloud
    if containers := cloud.containers():
        docker("rm", "--force", "--volumes", *containers)
    if images := cloud.images():
        docker("image", "rm", "--no-prune", *images)


def _passed_on() -> dict[str, str]:
    return {name: os.environ[name] for name in ("DOCKER_HOST", "PATH") if name in os.environ}


def _ministack_environment(
    folder: Path, port: int, registry: str, emulator: Path
) -> dict[str, str]:
    # Confined as on Lambda, but for its privileges: those MiniStack cannot take away.
    flags = f"-v {emulator}:/usr/local/bin/aws-lambda-rie:ro -m 1769m --read-only --tmpfs /tmp"
    key, secret, _ = ACCOUNT
    return _passed_on() | {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "BIND_HOST": "0.0.0.0",  # noqa: S104 -- containers come over the engine's bridge
        "GATEWAY_PORT": str(port),
        "HOME": str(folder),
        "LAMBDA_DOCKER_FLAGS": flags,
        "LAMBDA_WARM_TTL_SECONDS": str(CONTAINER_IDLE_SECONDS),
        "MINISTACK_REGION": REGION,
        "PYTHONPATH": str(ROOT),
        "REHEARSAL_REGISTRY": registry,
        "REHEARSAL_SEED": SEED,
        "TMPDIR": str(folder),
    }
