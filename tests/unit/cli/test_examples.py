"""The examples in the help: every command has one, and they can be run as they are."""

import shlex
from pathlib import Path

import pytest

from mlops.cli.api_client import ApiUnreachable, Http
from mlops.cli.examples import EXAMPLES
from mlops.errors import GateRefused
from tests.unit.cli.conftest import Mlops, trained
from tests.unit.cli.test_commands import commands
from tests.unit.release.fixture import Fixture

LINES = [line for lines in EXAMPLES.values() for line in lines]
USAGE = 2


def arguments(line: str) -> list[str]:
    program, *rest = shlex.split(line)
    assert program == "mlops"
    return rest


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_help_of_every_command_shows_an_example_of_it(mlops: Mlops, name: str) -> None:
    shown = mlops(*name.split(), "--help").out
    _, heading, below = shown.partition("Example")
    assert heading
    for line in EXAMPLES[name]:
        assert arguments(line)[: len(name.split())] == name.split()
        assert f"\n    {line}\n" in below


def test_there_are_examples_of_commands_only() -> None:
    assert EXAMPLES.keys() == commands().keys()


def end_instead_of_waiting(seconds: float) -> None:
    """End a command that has understood its command line, and now waits for a release or an API."""
    raise SystemExit(0)


def refuse_connection(*_: object, **__: object) -> None:
    raise ApiUnreachable("there is no API in this test")


@pytest.fixture
def project(
    monkeypatch: pytest.MonkeyPatch, mlops: Mlops, releases: Fixture, tmp_path: Path
) -> None:
    """A project with candidates and rows; without an API, and without credentials of AWS."""
    trained(tmp_path / ".mlops/candidates/churn")
    trained(tmp_path / "my-candidate", "b")
    for name in ("samconfig.toml", "previous-samconfig.toml"):
        (tmp_path / name).write_text(
            '[default.global.parameters]\nstack_name = "mlops-pipeline"\nparameter_overrides = []\n'
        )
    for name in ("customers.csv", "customers.parquet"):
        (tmp_path / name).touch()
    monkeypatch.setattr(Http, "request", refuse_connection)
    monkeypatch.setattr("time.sleep", end_instead_of_waiting)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def refuse_training(*_: object, **__: object) -> None:
    raise GateRefused("churn", ["training takes too long for this test"])


LOCAL = [
    "mlops register churn",
    "mlops register churn --version churn-model-v1.1.0 --candidate my-candidate",
    "mlops models",
    "mlops models churn --json",
    "mlops show churn",
    "mlops show churn-model-v1.0.0 --raw",
    "mlops pin churn",
    "mlops pin churn churn-model-v1.0.0",
    "mlops bake",
    "mlops registry rebuild --store .mlops",
]


def test_what_needs_this_machine_only_succeeds(mlops: Mlops, project: None) -> None:
    assert set(LOCAL) <= set(LINES)
    for line in LOCAL:
        ran = mlops(*arguments(line))
        assert (ran.code, ran.err) == (0, ""), line


@pytest.mark.parametrize("line", sorted(set(LINES) - set(LOCAL)))
def test_every_other_example_is_a_command_line_that_is_understood(
    mlops: Mlops, project: None, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setattr("mlops.training.csv_data.load", refuse_training)
    ran = mlops(*arguments(line))
    assert ran.code != USAGE, ran.err
