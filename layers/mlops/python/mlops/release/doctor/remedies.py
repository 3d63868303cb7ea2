"""The commands that mend what disagrees, so exact that they can be pasted into a shell."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mlops.errors import (
    ArtifactCorrupt,
    ManifestInvalid,
    MlopsError,
    PinMismatch,
)
from mlops.inference.manifest import MANIFEST
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.releases import PREFIX as RECORDS
from mlops.registry.versions import PREFIX
from mlops.release.doctor.facts import DEAD, SAMCONFIG, Facts


class Severity(StrEnum):
    ERROR = "error"
    """Clients are affected, or the next release or rollback will be."""
    WARNING = "warning"
    NOTE = "note"
    """As it should be, for the moment."""


@dataclass(frozen=True)
class Finding:
    """what: the difference. why: what it comes from, or leads to. command: mends it.

    Where nothing is to be mended, the command shows how things go on; empty where they do not.
    """

    severity: Severity
    what: str
    why: str
    command: str


class Remedies:
    """For one stack and one store, named wherever a command would take others by itself."""

    def __init__(self, facts: Facts) -> None:
        deployed, stack = facts.deployed, facts.deployed or facts.unmade
        self._name = None if deployed is None else deployed.stack
        self._stack = ("--stack", stack.stack) if stack is not None and stack.named else ()
        self._dead = stack.stack if stack is not None and stack.status in DEAD else None
        self._location = facts.kept.location.rstrip("/")
        self._path = facts.committed.path
        self._samconfig = () if self._path == SAMCONFIG else ("--samconfig", self._path)
        self._committed = {pin for pin, uses in facts.uses().items() if "committed" in uses}

    def deploy(self) -> str:
        """A stack that takes no deployment is deleted first; its bucket is retained."""
        deploy = "make deploy"
        if self._stack:
            deploy = _line("sam", "deploy", "--stack-name", self._stack[1])
        if self._dead is None:
            return deploy
        name = ("--stack-name", self._dead)
        delete = _line("aws", "cloudformation", "delete-stack", *name)
        # It only begins the deletion, and until its end a deployment is refused.
        wait = _line("aws", "cloudformation", "wait", "stack-delete-complete", *name)
        return f"{delete} && {wait} && {deploy}"

    def start(self) -> str:
        return self._of_release("release", "start")

    def status(self) -> str:
        return self._of_release("release", "status")

    def roll_back(self, to: str | None = None) -> str:
        return self._of_release("rollback", *([] if to is None else ["--to", to]))

    def rebuild(self) -> str:
        return _line("mlops", "registry", "rebuild", "--store", self._location)

    def pin(self, version: ModelVersion) -> str:
        """Pin what the store has of that name."""
        store = ("--store", self._location)
        return _line("mlops", "pin", version.model, str(version), *store, *self._samconfig)

    def provide(self, pin: Pin, damage: MlopsError) -> str:
        """Put a version into the store again; first remove what stands in its way."""
        version = str(pin.version)
        if self._name is None:
            store = ("--store", self._location)
            put = _line("mlops", "register", pin.version.model, "--version", version, *store)
        elif pin in self._committed:
            put = self._of_release("copy", *self._samconfig)
        else:
            put = self._of_release("copy", "--pin", str(pin), *self._samconfig)
        match damage:
            case ArtifactCorrupt(file=file):
                return f"{self._remove(f'{PREFIX}{version}/{file}')} && {put}"
            case ManifestInvalid() | PinMismatch():
                return f"{self._remove(f'{PREFIX}{version}/{MANIFEST}')} && {put}"
        return put

    def move(self, function: str, version: str) -> str:
        """Give all traffic to one version, past everybody."""
        return _line(
            *("aws", "lambda", "update-alias", "--function-name", function, "--name", "live"),
            *("--function-version", version, "--routing-config", "AdditionalVersionWeights={}"),
        )

    def make_alias(self, function: str, version: str) -> str:
        return _line(
            *("aws", "lambda", "create-alias", "--function-name", function, "--name", "live"),
            *("--function-version", version),
        )

    def repair(self, function: str) -> str:
        """Ask for what the schedule asks for every minute."""
        return _line(
            *("aws", "lambda", "invoke", "--function-name", function),
            *("--cli-binary-format", "raw-in-base64-out"),
            *("--payload", '{"operation": "repair"}', "/dev/stdout"),
        )

    def set_pins(self, function: str, pins: str) -> str:
        """Change one variable of `$LATEST`; Lambda can only replace all of them."""
        name = shlex.quote(function)
        change = shlex.quote(f'.Variables.MLOPS_PINS = "{pins}"')
        read = f"aws lambda get-function-configuration --function-name {name}"
        return (
            f"aws lambda update-function-configuration --function-name {name} --environment"
            f' "$({read} --query Environment --output json | jq -c {change})"'
        )

    def restore(self) -> str:
        return _line("git", "restore", self._path)

    def reading(self, what: str) -> str:
        """Of what cannot be read: shows why, or takes away what nobody can read."""
        if what == self._path:
            return self.restore()
        if what == self._location and "://" not in what:
            return _line("ls", "-ld", what)
        return "aws sts get-caller-identity"

    def wait(self) -> str:
        return _line("aws", "cloudformation", "describe-stack-events", *self._stack_name())

    def continue_rollback(self) -> str:
        return _line("aws", "cloudformation", "continue-update-rollback", *self._stack_name())

    def describe_alarms(self, names: Sequence[str]) -> str:
        """Their descriptions say what to do."""
        query = "[MetricAlarms,CompositeAlarms][].[AlarmName,AlarmDescription,StateReason]"
        arguments = ("--alarm-names", *names, "--query", query, "--output", "text")
        return _line("aws", "cloudwatch", "describe-alarms", *arguments)

    def remove_record(self, id: str) -> str:
        return self._remove(f"{RECORDS}{id}.json")

    def _of_release(self, *arguments: str) -> str:
        return _line("mlops", *arguments, *self._stack)

    def _stack_name(self) -> tuple[str, ...]:
        return ("--stack-name", self._name or "")

    def _remove(self, key: str) -> str:
        place = f"{self._location}/{key}"
        return _line("aws", "s3", "rm", place) if "://" in place else _line("rm", place)


def _line(*arguments: str) -> str:
    return shlex.join(arguments)
