"""What should agree and does not, how bad that is, and which command fixes it.

Compared are samconfig.toml (committed), the stack's parameters (deployed), the aliases (live), the
registry, the files in the store, and the alarms. What cannot be read is a finding, too.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from mlops.errors import (
    ArtifactCorrupt,
    ArtifactError,
    ArtifactMissing,
    FunctionGone,
    ManifestInvalid,
    MlopsError,
    PinInvalid,
    PinMismatch,
    RegistryCorrupt,
    VersionNotFound,
)
from mlops.inference.loading import read_listed, read_manifest
from mlops.inference.manifest import MANIFEST
from mlops.inference.version import PINS, ModelVersion, Pin, parse_pins
from mlops.registry.objects import ObjectStore
from mlops.registry.registry import Registry
from mlops.registry.releases import PREFIX as RECORDS
from mlops.registry.releases import Ended, ReleaseRecords
from mlops.registry.versions import PREFIX
from mlops.release.alias import describe, is_free, is_same
from mlops.release.ports import LATEST, Alarms, Dependencies, FunctionVersion

SAMCONFIG = "samconfig.toml"
_DEAD = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
"""Stacks that never take a deployment again."""
_WHO_AM_I = "aws sts get-caller-identity"


class Severity(StrEnum):
    ERROR = "error"
    """Clients are affected, or the next release or rollback will be."""
    WARNING = "warning"
    NOTE = "note"
    """As it should be, for the moment."""


@dataclass(frozen=True)
class Finding:
    """what: the difference. why: its cause, or what it leads to. command: fixes it, or shows it."""

    severity: Severity
    what: str
    why: str
    command: str = ""


@dataclass(frozen=True)
class Committed:
    """What samconfig.toml says. parameters: for the stack; None where it cannot be read."""

    parameters: Mapping[str, str] | None
    path: str = SAMCONFIG


@dataclass(frozen=True)
class Store:
    """location: a folder, or s3://bucket[/prefix]."""

    location: str
    objects: ObjectStore
    registry: Registry


@dataclass(frozen=True)
class Cloud:
    """The parts of a stack. api, batch: names of the functions.

    alarms: all of them. holding: names of those that hold releases up.
    """

    api: str
    batch: str
    deps: Dependencies
    alarms: Alarms
    holding: tuple[str, ...]


@dataclass(frozen=True)
class DeployedStack:
    """named: it is not the one that commands take by themselves. status: CloudFormation's.

    cloud: None where the stack has no outputs: it is being created, or never was.
    """

    name: str
    named: bool
    status: str
    parameters: Mapping[str, str]
    cloud: Cloud | None

    @property
    def is_changing(self) -> bool:
        return self.status.endswith("IN_PROGRESS")


def describe_unread(what: str, why: str, command: str = _WHO_AM_I) -> Finding:
    text = f"{what} cannot be read, and is not compared"
    return Finding(Severity.ERROR, text, f"{why.rstrip('.')}.", command)


def describe_no_stack(why: str, command: str = "") -> Finding:
    what = "No stack is compared: only the pins, the registry and the store"
    return Finding(Severity.NOTE, what, why, command)


