"""What holds for every command: help, exit codes, what goes where."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from mlops.cli import app
from mlops.training.folder import Candidate
from tests.unit.cli.conftest import Mlops

PIN = f"churn-model-v1.0.0@sha256:{'0' * 64}"


def commands() -> dict[str, TyperCommand | TyperGroup]:
    found: dict[str, TyperCommand | TyperGroup] = {}

    def collect(name: str, command: Any) -> None:
        found[name] = command
        for child, below in getattr(command, "commands", {}).items():
            collect(f"{name} {child}".strip(), below)

    collect("", typer.main.get_command(app))
    return found


def test_these_are_the_commands() -> None:
    assert commands().keys() == {
        "",
        "bake",
        "batch",
        "batch cancel",
        "batch results",
        "batch retry",
        "batch status",
        "batch submit",
        "copy",
        "doctor",
        "gate",
        "import",
        "models",
        "pin",
        "register",
        "registry",
        "registry rebuild",
        "release",
        "release abort",
        "release list",
        "release promote",
        "release start",
        "release status",
        "rollback",
        "show",
        "smoke",
        "train",
    }


@pytest.mark.parametrize("name", commands())
def test_every_command_and_option_has_help(mlops: Mlops, name: str) -> None:
    command = commands()[name]
    ran = mlops(*name.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    shown = " ".join(ran.out.split())
    assert command.help
    assert " ".join(command.help.split()) in shown
    for parameter in command.params:
        text = getattr(parameter, "help", None)
        assert text, f"{name} {parameter.name} has no help"
        assert " ".join(text.split()) in shown


@pytest.mark.parametrize("name", sorted(set(commands()) - {"", "batch", "registry", "release"}))
def test_every_command_answers_with_json_if_asked(name: str) -> None:
    options = {option for parameter in commands()[name].params for option in parameter.opts}
    assert "--json" in options


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["registry"],
        ["batch"],
        ["deploy"],
        ["train"],
        ["train", "churn", "--rows", "3"],
        ["pin"],
        ["bake", "--ca-bundle", "nowhere.pem"],
    ],
)
def test_a_wrong_command_line_is_exit_code_2(mlops: Mlops, arguments: list[str]) -> None:
    assert mlops(*arguments).code == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["register", "fraud"], "there is no trained candidate here"),
        (["show", "fraud"], "There is no version of fraud in the store"),
        (["show", "churn-v1"], "There is no version of churn-v1 in the store"),
        (["pin", "fraud"], "There is no version of fraud in the store"),
        (["pin", "fraud", "fraud-model-v1.0.0"], "There is no version fraud-model-v1.0.0"),
    ],
)
def test_a_model_without_versions_is_named(mlops: Mlops, arguments: list[str], reason: str) -> None:
    assert reason in mlops(*arguments).refusal


def test_no_versions_of_a_model_are_listed_as_none(mlops: Mlops) -> None:
    assert mlops("models", "fraud").out == "No version of fraud is registered in .mlops.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["pin", "churn", "churn-v1"],
        ["register", "churn", "--version", "churn-v1"],
    ],
)
def test_what_is_no_version_is_named(mlops: Mlops, arguments: list[str]) -> None:
    assert mlops(*arguments).refusal.startswith("'churn-v1' is not a model version")


@pytest.mark.parametrize(
    "arguments", [["show", "churn-model-v9.0.0"], ["pin", "churn", "churn-model-v9.0.0"]]
)
def test_a_version_that_is_not_there_is_named(
    mlops: Mlops, registered: str, arguments: list[str]
) -> None:
    assert mlops(*arguments).refusal == "There is no version churn-model-v9.0.0 in the store"


@pytest.mark.parametrize(
    "arguments",
    [
        ["pin", "churn", "fraud-model-v1.0.0"],
        ["register", "churn", "--version", "fraud-model-v1.0.0"],
    ],
)
def test_a_version_of_another_model_is_refused(mlops: Mlops, arguments: list[str]) -> None:
    assert mlops(*arguments).refusal == (
        "'fraud-model-v1.0.0' is not a version of churn; one looks like churn-model-v1.3.2"
    )


def test_a_store_of_another_kind_is_refused(mlops: Mlops) -> None:
    assert "a store is a folder or s3://bucket" in mlops("models", "--store", "ftp://x").refusal


def test_a_place_that_cannot_be_written_is_one_line(mlops: Mlops, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "samconfig.toml").write_text("[default.global.parameters]\nparameter_overrides=[]")
    assert "file" in mlops("bake", "--output", tmp_path / "file").refusal


@pytest.mark.parametrize(
    ("store", "character"),
    [("s3://bucket\n", "a line feed"), ("\t.mlops", "a tab"), ("a\rb", "a carriage return")],
)
def test_a_control_character_in_the_store_is_named(
    mlops: Mlops, monkeypatch: pytest.MonkeyPatch, store: str, character: str
) -> None:
    monkeypatch.setenv("MLOPS_STORE", store)
    for command in (["models"], ["show", "churn"], ["bake"], ["doctor", "--local"]):
        assert mlops(*command).refusal == (
            f"MLOPS_STORE: it contains {character}; set it again without it"
        )


def test_an_error_of_the_system_has_a_name_and_no_number(
    mlops: Mlops, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refusal = mlops("register", "churn").refusal
    assert refusal.endswith("No space left on device; free some space and try again")
    (Path("samconfig.toml")).write_text("[default.global.parameters]\nparameter_overrides=[]\n")
    Path("file").touch()
    assert mlops("bake", "--output", "file/below").refusal == (
        f"{Path('file/below').absolute()}: Not a directory;"
        " a part of this path is a file, so name another place"
    )


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SECRET_ACCESS_KEY"])
def test_a_line_feed_in_a_setting_of_aws_is_named(
    mlops: Mlops, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "eu-west-1\n")
    reason = f"{name} contains a line feed; set it again without it"
    assert mlops("models", "--store", "s3://bucket").refusal == f"s3: {reason}"
    assert mlops("copy", "--stack", "a", "--pin", PIN).refusal == f"cloudformation: {reason}"


def test_a_line_feed_in_the_name_of_the_stack_is_named(
    mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_STACK", "a\nb")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    for command in (["doctor"], ["copy", "--pin", PIN], ["rollback"]):
        assert mlops(*command).refusal == (
            "MLOPS_STACK: the stack's name contains a line feed; set it again without it"
        )


def test_a_full_disk_names_the_file_that_was_not_written(
    mlops: Mlops, registered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = "[default.global.parameters]\nparameter_overrides = []\n"
    Path("samconfig.toml").write_text(before)
    monkeypatch.setattr(os, "fsync", full)
    assert mlops("pin", "churn").refusal == (
        "samconfig.toml: No space left on device; free some space and try again"
    )
    assert Path("samconfig.toml").read_text() == before


def test_a_folder_in_place_of_the_registry_is_named(mlops: Mlops, candidate: Candidate) -> None:
    folder = Path(".mlops/registry/registry.sqlite")
    folder.mkdir(parents=True)
    assert mlops("register", "churn").refusal == (
        f"registry/registry.sqlite: {folder}: Is a directory;"
        " a file belongs here, so name one, or move the folder away"
    )


def test_a_store_that_does_not_exist_is_not_rebuilt(mlops: Mlops) -> None:
    assert mlops("registry", "rebuild", "--store", "typo").refusal == (
        "typo: there is no such store; name an existing one with --store"
    )
    assert not Path("typo").exists()


def test_the_installed_command(tmp_path: Path) -> None:
    """One real process: its streams and exit codes, and that only training waits for training."""
    script = Path(sys.executable).parent / "mlops"
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1", "MLOPS_STORE": "store"}
    ran = subprocess.run(
        [script, "register", "churn"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    *imports, last = ran.stderr.splitlines()
    assert "no trained candidate" in last
    imported = {line.rpartition("|")[2].strip() for line in imports}
    assert "mlops.cli.registry" in imported
    assert imported.isdisjoint({"sklearn", "skl2onnx", "onnx", "boto3"})
    assert list(tmp_path.iterdir()) == []
