"""A model that takes what was not reviewed is refused by every command that could pass it on."""

import json
from pathlib import Path

import pytest

from mlops.bootstrap import open_models
from mlops.bootstrap.registry import open_registry
from mlops.errors import ModelUnusable
from mlops.inference.golden import GoldenRow, golden_to_bytes
from mlops.inference.manifest import METRICS
from mlops.inference.version import Pin
from mlops.models.churn.contract import CHURN
from mlops.training.folder import Candidate, save
from tests.unit.cli.conftest import Mlops
from tests.unit.inference.building import V1, provenance, version_files
from tests.unit.inference.hostile_models import (
    endless_loop,
    external_weights,
    external_weights_in_a_function,
    write_weights,
)

SAMCONFIG = "[default.global.parameters]\nparameter_overrides = []\n"
BUILDS = [external_weights, external_weights_in_a_function, endless_loop]


@pytest.fixture(autouse=True)
def trial_in_this_process() -> None:
    """Try models as the commands do, in a process with limits."""


def hostile_files(model: bytes) -> dict[str, bytes]:
    """The files of a version whose golden rows are what such a model answers: always 0.5."""
    rows = [GoldenRow(dict(request), (0.5,)) for request in CHURN.examples.values()]
    return version_files(model_onnx=model, golden_json=golden_to_bytes(rows))


@pytest.fixture(params=BUILDS, ids=[build.__name__ for build in BUILDS])
def model(request: pytest.FixtureRequest, mlops: Mlops, tmp_path: Path) -> bytes:
    """A hostile model; what it would read lies in the current folder."""
    write_weights(tmp_path)
    content: bytes = request.param()
    return content


@pytest.fixture
def stored(model: bytes) -> Pin:
    """The model got into the store past `mlops register`."""
    return open_registry(".mlops").register(V1, hostile_files(model), provenance())


def test_register_refuses_it(mlops: Mlops, model: bytes, tmp_path: Path) -> None:
    files = hostile_files(model)
    save(
        Candidate("churn", files, provenance(), json.loads(files[METRICS])),
        tmp_path / "candidate",
    )
    ran = mlops("register", "churn", "--candidate", tmp_path / "candidate")
    assert "model.onnx: its model has" in ran.refusal
    assert not Path(".mlops/models").exists()


def test_pin_refuses_it_and_leaves_samconfig(mlops: Mlops, stored: Pin) -> None:
    Path("samconfig.toml").write_text(SAMCONFIG)
    assert "its model has" in mlops("pin", "churn", V1).refusal
    assert Path("samconfig.toml").read_text() == SAMCONFIG


def test_bake_refuses_it_and_bakes_nothing(mlops: Mlops, stored: Pin) -> None:
    assert "its model has" in mlops("bake", "--pin", stored).refusal
    assert not Path(".mlops/image/models").exists()


def test_copy_refuses_it_and_copies_nothing(mlops: Mlops, stored: Pin, tmp_path: Path) -> None:
    assert "its model has" in mlops("copy", "--pin", stored, "--to", tmp_path / "other").refusal
    assert not (tmp_path / "other" / "models").exists()


def test_gate_refuses_it(mlops: Mlops, stored: Pin) -> None:
    Path("samconfig.toml").write_text(SAMCONFIG.replace("[]", f'["Pins={stored}"]'))
    ran = mlops("gate")
    assert ran.code == 3
    assert "its model has" in ran.err


def test_no_process_loads_it_from_a_store_or_from_an_image(stored: Pin, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(ModelUnusable):
        open_models(None, ".mlops", cache)(stored)
    with pytest.raises(ModelUnusable):
        open_models(Path(".mlops/models"), "", cache)(stored)
