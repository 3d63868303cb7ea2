"""`mlops pin`: one line of samconfig.toml, and the rest untouched."""

import difflib
from pathlib import Path

import pytest

from mlops.cli.samconfig import Samconfig
from mlops.errors import ConfigInvalid
from mlops.inference.version import Pin
from tests.unit.cli.conftest import Mlops, trained

COMMITTED = Path(__file__).resolve().parents[3] / "samconfig.toml"
PINNED = Pin.parse(f"churn-model-v1.0.0@sha256:{'0' * 64}")

COMMENTED = """\
version = 0.1  # of the format

[default.global.parameters]
parameter_overrides = [
    "LogLevel=INFO",   # quiet
    # The model that is served:
    "ChurnPin=%s",  # reviewed
    "Stage=prod"
]

[other.deploy.parameters]
parameter_overrides = ["ChurnPin="]
"""


def changes(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line for line in lines if line[0] in "+-"]


def test_the_committed_file_gets_one_line(mlops: Mlops, registered: str, tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    before = COMMITTED.read_text()
    path.write_text(before)
    ran = mlops("pin", "churn", "churn-model-v1.0.0", "--json")
    assert ran.document["pin"] == registered
    added = [line for line in changes(before, path.read_text()) if line[0] == "+"]
    assert added == [f'+     "ChurnPin={registered}",\n']
    removed = [line for line in changes(before, path.read_text()) if line[0] == "-"]
    assert all("ChurnPin=" in line for line in removed)
    assert Samconfig.read(path).pins() == [Pin.parse(registered)]


def test_a_version_that_lost_a_file_is_not_pinned(
    mlops: Mlops, registered: str, tmp_path: Path
) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % PINNED)
    Path(".mlops/models/churn-model-v1.0.0/model.onnx").unlink()
    ran = mlops("pin", "churn", "churn-model-v1.0.0")
    assert (ran.code, ran.err) == (1, "mlops: churn-model-v1.0.0: model.onnx is missing\n")
    assert path.read_text() == COMMENTED % PINNED


@pytest.mark.parametrize("previous", ["", str(PINNED), "written by hand"])
def test_a_pin_is_replaced_in_its_line(
    mlops: Mlops, registered: str, tmp_path: Path, previous: str
) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % previous)
    ran = mlops("pin", "churn", "churn-model-v1.0.0", "--json")
    assert ran.document == {"pin": registered, "previous": previous or None}
    assert path.read_text() == COMMENTED % registered


def test_pinning_again_changes_nothing(mlops: Mlops, registered: str, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_bytes(COMMITTED.read_bytes().replace(b"\n", b"\r\n"))
    arguments = ["pin", "churn", "churn-model-v1.0.0", "--samconfig", path]
    assert mlops(*arguments).out == f"{path} now pins {registered}\n"
    once = path.read_bytes()
    assert once.count(b"\n") == once.count(b"\r\n")
    assert mlops(*arguments).code == 0
    assert path.read_bytes() == once


def test_the_next_version_takes_the_place_of_the_last(
    mlops: Mlops, registered: str, tmp_path: Path
) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % "")
    mlops("pin", "churn", "churn-model-v1.0.0")
    before = path.read_text()
    trained(tmp_path / "other", "b")
    mlops("register", "churn", "--candidate", tmp_path / "other")
    ran = mlops("pin", "churn", "churn-model-v1.1.0", "--json")
    assert ran.document["previous"] == registered
    assert [line[0] for line in changes(before, path.read_text())] == ["-", "+"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"[default", "line 1"),
        (b"\xff", "utf-8"),
        (b"", "needs parameter_overrides, a list of texts"),
        (b"default = 3", "needs parameter_overrides, a list of texts"),
        (b"[default.global.parameters]\nparameter_overrides = 'A=b'", "a list of texts"),
        (b"[default.global.parameters]\nparameter_overrides = [1]", "a list of texts"),
    ],
)
def test_a_file_that_cannot_be_used(
    mlops: Mlops, registered: str, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "samconfig.toml"
    if content is not None:
        path.write_bytes(content)
    refusal = mlops("pin", "churn", "churn-model-v1.0.0").refusal
    assert refusal.startswith("samconfig.toml: ")
    assert reason in refusal
    assert (path.read_bytes() if path.exists() else None) == content


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("written by hand", "ChurnPin: 'written by hand' is not a pin"),
        (str(PINNED).replace("churn", "fraud"), "is another model's"),
    ],
)
def test_a_bad_pin_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % text)
    with pytest.raises(ConfigInvalid, match=reason) as caught:
        Samconfig.read(path).pins()
    assert caught.value.path == str(path)


def test_nothing_pinned(tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % "")
    assert Samconfig.read(path).pins() == []
