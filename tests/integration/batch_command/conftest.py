"""`mlops batch` against an API on the loopback, which answers as a test says."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops.cli import main
from tests.integration.batch_command.fake_api import FakeApi, serving
from tests.unit.cli.conftest import Ran

Batch = Callable[..., Ran]
CONTENT = b"customer_id,tenure,monthly_charges\n" + b"C1,24,79.5\n" * 20_000


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with serving(FakeApi) as played:
        yield played


@pytest.fixture
def run(
    api: FakeApi,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Batch:
    """Run `mlops batch` with these arguments, in a folder with rows.csv, against that API."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_bytes(CONTENT)
    monkeypatch.setenv("MLOPS_API_URL", api.url)
    monkeypatch.delenv("MLOPS_API_TOKEN", raising=False)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("NO_COLOR", "1")
    # Whoever has a proxy does not want it for what is on this machine.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def ran(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as stop:
            main(["batch", *map(str, arguments)])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Ran(int(stop.value.code or 0), captured.out, captured.err)

    return ran


def written(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}
