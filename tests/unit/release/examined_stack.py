"""A stack for the doctor: fake functions, a store in memory, and what is committed."""

from dataclasses import dataclass, field

from mlops.inference.version import PINS, ModelVersion, Pin
from mlops.registry.registry import Registry
from mlops.release.doctor import Cloud, Committed, DeployedStack, Doctor, Finding, Store
from tests.unit.fakes import no_pause
from tests.unit.inference.building import V1
from tests.unit.release.fixture import V2, Fixture

STORE = "s3://stack-store"


@dataclass
class ExaminedStack:
    """A stack, with version 1 live and entered, and samconfig.toml; nothing is wrong with it."""

    fixture: Fixture = field(default_factory=Fixture)
    committed: dict[str, str] | None = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    status: str = "UPDATE_COMPLETE"
    named: bool = False
    path: str = "samconfig.toml"
    local: bool = False
    has_outputs: bool = True
    location: str = STORE

    def __post_init__(self) -> None:
        self.committed = self.parameters = {}
        self.commit(V1)
        self.deployed()

    @property
    def pins(self) -> dict[ModelVersion, Pin]:
        return self.fixture.pins

    def commit(self, version: ModelVersion) -> None:
        self.committed = {PINS: str(self.pins[version]), "Architecture": "x86_64"}

    def deployed(self) -> None:
        """CloudFormation has what is committed; the functions are another matter."""
        self.parameters = {**(self.committed or {}), "MemorySize": "1769"}

    def deploy(self, version: ModelVersion = V2) -> None:
        self.commit(version)
        self.deployed()
        self.fixture.deploy(self.pins[version])

    def enter(self) -> None:
        """Let a release find that what is live was deployed."""
        self.fixture.run("release-0")

    def findings(self) -> list[Finding]:
        fixture = self.fixture
        cloud = Cloud("api", "batch", fixture.deps, fixture.alarms, holding=("errors",))
        stack = DeployedStack(
            name="mlops-pipeline",
            named=self.named,
            status=self.status,
            parameters=self.parameters,
            cloud=cloud if self.has_outputs else None,
        )
        return Doctor(
            Committed(self.committed, self.path),
            Store(self.location, fixture.store, Registry(fixture.store, no_pause)),
            None if self.local else stack,
        ).examine()

    def told(self) -> list[tuple[str, str, str]]:
        return [(found.severity.value, found.what, found.command) for found in self.findings()]

    def only(self) -> Finding:
        (found,) = self.findings()
        return found
