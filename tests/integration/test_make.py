"""The Makefile's care for local state."""

import shutil
import subprocess
import sys
from pathlib import Path

from mlops.inference.version import Pin

ROOT = Path(__file__).resolve().parent.parent.parent
REGISTRY = ".mlops/registry/registry.sqlite"


def test_a_lost_registry_is_made_from_the_models(
    tmp_path: Path, trained_store: Path, churn_pin: Pin
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
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
