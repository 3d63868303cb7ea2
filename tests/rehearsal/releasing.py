"""Releasing as its users do: pins, `make`, `mlops`, `sam`. Time is compressed by settings."""

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final

from mlops.inference.version import parse_pins
from tests.project.files import ROOT
from tests.rehearsal.deployment import COMMAND_SECONDS, MLOPS, Deployment
from tests.rehearsal.models import Make, imported

# A tenth of a few hundred requests an analysis. Everything else is as it is deployed anywhere.
COMPRESSED: Final = {
    "CanaryAnalyses": "5",
    "CanaryAnalysisSeconds": "30",
    "CanaryPollSeconds": "1",
    "CanaryLogDelaySeconds": "1",
    "CanaryMinRequests": "60",
    "CanaryTimeoutSeconds": "300",
}
MODEL: Final = "churn"
RELEASES: Final = ROOT / "docs/releases.md"
WEIGHT: Final = 0.1
BEGIN_SECONDS: Final = 60
END_SECONDS: Final = 60
CLEARED_SECONDS: Final = 120
ROLLBACK_SECONDS: Final = 5
LIMIT_SECONDS: Final = 30  # of an execution: enough for the gate, and not for a canary's analyses


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

    def register(self, make: Make, number: str, model: str = MODEL) -> str:
        """Register what `make` makes as this version, and pin it. Its name."""
        version = f"{model}-model-v{number}"
        candidate = make(self.candidate_of(model), self.folder / version)
        self.deployment.register(candidate, version)
        return version

    def candidate_of(self, model: str) -> Path:
        """The folder of a model's trained, or imported, candidate."""
        return self.trained if model == MODEL else self.folder / model / "candidate"

    def import_model(self, model: str) -> None:
        """Make a candidate of a fitted pipeline."""
        folder = imported(self.folder / model)
        files = [str(folder / name) for name in ("pipeline.joblib", "sample.csv")]
        options = ["--model", model, "--label", "default", "--positive", "bad"]
        options += ["--output", str(self.candidate_of(model))]
        ran = self.mlops("import", *files, *options)
        assert ran.code == 0, ran.said

    def deploy(self, make: Make, number: str, model: str = MODEL) -> str:
        """As `register`, and `sam deploy`."""
        version = self.register(make, number, model)
        self.deployment.deploy()
        return version

    def start(self) -> Ran:
        """Release again what was deployed last, and wait for the verdict."""
        return self.mlops("release", "start", "--wait", "--json")

    def start_canary(self) -> Any:
        """As `start`, and wait only until it has traffic: the release that is under way."""
        started = self.mlops("release", "start")
        assert started.code == 0, started.said
        return self.running()

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

    def model_of(self, number: str, model: str = MODEL) -> str:
        """Name of the version of a model that a version of the API serves."""
        pins = parse_pins(self.configuration(number)["Environment"]["Variables"]["MLOPS_PINS"])
        (found,) = [str(pin.version) for pin in pins if pin.version.model == model]
        return found

    def configuration(self, number: str) -> dict[str, Any]:
        """Of a version of the API, as Lambda has it."""
        name = self.deployment.outputs()["ApiFunctionName"]
        functions = self.deployment.cloud.client("lambda")
        found: dict[str, Any] = functions.get_function_configuration(
            FunctionName=name, Qualifier=number
        )
        return found

    def champions(self) -> list[str]:
        """The model versions that are live, as the registry has it."""
        store = f"s3://{self.deployment.outputs()['StoreName']}"
        found = self.mlops("models", MODEL, "--store", store, "--json").document
        return [entry["version"] for entry in found if entry["stage"] == "champion"]

    def wait_for_end(self) -> None:
        """Until no release and no rollback has anything left to do."""

        def ended() -> bool:
            return "RUNNING" not in executions().values() and not self.status()["running"]

        executions = self.deployment.executions
        self.deployment.cloud.wait_until(ended, "a release has ended", END_SECONDS)

    def weigh(self, number: str) -> None:
        """Give the version a canary's share by hand, as no release does."""
        self.deployment.cloud.client("lambda").update_alias(
            FunctionName=self.deployment.outputs()["ApiFunctionName"],
            Name="live",
            RoutingConfig={"AdditionalVersionWeights": {number: WEIGHT}},
        )

    def move_by_hand(self, number: str, function: str) -> None:
        """Move an alias by the command that docs/releases.md has for an emergency.

        The arguments are those of the document; what the AWS CLI makes of them is the same request.
        function: the output with its name.
        """
        (_, after) = RELEASES.read_text().split("aws lambda update-alias ", 1)
        command, *_ = after.split("```", 1)
        names = {"API_FUNCTION": self.deployment.outputs()[function], "VERSION": number}
        filled = Template(command.replace("\\\n", "")).substitute(names)
        words = shlex.split(filled)
        said = dict(zip(words[::2], words[1::2], strict=True))
        assert said.pop("--routing-config") == "AdditionalVersionWeights={}"
        self.deployment.cloud.client("lambda").update_alias(
            FunctionName=said.pop("--function-name"),
            Name=said.pop("--name"),
            FunctionVersion=said.pop("--function-version"),
            RoutingConfig={"AdditionalVersionWeights": {}},
        )
        assert not said, "it says more than this"

    def wait_until_cleared(self, live: str) -> None:
        """By the schedule alone."""

        def cleared() -> bool:
            return self.shares() == {live: 1}

        what = "weights that belong to no release are cleared"
        self.deployment.cloud.wait_until(cleared, what, CLEARED_SECONDS)

    def stop_execution(self, id: str) -> None:
        """As somebody does it in the console."""
        machine = self.deployment.outputs()["ReleaseStateMachineArn"]
        execution = f"{machine.replace(':stateMachine:', ':execution:')}:{id}"
        self.deployment.cloud.client("stepfunctions").stop_execution(executionArn=execution)

    @contextmanager
    def limited_to(self, seconds: int) -> Iterator[None]:
        """Whatever is started while it lasts may take no longer.

        The template's parameter has minutes, and settings that leave a canary no time are refused.
        """
        machines = self.deployment.cloud.client("stepfunctions")
        arn = self.deployment.outputs()["ReleaseStateMachineArn"]
        definition = machines.describe_state_machine(stateMachineArn=arn)["definition"]
        limited = json.dumps(json.loads(definition) | {"TimeoutSeconds": seconds})
        machines.update_state_machine(stateMachineArn=arn, definition=limited)
        try:
            yield
        finally:
            machines.update_state_machine(stateMachineArn=arn, definition=definition)

    @contextmanager
    def ringing(self, alarm: str) -> Iterator[str]:
        """Its name. alarm: as the template calls it."""
        cloud = self.deployment.cloud
        (resource,) = cloud.client("cloudformation").describe_stack_resources(
            StackName=self.deployment.stack, LogicalResourceId=alarm
        )["StackResources"]
        name: str = resource["PhysicalResourceId"]
        alarms = cloud.client("cloudwatch")
        alarms.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="rehearsed")
        try:
            yield name
        finally:
            alarms.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="rehearsed")
