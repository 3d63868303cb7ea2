"""The command line in this process, in a folder of its own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import mlops.cli.release as commands
from mlops.aws.stacks import Stack
from mlops.bootstrap.releases import Console
from mlops.cli import main
from mlops.inference.trial import load_and_repeat
from mlops.training.folder import Candidate, save
from tests.unit.inference.building import provenance, version_files
from tests.unit.release.fixture import Fixture

CARD = b"# Customer churn\nwhat it is for\n"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it answered to --json: one document and nothing besides."""
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The one line that says what went wrong, where it did and the command said so."""
        assert (self.code, self.out) == (1, "")
        (line,) = self.err.splitlines()
        assert line.startswith("mlops: ")
        return line.removeprefix("mlops: ")


Mlops = Callable[..., Ran]
Tick = Callable[[], None]


@pytest.fixture(autouse=True)
def trial_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load models in the tests' own process: to start another one for each takes a second."""
    for module in ("mlops.training.servable", "mlops.cli.gate"):
        monkeypatch.setattr(f"{module}.try_model", lambda *model: load_and_repeat(*model[:4]))


@pytest.fixture
def mlops(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Mlops:
    """Run `mlops` with these arguments in an empty folder, and with no settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLOPS_STORE", "MLOPS_CA_BUNDLE", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(name, raising=False)
    # Answers must not be wrapped or coloured by the terminal that the tests happen to run in.
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Ran(int(stop.value.code or 0), captured.out, captured.err)

    return run


def trained(folder: Path, name: str = "a") -> Candidate:
    """A candidate in `folder` that the gate would have let pass; another `name`, another one."""
    figures = {"roc_auc": 0.8467, "brier": 0.1345, "ece": 0.02}
    metrics = {"cross_validation": {"full": {"mean": figures}}, "name": name}
    files = version_files(metrics_json=json.dumps(metrics).encode())
    candidate = Candidate("churn", {**files, "model_card.md": CARD}, provenance(), metrics)
    save(candidate, folder)
    return candidate


@pytest.fixture
def candidate(tmp_path: Path) -> Candidate:
    """A candidate where `mlops train` leaves it."""
    return trained(tmp_path / ".mlops" / "candidates" / "churn")


@pytest.fixture
def registered(mlops: Mlops, candidate: Candidate) -> str:
    """The pin of churn-model-v1.0.0, the one version in the store."""
    pin: str = mlops("register", "churn", "--json").document["pin"]
    return pin


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Fixture:
    """What the commands would find in AWS. Waiting is ended by `while_waiting`."""
    fixture = Fixture()

    def found(stack: str | None, samconfig: object) -> Stack:
        status = fixture.deployments.status or "UPDATE_COMPLETE"
        return Stack("fake", status, {}, {}, fixture.deployed_at)

    def console(stack: Stack) -> Console:
        return Console(fixture.deps, fixture.releases, fixture.operations)

    monkeypatch.setattr(commands, "find_stack", found)
    monkeypatch.setattr(commands, "_open", console)
    return fixture


@pytest.fixture
def while_waiting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What happens between two polls of a command that waits: one of `ticks` each time."""

    def set_ticks(*ticks: Tick) -> None:
        left: Iterator[Tick] = iter(ticks)
        monkeypatch.setattr("mlops.cli.release.time.sleep", lambda seconds: next(left)())

    return set_ticks
