"""`mlops smoke` against an API on the loopback."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops.cli import main
from tests.integration.batch_command.fake_api import serving
from tests.integration.smoke_command.prediction_api import (
    DIGEST,
    VERSION,
    PredictionApi,
    models,
)
from tests.unit.cli.conftest import Ran

SAMCONFIG = """\
[default.global.parameters]
stack_name = "pipeline"
parameter_overrides = [{}]
"""


@pytest.fixture
def api() -> Iterator[PredictionApi]:
    with serving(PredictionApi) as played:
        played.play("GET /v1/models", *[models()] * 9)
        yield played


Smoke = Callable[..., Ran]


@pytest.fixture
def run(
    api: PredictionApi,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Smoke:
    monkeypatch.chdir(tmp_path)
    pinned(f"{VERSION}@{DIGEST}")
    monkeypatch.setenv("MLOPS_API_URL", api.url)
    for name in ("MLOPS_API_TOKEN", "MLOPS_STACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "300")

    def ran(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as stop:
            main(["smoke", *map(str, arguments)])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Ran(int(stop.value.code or 0), captured.out, captured.err)

    return ran


def pinned(*pins: str) -> None:
    overrides = ", ".join(f'"ChurnPin={pin}"' for pin in pins)
    Path("samconfig.toml").write_text(SAMCONFIG.format(overrides))
