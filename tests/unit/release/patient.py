"""A stack to be examined: played functions, a store in memory, and what is committed."""

from dataclasses import dataclass, field

from mlops.inference.version import ModelVersion, Pin
from mlops.registry.releases import Ended
from mlops.release.doctor import diagnose
from mlops.release.doctor.facts import Committed, Facts, Unmade
from mlops.release.doctor.gathering import Cloud, Shelf, gather
from mlops.release.doctor.remedies import Finding, Severity
from mlops.release.ports import ExecutionStatus
from tests.unit.inference.building import V1
from tests.unit.release.bench import V2, Bench
from tests.unit.release.fakes import FakeFunction

STORE = "s3://stack-store"


@dataclass
class Patient:
    """A stack, with version 1 live and entered, and samconfig.toml; nothing is wrong with it."""

    bench: Bench = field(default_factory=Bench)
    committed: dict[str, str] | None = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    status: str = "UPDATE_COMPLETE"
    named: bool = False
    path: str = "samconfig.toml"
    local: bool = False
    unmade: bool = False
    location: str = STORE

    def __post_init__(self) -> None:
        self.committed = self.parameters = {}
        self.commit(V1)
        self.deployed()

    @property
    def pins(self) -> dict[ModelVersion, Pin]:
        return self.bench.pins

    def commit(self, version: ModelVersion) -> None:
        self.committed = {"ChurnPin": str(self.pins[version]), "Architecture": "x86_64"}

    def deployed(self) -> None:
        """CloudFormation has what is committed; the functions are another matter."""
        self.parameters = {**(self.committed or {}), "MemorySize": "1769"}

    def deploy(self, version: ModelVersion = V2) -> None:
        self.commit(version)
        self.deployed()
        self.bench.deploy(self.pins[version])

    def enter(self) -> None:
        """Let a release find that what is live was deployed."""
        self.bench.begin("release-0")
        self.bench.rollout.record("release-0", Ended.UNCHANGED, ())
        self.bench.executions.end("release-0", ExecutionStatus.SUCCEEDED)

    def facts(self) -> Facts:
        bench = self.bench
        cloud = Cloud(
            stack="mlops-pipeline",
            named=self.named,
            status=self.status,
            parameters=self.parameters,
            api="api",
            batch="batch",
            release="release-function",
            world=bench.world,
            occupied=bench.reconciler.occupied,
            alarms=bench.alarms,
            holding=("errors",),
        )
        unmade = Unmade("mlops-pipeline", self.named, self.status) if self.unmade else None
        no_stack = "It was asked for." if self.local else None
        return gather(
            Committed(self.committed, self.path),
            {"ChurnPin": "churn"},
            Shelf(self.location, bench.store, bench.world.registry),
            None if self.local or self.unmade else cloud,
            no_stack=f"It is {self.status}." if self.unmade else no_stack,
            unmade=unmade,
            local=self.local,
        )

    def findings(self) -> tuple[Finding, ...]:
        return diagnose(self.facts())

    def told(self) -> list[tuple[str, str, str]]:
        return [(found.severity.value, found.what, found.command) for found in self.findings()]

    def only(self) -> Finding:
        (found,) = self.findings()
        return found


def move(function: FakeFunction, version: str, **weights: float) -> None:
    shares = {number.removeprefix("v"): share for number, share in weights.items()}
    function.move(version, shares, function.traffic().revision)


def not_live(patient: Patient) -> Finding:
    found = patient.only()
    assert found.what == "What was deployed last is not live: $LATEST of api and batch"
    assert found.severity is Severity.WARNING
    return found
