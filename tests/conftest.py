"""What all tests share: their order, and one model that the real command trained."""

import os
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from mlops.bootstrap.registry import open_registry
from mlops.inference.version import Pin
from tests.workers import is_worker, shared_folder

ROOT = Path(__file__).resolve().parent.parent
RELEASES, DISTURBED_RELEASES = RELEASE_GROUPS = "releases", "disturbed releases"
"""The groups of tests that wait most and longest, and that depend on their processes being quick.
Each has a cloud and a stack of its own, so that two workers run them side by side."""
ORDER = (
    *("integration", "simulation", "property", "unit", "template", "project"),
    *("rehearsal", "container", "docs"),
)
"""The folders, as they run beside the releases: those that use other containers come last."""
ALONE = "simulation"
"""The folder whose tests share no fixtures, so that each can run in another worker."""
NOT_MEASURED = frozenset({"property", "simulation"})
"""The folders that run the same lines thousands of times. The unit tests cover these lines; to
measure them takes half of the time again."""
GIVE_WAY = 10
"""The niceness of every other test, while there may be releases."""

for _library in ("OMP", "OPENBLAS", "MKL"):
    # Workers and the processes that they start share the processors; more threads only wait.
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

pytest_plugins = ["tests.container.images"]


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in a hook of this name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each worker run whole groups, and start the releases first.

    The tests of one file share fixtures, so they form a group; a test with an `xdist_group` of its
    own belongs to that one instead.
    """
    for item in items:
        if group_of(item) is None:
            file = str(item.path.relative_to(ROOT))
            group = item.nodeid if folder_of(item) == ALONE else file
            item.add_marker(pytest.mark.xdist_group(group))
        if folder_of(item) in NOT_MEASURED:
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=lambda item: (not is_release(item), ORDER.index(folder_of(item))))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave the processors to the releases: they are decided by requests that are counted."""
    if is_worker() and not is_release(item) and os.nice(0) < GIVE_WAY:
        os.nice(GIVE_WAY)


def is_release(item: pytest.Item) -> bool:
    return group_of(item) in RELEASE_GROUPS


def group_of(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("xdist_group")
    return None if marker is None else marker.args[0]


def folder_of(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT / "tests").parts[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how injected faults ended, and what became of the pipelines that were imported."""
    results = Counter(
        result
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for name, result in report.user_properties
        if name == "imports"
    )
    if results:
        counts = ", ".join(f"{results[name]} {name}" for name in ("reproduced", "refused", "wrong"))
        terminalreporter.write_line(f"{results.total()} pipelines imported: {counts}")
    clean, unclean = (
        sum("fault" in report.keywords for report in terminalreporter.stats.get(outcome, ()))
        for outcome in ("passed", "failed")
    )
    if clean or unclean:
        line = f"{clean + unclean} faults injected into releases; {clean} ended clean"
        terminalreporter.write_line(f"{line}: one version has all traffic.")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Leave bytes out of the ids of tests: the time in compressed ones differs between workers."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def trained_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store's folder with churn-model-v1.0.0, trained on the project's own data."""
    fill = partial(train_and_register, model="churn")
    return shared_folder(tmp_path_factory, "trained", fill) / "store"


@pytest.fixture(scope="session")
def ridership_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store's folder with ridership-model-v1.0.0, trained on the project's own data."""
    fill = partial(train_and_register, model="ridership")
    return shared_folder(tmp_path_factory, "ridership", fill) / "store"


@pytest.fixture(scope="session")
def sentiment_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store's folder with sentiment-model-v1.0.0, trained on the project's own data."""
    fill = partial(train_and_register, model="sentiment")
    return shared_folder(tmp_path_factory, "sentiment", fill) / "store"


def train_and_register(folder: Path, model: str) -> None:
    candidate, store = folder / "candidate", folder / "store"
    mlops = str(Path(sys.executable).parent / "mlops")
    environment = os.environ | {"MLOPS_STORE": str(store), "SOURCE_DATE_EPOCH": "1767225600"}
    for command in (
        ["train", model, "--output", str(candidate)],
        ["register", model, "--candidate", str(candidate)],
    ):
        subprocess.run([mlops, *command], cwd=ROOT, env=environment, check=True, timeout=600)


@pytest.fixture(scope="session")
def churn_pin(trained_store: Path) -> Pin:
    (entry,) = open_registry(str(trained_store)).entries()
    return entry.pin


@pytest.fixture
def aws_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Set an environment with credentials and without any configuration of the user's."""
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
