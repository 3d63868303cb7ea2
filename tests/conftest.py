"""What all tests share: one trained and registered model, made by the real command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.bootstrap.registry import open_registry
from mlops.inference.version import Pin

ROOT = Path(__file__).resolve().parent.parent

pytest_plugins = ["tests.container.images"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults were injected into releases, and what became of them."""
    clean, unclean = (
        sum("fault" in report.keywords for report in terminalreporter.stats.get(outcome, ()))
        for outcome in ("passed", "failed")
    )
    if clean or unclean:
        line = f"{clean + unclean} faults injected into releases; {clean} ended clean"
        terminalreporter.write_line(f"{line}: one version has the traffic, the lock is free.")


@pytest.fixture(scope="session")
def trained_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store's folder that holds churn-model-v1.0.0, trained on the project's own data."""
    folder = tmp_path_factory.mktemp("trained")
    candidate, store = folder / "candidate", folder / "store"
    mlops = str(Path(sys.executable).parent / "mlops")
    environment = os.environ | {"MLOPS_STORE": str(store), "SOURCE_DATE_EPOCH": "1767225600"}
    for command in (
        ["train", "churn", "--output", str(candidate)],
        ["register", "churn", "--candidate", str(candidate)],
    ):
        subprocess.run([mlops, *command], cwd=ROOT, env=environment, check=True, timeout=600)
    return store


@pytest.fixture(scope="session")
def churn_pin(trained_store: Path) -> Pin:
    (entry,) = open_registry(str(trained_store)).entries()
    return entry.pin


@pytest.fixture
def aws_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The environment of somebody with credentials, and with no configuration of his own."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch
