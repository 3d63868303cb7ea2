"""ONNX Runtime tells nobody that it is used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.unit.inference.building import onnx_model

TELLING = "ORT_DISABLE_TELEMETRY"
LOAD = """
import os, sys

class Watcher:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))

sys.meta_path.insert(0, Watcher())
from mlops.inference.predictor import Predictor
from mlops.models.churn.contract import CHURN
Predictor("churn-model-v1.0.0", sys.stdin.buffer.read(), CHURN)
"""


@pytest.mark.parametrize("told", [{}, {"ORT_DISABLE_TELEMETRY": "0"}], ids=["unset", "set"])
def test_it_is_told_so_before_it_is_imported_and_leaves_nothing_at_home(
    tmp_path: Path, told: dict[str, str]
) -> None:
    kept = {name: value for name, value in os.environ.items() if name != TELLING}
    ran = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=ROOT,
        env=kept | {"HOME": str(tmp_path)} | told,
        input=onnx_model(),
        capture_output=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"1\n", b"")
    assert list(tmp_path.iterdir()) == []
