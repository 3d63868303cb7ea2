"""Releasing as its users do: pins, `sam deploy`, `mlops`. Time is compressed by settings."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.rehearsal.deployment import COMMAND_SECONDS, MLOPS, Deployment
from tests.rehearsal.models import Make

# A tenth of a few hundred requests a look. Everything else is as it is deployed anywhere.
COMPRESSED: Final = {
    "CanaryLooks": "5",
    "CanaryLookSeconds": "10",
    "CanaryTickSeconds": "1",
    "CanaryLogDelaySeconds": "1",
    "CanaryMinRequests": "140",
    "CanaryTimeoutSeconds": "240",
}
MODEL: Final = "churn"
BEGIN_SECONDS: Final = 60


@dataclass(frozen=True)
class Ran:
    code: int
    said: str
    seconds: float

    @property
    def document(self) -> Any:
        return json.loads(self.said)


@dataclass(frozen=True)
class Releasing:
    """trained: the folder of the trained candidate. folder: for those that are made of it."""

    deployment: Deployment
    trained: Path
    folder: Path

    def mlops(self, *arguments: str) -> Ran:
        started = time.monotonic()
        done = subprocess.run(
            [MLOPS, *arguments],
            cwd=self.deployment.folder,
            env=self.deployment.cloud.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout or done.stderr, time.monotonic() - started)

    def deploy(self, make: Make, number: str) -> str:
        """Register what `make` makes as this version, pin it, and `sam deploy`. Its name."""
        version = f"{MODEL}-model-v{number}"
        candidate = make(self.trained, self.folder / number)
        self.deployment.register(candidate, version)
        self.deployment.deploy()
        return version

    def verdict(self) -> Ran:
        """Of what was deployed last, once there is one."""
        return self.mlops("release", "status", "--wait", "--json")

    def status(self) -> Any:
        return self.mlops("release", "status", "--json").document

    def running(self) -> Any:
        """The release that is under way, once its canary has traffic."""
        deadline = time.monotonic() + BEGIN_SECONDS
        while time.monotonic() < deadline:
            found = self.status()
            if found["running"] and len(found["api"]) == 2:
                return found["running"]
            time.sleep(0.2)
        raise AssertionError(f"no canary has traffic: {json.dumps(found, indent=1)}")

    def shares(self, function: str = "api") -> dict[str, float]:
        found: dict[str, float] = self.status()[function]
        return found

    def live(self) -> str:
        """Number of the version that has all traffic."""
        (number,) = self.shares()
        return number

    def model_of(self, number: str) -> str:
        """Name of the model version that a version of the API serves."""
        name = self.deployment.outputs()["ApiFunctionName"]
        functions = self.deployment.cloud.client("lambda")
        found = functions.get_function_configuration(FunctionName=name, Qualifier=number)
        pins: str = found["Environment"]["Variables"]["MLOPS_PINS"]
        return pins.partition("@")[0]