def order(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first."""
    return sorted(findings, key=lambda finding: [*Severity].index(finding.severity))


class Doctor:
    """stack: None where none is compared. Every finding's command names what is not the default."""

    def __init__(self, committed: Committed, store: Store, stack: DeployedStack | None) -> None:
        self._committed = committed
        self._store = store
        self._stack = stack
        self._stack_option = ("--stack", stack.name) if stack is not None and stack.named else ()
        self._samconfig_option = (
            () if committed.path == SAMCONFIG else ("--samconfig", committed.path)
        )
        self._uses: dict[Pin, list[str]] = {}
        self._note_uses("committed", _pins_in(committed.parameters or {}).values())

    def examine(self) -> list[Finding]:
        """Return what should agree and does not; nothing where all is well. Raises nothing."""
        checks: dict[str, list[Callable[[], Iterator[Finding]]]] = {"": [self._check_committed]}
        location = self._store.location
        if (stack := self._stack) is not None:
            self._note_uses("deployed", _pins_in(stack.parameters).values())
            checks[""] += [lambda: self._check_stack(stack), lambda: self._check_parameters(stack)]
            if (cloud := stack.cloud) is not None:
                checks["The alarms"] = [lambda: self._check_alarms(cloud)]
                checks[f"The traffic of {stack.name}"] = [lambda: self._check_live(stack, cloud)]
        checks[location] = [self._check_registry, self._check_versions]
        found: list[Finding] = []
        for what, parts in checks.items():
            try:
                for check in parts:
                    found += check()
            except FunctionGone as error:
                why = "It was deleted past CloudFormation, or its creation has failed."
                found.append(Finding(Severity.ERROR, str(error), why, self._deploy()))
            except MlopsError as error:
                found.append(describe_unread(what, str(error), self._reading(what)))
        return order(found)

    def _deploy(self) -> str:
        """A stack that takes no deployment is deleted first; its bucket is retained."""
        stack = self._stack
        deploy = "make deploy"
        if stack is not None and stack.named:
            deploy = _line("sam", "deploy", "--stack-name", stack.name)
        if stack is None or stack.status not in _DEAD:
            return deploy
        name = ("--stack-name", stack.name)
        delete = _line("aws", "cloudformation", "delete-stack", *name)
        # It only begins the deletion, and until its end a deployment is refused.
        wait = _line("aws", "cloudformation", "wait", "stack-delete-complete", *name)
        return f"{delete} && {wait} && {deploy}"

    def _reading(self, what: str) -> str:
        """Show why something cannot be read, or restore it."""
        if what == self._committed.path:
            return _line("git", "restore", what)
        return _WHO_AM_I if "://" in self._store.location else _line("ls", "-ld", what)

    # --- committed, and deployed ----------------------------------------------------------------
    def _check_committed(self) -> Iterator[Finding]:
        text = (self._committed.parameters or {}).get(PINS, "")
        try:
            parse_pins(text)
        except PinInvalid as error:
            what = f"{self._committed.path} has {PINS}={text}, which cannot be read: {error}"
            command = self._reading(self._committed.path)
            yield Finding(Severity.ERROR, what, "No deployment takes it.", command)

    def _check_stack(self, stack: DeployedStack) -> Iterator[Finding]:
        what, name = f"The stack {stack.name} is {stack.status}", ("--stack-name", stack.name)
        if stack.cloud is None:
            yield describe_no_stack(f"Stack {stack.name} has no outputs yet.", self._deploy())
        if stack.is_changing:
            why = "A deployment is under way, and what it changes may differ until its end."
            command = _line("aws", "cloudformation", "describe-stack-events", *name)
            yield Finding(Severity.NOTE, what, why, command)
        elif stack.status == "UPDATE_ROLLBACK_FAILED":
            why = "CloudFormation refuses every deployment until it is back where it was."
            command = _line("aws", "cloudformation", "continue-update-rollback", *name)
            yield Finding(Severity.ERROR, what, why, command)
        elif stack.status in _DEAD:
            why = "CloudFormation refuses every deployment until it is deleted; its bucket is kept."
            yield Finding(Severity.ERROR, what, why, self._deploy())

    def _check_parameters(self, stack: DeployedStack) -> Iterator[Finding]:
        committed = self._committed.parameters
        if committed is None or stack.cloud is None:
            return
        severity = Severity.NOTE if stack.is_changing else Severity.WARNING
        why = f"It was changed since {stack.name} was deployed, or overridden then."
        for name, value in committed.items():
            there = stack.parameters.get(name, "no such parameter")
            if value and value != there and name != PINS:
                what = f"{self._committed.path} has {name}={value}, and the stack {there}"
                yield Finding(severity, what, why, self._deploy())
        pinned, deployed = _pins_in(committed), _pins_in(stack.parameters)
        if not pinned and committed.get(PINS):
            return  # they cannot be read, which has a finding of its own
        for model, pin in pinned.items():
            if pin != deployed.get(model):
                there = str(deployed.get(model, f"no version of {model}"))
                what = f"{self._committed.path} pins {pin}, and the stack {there}"
                yield Finding(severity, what, why, self._deploy())
        for model, pin in deployed.items():
            if model not in pinned:
                what = f"{pin} is deployed, and no version of {model} is committed"
                why = "Where samconfig.toml has no pins, a deployment keeps those of the stack."
                if pinned:
                    why = "The next deployment stops serving the model."
                yield Finding(severity, what, why, self._pin(pin.version))

    # --- live -----------------------------------------------------------------------------------
    def _check_alarms(self, cloud: Cloud) -> Iterator[Finding]:
        """Say which alarms are in ALARM state; their descriptions say what to do."""
        raised = cloud.alarms.raised()
        holding = [name for name in raised if name in cloud.holding]
        others = [name for name in raised if name not in cloud.holding]
        despite = "`mlops release start --despite-alarms`"
        hold = f"Until they end, a canary is rolled back, and none begins but by {despite}."
        query = "[MetricAlarms,CompositeAlarms][].[AlarmName,AlarmDescription,StateReason]"
        for names, why in ((holding, hold), (others, "They hold up no release.")):
            if names:
                what = f"Alarms are in state ALARM: {', '.join(names)}"
                arguments = ("--alarm-names", *names, "--query", query, "--output", "text")
                command = _line("aws", "cloudwatch", "describe-alarms", *arguments)
                yield Finding(Severity.ERROR, what, why, command)

    def _check_live(self, stack: DeployedStack, cloud: Cloud) -> Iterator[Finding]:
        deps = cloud.deps
        traffic = {part: function.traffic() for part, function in deps.parts}
        live = {part: it.describe(traffic[part].version) for part, it in deps.parts}
        latest = {part: it.describe(LATEST) for part, it in deps.parts}
        for version in live.values():
            self._note_uses("live", version.pins)
        owner = next(
            (it.note for it in traffic.values() if it.note and not is_free(deps, it.note)), None
        )
        if owner is not None:
            what = f"A release is under way: {owner.by}"
            shares = "; ".join(f"{part} is {describe(it)}" for part, it in traffic.items())
            why = f"Until its end, what it moves may differ; now {shares}."
            yield Finding(Severity.NOTE, what, why, self._line("release", "status"))
            return
        names = {"api": cloud.api, "batch": cloud.batch}
        behind = [names[part] for part in names if not is_same(latest[part], live[part])]
        if behind:
            yield self._not_live(stack, " and ".join(behind), live["api"], latest["api"])
        moved = [record for record in self._store.registry.releases() if record.moved]
        if moved and moved[-1].candidate != live["api"].number:
            what = f"Version {live['api'].number} is live, and no release made it so"
            left = moved[-1].candidate or ""
            why = f"The last one, {moved[-1].id}, left version {left}; it was moved since."
            yield Finding(Severity.ERROR, what, why, self._line("rollback", "--to", left))
        if {*live["batch"].pins} != {*live["api"].pins}:
            batch, api = (_models(live[part]) for part in ("batch", "api"))
            what = f"Batch is live with {batch}, the API with {api}"
            why = "A file and a request get different predictions."
            yield Finding(Severity.ERROR, what, why, self._line("release", "start"))

    def _not_live(
        self, stack: DeployedStack, names: str, live: FunctionVersion, latest: FunctionVersion
    ) -> Finding:
        """Say why what was deployed has no traffic, or not all."""
        what = f"What was deployed last is not live: $LATEST of {names}"
        if stack.is_changing:
            why = "Its release begins after the deployment."
            return Finding(Severity.NOTE, what, why, self._line("release", "status"))
        records = self._store.registry.releases()
        why, start = "No release of it has begun.", self._line("release", "start")
        if records:
            last = records[-1]
            why = f"The last release was {last.outcome}, {last.id}: {'; '.join(last.reasons)}."
            others = [pin.version for pin in live.pins if pin not in latest.pins]
            if last.outcome is Ended.ROLLED_BACK and others:
                why = f"{why} To try it once more instead of pinning what is live: {start}"
                return Finding(Severity.WARNING, what, why, self._pin(others[0]))
        return Finding(Severity.WARNING, what, why, start)

    # --- registered, and stored -----------------------------------------------------------------
    def _check_registry(self) -> Iterator[Finding]:
        location, registry = self._store.location, self._store.registry
        rebuild = _line("mlops", "registry", "rebuild", "--store", location)
        try:
            listed = {entry.version for entry in registry.entries()}
            recorded = {record.id for record in registry.releases()}
        except RegistryCorrupt as error:
            what = f"The registry in {location} cannot be read"
            yield Finding(Severity.ERROR, what, f"{error.reason}.", rebuild)
            return
        unlisted = [
            str(version)
            for version, is_whole in registry.versions.occupied()
            if is_whole and version not in listed
        ]
        records = ReleaseRecords(self._store.objects)
        for id in records.ids():
            if id in recorded:
                continue
            try:
                records.read(id)
                unlisted.append(id)
            except RegistryCorrupt as error:
                what = f"The record of release {id} in {location} is damaged"
                until = "Restore it from a copy, or remove it; until then the registry lacks it."
                command = self._remove(f"{RECORDS}{id}.json")
                yield Finding(Severity.WARNING, what, f"{error.reason}. {until}", command)
        if unlisted:
            what = f"In {location}, and not in its registry: {', '.join(unlisted)}"
            why = "The registry got lost, or is older than what it is made from."
            yield Finding(Severity.WARNING, what, why, rebuild)

    def _check_versions(self) -> Iterator[Finding]:
        """Read what is used byte by byte; of other registered versions the names of their files."""
        registered: set[Pin] = set()
        with suppress(RegistryCorrupt):
            registered = {entry.pin for entry in self._store.registry.entries()}
        keys = {*self._store.objects.keys(PREFIX)}
        for pin in sorted(self._uses.keys() | registered, key=str):
            uses = self._uses.get(pin, [])
            damage = self._find_damage(pin, None if uses else keys)
            if damage is not None:
                yield self._describe_damage(pin, uses, damage, pin in registered)

    def _find_damage(self, pin: Pin, keys: set[str] | None) -> MlopsError | None:
        """keys: of all files there are, where their names will do. Raises any StoreError."""
        versions = self._store.registry.versions
        try:
            manifest = read_manifest(versions, pin)
            for file in manifest.files:
                if keys is None:
                    read_listed(versions, manifest, file)
                elif f"{PREFIX}{pin.version}/{file}" not in keys:
                    raise ArtifactMissing(str(pin.version), file)
        except (VersionNotFound, ArtifactError) as error:
            return error
        return None

    def _describe_damage(
        self, pin: Pin, uses: list[str], damage: MlopsError, is_registered: bool
    ) -> Finding:
        is_missing = isinstance(damage, VersionNotFound)
        how = "is not" if is_missing else "is not as it should be"
        role = ", ".join(uses) or "registered"
        what = f"{pin.version}, which is {role}, {how} in {self._store.location}"
        why = f"{damage}."
        if is_missing:
            why = "It was registered in another store, which MLOPS_STORE may name, or removed."
        # One that is only committed may be brought before it is deployed.
        is_needed = {"deployed", "live"} & {*uses} or (uses and not is_missing)
        severity = Severity.ERROR if is_needed else Severity.WARNING
        if isinstance(damage, PinMismatch) and not is_registered:
            why = f"{why} It was registered with other content."
            return Finding(severity, what, why, self._pin(pin.version))
        return Finding(severity, what, why, self._provide(pin, damage, uses))

    # --- commands -------------------------------------------------------------------------------
    def _provide(self, pin: Pin, damage: MlopsError, uses: list[str]) -> str:
        """Put a version into the store again; first remove what stands in its way."""
        version = str(pin.version)
        if self._stack is None or self._stack.cloud is None:
            store = ("--store", self._store.location)
            put = _line("mlops", "register", pin.version.model, "--version", version, *store)
        elif "committed" in uses:
            put = self._line("copy", *self._samconfig_option)
        else:
            put = self._line("copy", "--pin", str(pin))
        match damage:
            case ArtifactCorrupt(file=file):
                return f"{self._remove(f'{PREFIX}{version}/{file}')} && {put}"
            case ManifestInvalid() | PinMismatch():
                return f"{self._remove(f'{PREFIX}{version}/{MANIFEST}')} && {put}"
        return put

    def _pin(self, version: ModelVersion) -> str:
        """Pin what the store has of that name."""
        store = ("--store", self._store.location)
        return _line("mlops", "pin", version.model, str(version), *store, *self._samconfig_option)

    def _remove(self, key: str) -> str:
        place = f"{self._store.location.rstrip('/')}/{key}"
        return _line("aws", "s3", "rm", place) if "://" in place else _line("rm", place)

    def _line(self, *arguments: str) -> str:
        return _line("mlops", *arguments, *self._stack_option)

    def _note_uses(self, use: str, pins: Iterable[Pin]) -> None:
        for pin in pins:
            uses = self._uses.setdefault(pin, [])
            if use not in uses:
                uses.append(use)


def _pins_in(parameters: Mapping[str, str]) -> dict[str, Pin]:
    """Return the pins by their models; none where they cannot be read."""
    with suppress(PinInvalid):
        return {pin.version.model: pin for pin in parse_pins(parameters.get(PINS, ""))}
    return {}


def _models(version: FunctionVersion) -> str:
    return ", ".join(str(pin.version) for pin in version.pins) or "no model"


def _line(*arguments: str) -> str:
    return shlex.join(arguments)
