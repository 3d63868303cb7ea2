"""The Makefile's care for local state."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.inference.version import Pin
from tests.integration.making import calls, copy_makefiles, make, noting, script

REGISTRY = ".mlops/registry/registry.sqlite"


def test_a_lost_registry_is_made_from_the_models(
    tmp_path: Path, trained_store: Path, churn_pin: Pin
) -> None:
    copy_makefiles(tmp_path)
    for needed in ("requirements.txt", "pyproject.toml"):
        (tmp_path / needed).touch()
    tools = tmp_path / ".venv/bin"
    tools.mkdir(parents=True)
    for tool in ("python", "mlops"):
        (tools / tool).symlink_to(Path(sys.executable).with_name(tool))
    (tmp_path / ".venv/.run").touch()
    shutil.copytree(trained_store / "models", tmp_path / ".mlops/models")
    subprocess.run(["make", REGISTRY], cwd=tmp_path, check=True, timeout=60)
    shown = [str(tools / "mlops"), "show", str(churn_pin.version)]
    ran = subprocess.run(
        shown, cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True
    )
    assert str(churn_pin) in ran.stdout


FIRST = [
    "mlops train churn",
    "mlops register churn --version churn-model-v1.0.0 --store .mlops",
]
PIN_FIRST = "mlops pin churn churn-model-v1.0.0 --store .mlops"
BUILD = ["mlops bake", "sam build"]
SERVE = "python -m functions.api --port 8000"
PINNED = f'    "ChurnPin=churn-model-v1.0.0@sha256:{"0" * 64}",'
ELSEWHERE = "s3://elsewhere"


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    return noting(tmp_path)


@pytest.mark.parametrize(
    ("target", "pinned", "store", "called"),
    [
        ("build", "", None, [*FIRST, PIN_FIRST, *BUILD]),
        ("build", "# ChurnPin=churn-model-v1.0.0@sha256:...", None, [*FIRST, PIN_FIRST, *BUILD]),
        ("build", PINNED, None, BUILD),
        ("build", "", ELSEWHERE, BUILD),
        ("build", PINNED, ELSEWHERE, BUILD),
        ("run", "", None, [*FIRST, SERVE]),
        ("run", "", "", [*FIRST, SERVE]),
        ("run", "", ELSEWHERE, [SERVE]),
    ],
)
def test_a_first_version_is_made_where_there_is_no_other(
    noted: Path, target: str, pinned: str, store: str | None, called: list[str]
) -> None:
    (noted / "samconfig.toml").write_text(f"{pinned}\n")
    settings = {} if store is None else {"MLOPS_STORE": store}
    ran = make(noted, target, **settings)
    assert ran.returncode == 0, ran.stderr
    assert calls(noted) == called


def test_an_empty_port_reaches_the_server_that_refuses_it(noted: Path) -> None:
    script(noted / ".venv/bin/python", '#!/bin/sh\nprintf "<%s>" "$@"\n')
    assert "<--port><>" in make(noted, "run", "PORT=").stdout


@pytest.mark.parametrize("code", [0, 1])
def test_an_environment_without_pip_does_not_stay(tmp_path: Path, code: int) -> None:
    """As Debian's Python makes them without its package for it, with and without an error."""
    copy_makefiles(tmp_path)
    script(
        tmp_path / "python",
        "#!/bin/sh\n"
        '[ "$1" = -c ] && exit 0\n'
        'mkdir -p "$3/bin"; printf "#!/bin/sh\\nexit 1\\n" >"$3/bin/python"\n'
        f'chmod +x "$3/bin/python"; exit {code}\n',
    )
    ran = make(tmp_path, ".venv/bin/python", "PYTHON=./python")
    assert ran.returncode != 0
    assert "python3-venv" in ran.stdout
    assert not (tmp_path / ".venv").exists()
