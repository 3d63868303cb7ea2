"""`mlops pin`: one line of samconfig.toml for each model, and the rest untouched."""

import difflib
import subprocess
from pathlib import Path

import pytest

from mlops.cli.samconfig import Samconfig
from mlops.errors import ConfigInvalid
from mlops.inference.version import Pin
from tests.unit.cli.conftest import Mlops, trained

COMMITTED = Path(__file__).resolve().parents[3] / "samconfig.toml"
PINNED = Pin.parse(f"churn-model-v1.0.0@sha256:{'0' * 64}")


def pin_of(model: str, minor: int = 0) -> Pin:
    return Pin.parse(f"{model}-model-v1.{minor}.0@sha256:{minor:064}")


COMMENTED = """\
version = 0.1  # of the format

[default.global.parameters]
parameter_overrides = [
    "LogLevel=INFO",   # quiet
    # The model that is served:
    "Pins=%s",  # reviewed
    "Stage=prod"
]

[other.deploy.parameters]
parameter_overrides = ["Pins="]
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
    block = ['    """\\\n', "    Pins=\\\n", "\n", f"    {registered},\\\n", "\n", '    """,\n']
    assert added == [f"+ {line}" for line in block]
    assert changes(before, path.read_text()) == added
    assert Samconfig.read(path).overrides()[-1] == f"Pins={registered},"
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


@pytest.mark.parametrize("previous", ["", str(PINNED), f"{PINNED},", f" {PINNED}\t"])
def test_a_pin_is_replaced_in_its_place(
    mlops: Mlops, registered: str, tmp_path: Path, previous: str
) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % previous)
    ran = mlops("pin", "churn", "churn-model-v1.0.0", "--json")
    assert ran.document == {"pin": registered, "previous": previous.strip(" ,\t") or None}
    block = f'''"""\\
    Pins=\\

    {registered},\\

    """'''
    assert path.read_text() == (COMMENTED % "MARK").replace('"Pins=MARK"', block)


def test_models_have_a_line_each_in_the_order_of_their_names(
    mlops: Mlops, registered: str, tmp_path: Path
) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % f"{pin_of('loans')} {pin_of('atm-fraud')}")
    mlops("pin", "churn", "churn-model-v1.0.0")
    pins = [str(pin_of("atm-fraud")), registered, str(pin_of("loans"))]
    block = "\n\n".join(f"    {pin},\\" for pin in pins)
    assert f"Pins=\\\n\n{block}\n\n" in path.read_text()
    assert [str(pin) for pin in Samconfig.read(path).pins()] == pins


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


@pytest.mark.parametrize("text", ["written by hand", f"{PINNED},{PINNED}"])
def test_bad_pins_are_named(mlops: Mlops, registered: str, tmp_path: Path, text: str) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % text)
    with pytest.raises(ConfigInvalid, match="^.*Pins: ") as caught:
        Samconfig.read(path).pins()
    assert caught.value.path == str(path)
    assert mlops("pin", "churn", "churn-model-v1.0.0").refusal.startswith("samconfig.toml: Pins: ")
    assert path.read_text() == COMMENTED % text


def test_more_pins_than_an_environment_has_room_for_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % "")
    file = Samconfig.read(path)
    for number in range(40):
        file.set_pin(pin_of(f"m{number:04}"))
    reason = "41 pins have 3,731 characters, and a function's environment has room for 3,640"
    with pytest.raises(ConfigInvalid, match=reason):
        file.set_pin(pin_of("m0040"))
    assert len(file.pins()) == 40
    file.set_pin(pin_of("m0001", minor=1))


@pytest.mark.parametrize(
    ("template", "takes_pins"),
    [
        ("Parameters:\n  Pins:\n    Type: String\n", True),
        (
            "Parameters:\n  # All of them\n\n  Stage:\n    Type: A\n  Pins:\n    Type: A\n",
            True,
        ),
        ("Parameters:\n  Stage:\n    Type: String\nOutputs:\n  Pins:\n    Value: a\n", False),
        ("Resources: {}\n", False),
    ],
)
def test_a_template_that_does_not_take_the_pins(
    mlops: Mlops, registered: str, tmp_path: Path, template: str, takes_pins: bool
) -> None:
    """SAM drops the value of a parameter that its template does not have."""
    (tmp_path / "samconfig.toml").write_text(COMMENTED % "")
    (tmp_path / "template.yaml").write_text(template)
    ran = mlops("pin", "churn", "churn-model-v1.0.0")
    if takes_pins:
        assert ran.code == 0
        return
    assert ran.refusal == (
        "samconfig.toml: template.yaml has no parameter Pins: SAM would drop the pins of"
        " samconfig.toml."
    )
    assert (tmp_path / "samconfig.toml").read_text() == COMMENTED % ""


def test_the_project_s_template_takes_the_pins(tmp_path: Path) -> None:
    for name in ("template.yaml", "samconfig.toml"):
        (tmp_path / name).write_text((COMMITTED.parent / name).read_text())
    Samconfig.read(tmp_path / "samconfig.toml").set_pin(PINNED)


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")
    ran = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return ran.stdout


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pin_of("churn", 1), pin_of("loans", 1)),
        (pin_of("churn", 1), pin_of("fraud", 0)),
        (pin_of("atm", 0), pin_of("loans", 1)),
    ],
    ids=["two that are pinned", "one and a new one below", "a new one above and one"],
)
def test_two_pull_requests_that_pin_different_models_merge(
    tmp_path: Path, first: Pin, second: Pin
) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % f"{pin_of('churn')},{pin_of('loans')},{pin_of('prices')}")
    pin_in(path, pin_of("churn"))
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    for branch, pin in (("one", first), ("two", second)):
        git(tmp_path, "switch", "--quiet", "--create", branch, "main")
        pin_in(path, pin)
        git(tmp_path, "commit", "--quiet", "--all", "--message", f"Release {pin.version}")
    git(tmp_path, "merge", "--quiet", "--no-edit", "one")
    assert {first, second} <= {*Samconfig.read(path).pins()}


def pin_in(path: Path, pin: Pin) -> None:
    file = Samconfig.read(path)
    file.set_pin(pin)
    file.write()


def test_nothing_pinned(tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_text(COMMENTED % "")
    assert Samconfig.read(path).pins() == []
