"""Releasing as its users do: pins, `make`, `mlops`, `sam`. Time is compressed by settings."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from string import Template
from typing import Any, Final

from mlops.inference.version import parse_pins
from tests.project.files import ROOT
from tests.rehearsal.deployment import COMMAND_SECONDS, MLOPS, Deployment
from tests.rehearsal.models import Make, as_good, write_pipeline

# A tenth of a few hundred requests an analysis. Everything else is as it is deployed anywhere.
COMPRESSED: Final = {
    "CanaryAnalyses": "5",
    "CanaryAnalysisSeconds": "24",
    "CanaryPollSeconds": "1",
    "CanaryLogDelaySeconds": "1",
    "CanaryMinRequests": "60",
    "CanaryTimeoutSeconds": "300",
}
MODEL: Final = "churn"
LOANS: Final = "loans"
RELEASES: Final = ROOT / "docs/releases.md"
WEIGHT: Final = 0.1
LATEST: Final = "$LATEST"
FUNCTIONS: Final = {"api": "ApiFunctionName", "batch": "BatchFunctionName"}
BEGIN_SECONDS: Final = 90
END_SECONDS: Final = 60
CLEARED_SECONDS: Final = 120
ROLLBACK_SECONDS: Final = 5


def import_loans(folder: Path, store: Path) -> None:
    """Import a fitted pipeline as a second model, and register it in a store of this machine."""
    made, candidate = write_pipeline(folder), str(folder / "candidate")
    files = (str(made / "pipeline.joblib"), str(made / "sample.csv"))
    label = ("--label", "default", "--positive", "bad")
    for command in (
        ("import", *files, "--model", LOANS, *label, "--output", candidate),
        ("register", LOANS, "--candidate", candidate, "--store", str(store)),
    ):
        subprocess.run([MLOPS, *command], check=True, timeout=COMMAND_SECONDS)


@dataclass(frozen=True)
class Ran:
    code: int
    said: str

    @property
    def document(self) -> Any:
        return json.loads(self.said)


@dataclass(frozen=True)
class Releasing:
    """A stack that is released to.

    trained: the folder of the trained candidate. folder: for the candidates that are made of it.
    """

    deployment: Deployment
    trained: Path
    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _good: set[str] = field(default_factory=set)

    def mlops(self, *arguments: str) -> Ran:
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
        return Ran(done.returncode, done.stdout or done.stderr)

    def register(self, make: Make, model: str = MODEL) -> str:
        """Make a candidate, register it as a new version, and pin it. Return the version."""
        version = f"{model}-model-v1.{next(self._numbers)}.0"
        self.deployment.register(make(self.candidate_of(model), self.folder / version), version)
        if make is as_good:
            self._good.add(version)
        return version

    def candidate_of(self, model: str) -> Path:
        """Return the folder of a model's first candidate, which was trained or imported."""
        return self.trained if model == MODEL else self.folder / model / "candidate"

    def deploy(self, make: Make, model: str = MODEL) -> str:
        """Make, register, pin and deploy a candidate, which starts its release."""
        version = self.register(make, model)
        self.deployment.deploy()
        return version

    def start(self) -> Ran:
        """Release again what was deployed last, and wait for the verdict."""
        return self.mlops("release", "start", "--wait", "--json")

    def start_canary(self) -> Any:
        """Return the release of a good candidate once its canary has traffic.

        A good candidate that was rolled back before is released again, which saves a deployment.
        """
        deployed = self.model_of(LATEST)
        if deployed in self._good and deployed != self.model_of(self.live()):
            started = self.mlops("release", "start")
            assert started.code == 0, started.said
        else:
            self.deploy(as_good)
        return self.running()

    def verdict(self) -> Ran:
        """Wait for the verdict about what was deployed last."""
        return self.mlops("release", "status", "--wait", "--json")

    def status(self) -> Any:
        return self.mlops("release", "status", "--json").document

    def running(self) -> Any:
        """Wait until a canary has traffic, and return its release."""
        self._wait(lambda: len(self.shares()) == 2, "a canary has traffic", BEGIN_SECONDS)
        return self.status()["running"]

    def shares(self, part: str = "api") -> dict[str, float]:
        """Return the share of the traffic that each version has, as Lambda knows it."""
        alias = self.deployment.cloud.client("lambda").get_alias(
            FunctionName=self._function(part), Name="live"
        )
        weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        return {alias["FunctionVersion"]: 1 - sum(weights.values()), **weights}

    def live(self) -> str:
        """Return the number of the version that has all traffic."""
        (number,) = self.shares()
        return number

    def model_of(self, number: str, model: str = MODEL) -> str:
        """Return the name of the version of a model that a version of the API serves."""
        pins = parse_pins(self._pins(number))
        (found,) = [str(pin.version) for pin in pins if pin.version.model == model]
        return found

    def _pins(self, number: str) -> str:
        variables: dict[str, str] = self.configuration(number)["Environment"]["Variables"]
        return variables["MLOPS_PINS"]

    def configuration(self, number: str) -> dict[str, Any]:
        """Return the configuration of a version of the API, as Lambda knows it."""
        found: dict[str, Any] = self.deployment.cloud.client("lambda").get_function_configuration(
            FunctionName=self._function("api"), Qualifier=number
        )
        return found

    def champions(self) -> list[str]:
        """Return the model versions that are live according to the registry."""
        store = f"s3://{self.deployment.outputs()['StoreName']}"
        found = self.mlops("models", MODEL, "--store", store, "--json").document
        return [entry["version"] for entry in found if entry["stage"] == "champion"]

    def wait_for_end(self) -> Any:
        """Wait until no release and no rollback has anything left to do; return the last record."""

        def has_stopped() -> bool:
            return "RUNNING" not in self.deployment.executions().values() and len(self.shares()) < 2

        self._wait(has_stopped, "a release has stopped", END_SECONDS)
        self._wait(lambda: not self.status()["running"], "its end is recorded", END_SECONDS)
        return self.status()["last"]

    def come_to_rest(self) -> None:
        """End whatever a test has left behind, so that the next one does not depend on it."""
        if "RUNNING" in self.deployment.executions().values() or len(self.shares()) > 1:
            self.mlops("release", "abort", "--by", "rehearsal")
            self.wait_for_end()
        self.deployment.configure(Pins=self._pins(self.live()))

    def version_without_traffic(self) -> str:
        """Return a version of the API that is not live; a canary makes one if there is none."""
        pages = self.deployment.cloud.client("lambda").get_paginator("list_versions_by_function")
        found = [
            version["Version"]
            for page in pages.paginate(FunctionName=self._function("api"))
            for version in page["Versions"]
        ]
        others = [number for number in found if number not in (LATEST, self.live())]
        if others:
            return str(others[-1])
        candidate: str = self.start_canary()["candidate"]
        self.come_to_rest()
        return candidate

    def weigh(self, number: str) -> None:
        """Give a version a canary's share by hand, as no release does."""
        self.deployment.cloud.client("lambda").update_alias(
            FunctionName=self._function("api"),
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
        """Wait until the schedule alone has cleared weights that belong to no release."""
        self._wait(lambda: self.shares() == {live: 1}, "weights are cleared", CLEARED_SECONDS)

    def stop_execution(self, id: str) -> None:
        """Stop an execution as an operator does in the console."""
        machine = self.deployment.outputs()["ReleaseStateMachineArn"]
        execution = f"{machine.replace(':stateMachine:', ':execution:')}:{id}"
        self.deployment.cloud.client("stepfunctions").stop_execution(executionArn=execution)

    @contextmanager
    def in_alarm(self, alarm: str) -> Iterator[str]:
        """Keep an alarm in ALARM state; yield its name. alarm: its logical id in the template."""
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

    def _function(self, part: str) -> str:
        return self.deployment.outputs()[FUNCTIONS[part]]

    def _wait(self, done: Callable[[], bool], what: str, seconds: float) -> None:
        self.deployment.cloud.wait_until(done, what, seconds)
