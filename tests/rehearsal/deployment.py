"""A stack of ours, deployed as a user does it: by the documented commands, in a project folder."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import tomlkit
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.container.engine import docker
from tests.container.images import SAM, TEMPLATE, keep_names
from tests.project.files import ROOT
from tests.rehearsal.cloud import REGION, Cloud, Keys

MLOPS = Path(sys.executable).with_name("mlops")
SAMCONFIG: Final = "samconfig.toml"
COMMAND_SECONDS = 300
PROGRESS: Final = re.compile(r"\x1b\[0[GK]")  # of a layer that is being pushed, many times a second
POLL_SECONDS = "0.5"  # SAM's own is 5


@dataclass(frozen=True)
class LogLine:
    stream: str
    message: str


@dataclass(frozen=True)
class Api:
    """The HTTP API of a stack. keys: of who signs; None: nobody does."""

    address: str
    cloud: Cloud
    keys: Keys | None

    def request(self, method: str, path: str, body: object = None) -> httpx2.Response:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Host": self.address, "Content-Type": "application/json"}
        if self.keys is not None:
            request = AWSRequest(method, f"http://{self.address}{path}", headers, content)
            SigV4Auth(Credentials(*self.keys), "execute-api", REGION).add_auth(request)
            headers = dict(request.headers)
        return self.cloud.http.request(
            method, self.cloud.url + path, content=content, headers=headers
        )


@dataclass(frozen=True)
class Deployment:
    """folder: a copy of the project after `sam build`."""

    cloud: Cloud
    folder: Path
    stack: str

    @classmethod
    def prepared(cls, cloud: Cloud, built: Path, folder: Path, stack: str) -> "Deployment":
        """Nothing is deployed yet. Of what a user has, one setting differs: where images go."""
        shutil.copytree(built, folder)
        deployment = cls(cloud, folder, stack)
        with deployment._samconfig() as settings:
            settings["deploy"]["parameters"].pop("resolve_image_repos", None)
            settings["deploy"]["parameters"]["image_repository"] = f"{cloud.registry}/{stack}"
            settings["global"]["parameters"]["stack_name"] = stack
        return deployment

    def configure(self, **parameters: str) -> None:
        """Set parameters of the template where a user does, for every deployment that follows."""
        with self._samconfig() as settings:
            overrides = settings["global"]["parameters"]["parameter_overrides"]
            merged = dict(override.split("=", 1) for override in overrides) | parameters
            overrides.clear()
            overrides.extend(f"{name}={value}" for name, value in merged.items())

    def deploy(self) -> str:
        """What `sam deploy` said."""
        return self.command(SAM, "deploy")

    def prepare_make(self) -> None:
        """Add what `make` needs besides: its own files, the tools, and a commit to name."""
        for file in (ROOT / "Makefile", *ROOT.glob("*.mk")):
            shutil.copy2(file, self.folder)
        shutil.copytree(ROOT / "tests/tools", self.folder / "tests/tools")
        shutil.copy2(ROOT / "tests/__init__.py", self.folder / "tests")
        (self.folder / ".venv").symlink_to(sys.prefix)
        (self.folder / ".tools").symlink_to(ROOT / ".tools")
        self.command("git", "init", "--quiet")
        self.commit()

    def commit(self) -> str:
        """What `make deploy` calls CodeSha."""
        who = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@example.com")
        self.command("git", "add", "template.yaml", SAMCONFIG)
        self.command("git", *who, "-c", "commit.gpgsign=false", "commit", "--quiet", "-m", "Pin")
        return self.command("git", "rev-parse", "HEAD")

    def make(self, target: str, **environment: str) -> str:
        """What a target of the Makefile said."""
        # The tools are the project's own. Out of date or not, none is set up from within a copy.
        ready = ("--old-file=.venv/.run", "--old-file=.tools/sam/.done")
        return self.command("make", "--no-print-directory", *ready, target, **environment)

    @contextmanager
    def built_with(self, source: str, before: str, after: str) -> Iterator[None]:
        """While it lasts, what is deployed was built with another text in a file of the source."""
        file, template = self.folder / source, self.folder / TEMPLATE
        text, built = file.read_text(), template.read_text()
        assert text.count(before) == 1
        file.write_text(text.replace(before, after))
        self.command(SAM, "build")
        names = keep_names(self.folder)
        try:
            yield
        finally:
            file.write_text(text)
            template.write_text(built)
            docker("image", "rm", "--no-prune", *names)

    def delete(self) -> None:
        self.command(SAM, "delete", "--no-prompts")

    def hold_releases(self) -> None:
        """No rule starts a release or a repair; what moves an alias is then the test alone."""
        events = self.cloud.client("events")
        name = self.outputs()["ReleaseFunctionName"]
        function = self.cloud.client("lambda").get_function_configuration(FunctionName=name)
        for target in (self.outputs()["ReleaseStateMachineArn"], function["FunctionArn"]):
            for rule in events.list_rule_names_by_target(TargetArn=target)["RuleNames"]:
                events.disable_rule(Name=rule)

    def executions(self) -> dict[str, str]:
        """The status of each release, by its id."""
        machine = self.outputs()["ReleaseStateMachineArn"]
        pages = self.cloud.client("stepfunctions").get_paginator("list_executions")
        return {
            found["name"]: found["status"]
            for page in pages.paginate(stateMachineArn=machine)
            for found in page["executions"]
        }

    def register(self, candidate: Path, version: str) -> None:
        """Register it in the bucket of this stack, and pin it for the next deployment."""
        model = version.partition("-")[0]
        options = ("--version", version, "--candidate", str(candidate), *self._store())
        self.command(MLOPS, "register", model, *options)
        self.pin(version)

    def pin(self, version: str) -> None:
        self.command(MLOPS, "pin", version.partition("-")[0], version, *self._store())

    def command(self, *command: str | Path, **environment: str) -> str:
        settings = self.cloud.environment() | {"SAM_CLI_POLL_DELAY": POLL_SECONDS}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=settings | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        said = "\n".join(line for line in done.stdout.splitlines() if not PROGRESS.search(line))
        assert done.returncode == 0, f"{command}:\n{said}\n{self.diagnosis()}"
        return said

    def outputs(self) -> dict[str, str]:
        stacks = self.cloud.client("cloudformation").describe_stacks(StackName=self.stack)
        return {out["OutputKey"]: out["OutputValue"] for out in stacks["Stacks"][0]["Outputs"]}

    def api(self, keys: Keys | None = None) -> Api:
        return Api(self.outputs()["ApiUrl"].removeprefix("http://"), self.cloud, keys)

    def log(self, function: str) -> list[LogLine]:
        """What it and Lambda wrote. function: the output with its name, as `ApiFunctionName`."""
        name = self.outputs()[function]
        settings = self.cloud.client("lambda").get_function_configuration(FunctionName=name)
        pages = self.cloud.client("logs").get_paginator("filter_log_events")
        return [
            LogLine(event["logStreamName"], event["message"])
            for page in pages.paginate(logGroupName=settings["LoggingConfig"]["LogGroup"])
            for event in page["events"]
        ]

    def diagnosis(self) -> str:
        """What became of the stack's resources, where not all is well, and MiniStack's log."""
        stacks = self.cloud.client("cloudformation")
        try:
            events = stacks.describe_stack_events(StackName=self.stack)["StackEvents"]
        except stacks.exceptions.ClientError:
            events = []
        told = [
            f"{event['LogicalResourceId']}: {event['ResourceStatus']}, {reason}"
            for event in events
            if (reason := event.get("ResourceStatusReason"))
        ]
        return "\n".join([*told, self.cloud.server.tail()])

    def _store(self) -> tuple[str, str]:
        return "--store", f"s3://{self.outputs()['StoreName']}"

    @contextmanager
    def _samconfig(self) -> Iterator[Any]:
        """Its default environment, written back when done."""
        file = self.folder / SAMCONFIG
        document = tomlkit.parse(file.read_text())
        yield document["default"]
        file.write_text(tomlkit.dumps(document))
