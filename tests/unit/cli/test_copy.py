"""`mlops copy`: what is registered in one store, registered in another one."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from mlops.bootstrap.registry import open_registry
from mlops.inference.manifest import Manifest, digest_of
from mlops.inference.version import Pin
from mlops.training.folder import Candidate
from tests.unit.cli.conftest import Mlops, trained
from tests.unit.inference.building import V1, manifest_of

SAMCONFIG = """\
[default.global.parameters]
stack_name = "pipeline"
parameter_overrides = []
"""
FOLDER = f"models/{V1}"
OUTPUTS = {
    "StoreName": "pipeline-store",
    "ApiFunctionName": "api",
    "BatchFunctionName": "batch",
    "ReleaseStateMachineArn": "arn:machine",
    "AlarmsTopicArn": "arn:topic",
    "ApiLogGroupName": "logs",
    "ApiAlarmNames": "errors",
}


@pytest.fixture
def pinned(mlops: Mlops, registered: str) -> str:
    Path("samconfig.toml").write_text(SAMCONFIG)
    mlops("pin", "churn", V1)
    return registered


@pytest.fixture
def aws(aws_settings: pytest.MonkeyPatch) -> Iterator[None]:
    with mock_aws():
        yield


def content(store: str) -> dict[str, bytes]:
    files = (path for path in Path(store).rglob("*") if path.is_file())
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


def create_stack(outputs: dict[str, str]) -> None:
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    boto3.client("cloudformation").create_stack(
        StackName="pipeline", TemplateBody=json.dumps(template)
    )


def test_what_is_pinned_is_registered_in_the_other_store(mlops: Mlops, pinned: str) -> None:
    ran = mlops("copy", "--to", "other", "--json")
    assert ran.document == {"to": "other", "copied": [pinned], "there": []}
    assert mlops("models", "--store", "other", "--json").document[0]["pin"] == pinned
    models = [
        {name: found for name, found in content(store).items() if name.startswith("models/")}
        for store in (".mlops", "other")
    ]
    assert models[0] == models[1]


def test_a_version_can_be_named(mlops: Mlops, pinned: str, tmp_path: Path) -> None:
    trained(tmp_path / "other-candidate", "b")
    arguments = ("register", "churn", "--candidate", tmp_path / "other-candidate", "--json")
    second = mlops(*arguments).document["pin"]
    assert mlops("copy", "--pin", second, "--to", "other").out == f"other has {second}\n"
    (copied,) = mlops("models", "--store", "other", "--json").document
    assert copied["pin"] == second


def test_repeating_it_changes_nothing(mlops: Mlops, pinned: str) -> None:
    mlops("copy", "--to", "other")
    before = content("other")
    assert mlops("copy", "--to", "other").code == 0
    assert content("other") == before


def test_an_interrupted_copy_is_mended_by_another(mlops: Mlops, pinned: str) -> None:
    mlops("copy", "--to", "other")
    for lost in (f"other/{FOLDER}/manifest.json", "other/registry/registry.sqlite"):
        Path(lost).unlink()
    mlops("copy", "--to", "other")
    assert mlops("show", V1, "--store", "other").code == 0


def test_another_version_of_that_name_is_not_written_over(
    mlops: Mlops, pinned: str, tmp_path: Path
) -> None:
    trained(tmp_path / "other-candidate", "b")
    mlops("register", "churn", "--candidate", tmp_path / "other-candidate", "--store", "other")
    before = content("other")
    refusal = mlops("copy", "--to", "other").refusal
    assert refusal.startswith(f"{V1} has another manifest.json in the registry already")
    assert content("other") == before


def test_nor_is_one_whose_files_are_gone(mlops: Mlops, pinned: str, tmp_path: Path) -> None:
    trained(tmp_path / "other-candidate", "b")
    mlops("register", "churn", "--candidate", tmp_path / "other-candidate", "--store", "other")
    shutil.rmtree(Path("other", FOLDER))
    before = content("other")
    refusal = mlops("copy", "--to", "other").refusal
    assert refusal.startswith(f"{V1} has another manifest.json in the registry already")
    assert content("other") == before


@pytest.mark.parametrize("file", ["model.onnx", "model.joblib", "manifest.json"])
def test_nothing_is_copied_that_was_tampered_with(mlops: Mlops, pinned: str, file: str) -> None:
    path = Path(".mlops", FOLDER, file)
    path.write_bytes(path.read_bytes() + b" ")
    assert "sha256:" in mlops("copy", "--to", "other").refusal
    assert not Path("other").exists()


def test_a_manifest_with_figures_of_its_own_is_refused(mlops: Mlops, candidate: Candidate) -> None:
    """It could not be made again from its files, and its pin would be another one there."""
    made = manifest_of(candidate.files)
    manifest = Manifest(V1, made.provenance, {"accuracy": 1.0}, made.files)
    pin = open_registry(".mlops").versions.write(manifest, candidate.files)
    refusal = mlops("copy", "--pin", pin, "--to", "other").refusal
    assert refusal == f"{V1}: its metrics are not those of its files"
    assert not Path("other").exists()


def test_what_only_the_other_store_has_stays_there(mlops: Mlops, pinned: str) -> None:
    mlops("copy", "--to", "other")
    ran = mlops("copy", "--to", "other", "--store", "empty", "--json")
    assert ran.document == {"to": "other", "copied": [], "there": [pinned]}
    assert (
        ran.err
        == f"Not copied, because empty does not have it, but other has it already: {pinned}\n"
    )


def test_what_neither_has_is_an_error(mlops: Mlops, pinned: str) -> None:
    refusal = mlops("copy", "--to", "other", "--store", "empty").refusal
    assert refusal == f"MLOPS_STORE: neither empty nor other has {pinned}"


def test_another_one_of_that_name_in_the_other_store_alone(
    mlops: Mlops, pinned: str, tmp_path: Path
) -> None:
    trained(tmp_path / "other-candidate", "b")
    mlops("register", "churn", "--candidate", tmp_path / "other-candidate", "--store", "other")
    refusal = mlops("copy", "--to", "other", "--store", "empty").refusal
    assert f"the pin says {Pin.parse(pinned).digest}" in refusal


def test_nothing_pinned(mlops: Mlops) -> None:
    Path("samconfig.toml").write_text(SAMCONFIG)
    ran = mlops("copy", "--to", "other")
    assert (ran.code, ran.err) == (0, "Nothing is pinned, so there is nothing to copy.\n")


@pytest.mark.usefixtures("aws")
def test_the_store_of_the_stack_in_samconfig(mlops: Mlops, pinned: str) -> None:
    boto3.client("s3").create_bucket(
        Bucket="pipeline-store", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    create_stack(OUTPUTS)
    assert mlops("copy").out == f"s3://pipeline-store has {pinned}\n"
    assert mlops("show", V1, "--store", "s3://pipeline-store").code == 0


@pytest.mark.usefixtures("aws")
def test_a_stack_that_is_not_there_yet_is_said(mlops: Mlops, pinned: str) -> None:
    ran = mlops("copy", "--stack", "first", "--json")
    assert (ran.code, ran.document) == (0, {"to": None, "copied": [], "there": []})
    assert ran.err.startswith("Nothing to copy to yet: stack first: there is no such stack")


@pytest.mark.usefixtures("aws")
def test_a_stack_that_has_nothing_yet_is_said(mlops: Mlops, pinned: str) -> None:
    """As one whose first deployment has failed, or is still under way."""
    create_stack({})
    ran = mlops("copy")
    assert ran.code == 0
    assert ran.err == "Nothing to copy to yet: stack pipeline is CREATE_COMPLETE\n"


@pytest.mark.usefixtures("aws")
def test_a_stack_of_something_else(mlops: Mlops, pinned: str) -> None:
    create_stack({"Other": "thing"})
    assert "it has no output StoreName" in mlops("copy").refusal


def test_aws_that_cannot_be_asked(
    mlops: Mlops, pinned: str, aws_settings: pytest.MonkeyPatch
) -> None:
    aws_settings.delenv("AWS_DEFAULT_REGION")
    assert "region" in mlops("copy").refusal


def test_a_manifest_that_would_be_written_differently_is_not_handed_on(
    mlops: Mlops, registered: str, tmp_path: Path
) -> None:
    """Elsewhere it would have another digest than the pin says."""
    file = Path(".mlops/models/churn-model-v1.0.0/manifest.json")
    content = json.dumps(json.loads(file.read_text())).encode()
    file.write_bytes(content)
    pin = f"churn-model-v1.0.0@{digest_of(content)}"
    for command in (["copy", "--to", tmp_path / "other"], ["bake"]):
        ran = mlops(*command, "--pin", pin)
        assert "the manifest is not in the form of `mlops register`" in ran.refusal
    assert not (tmp_path / "other" / "models").exists()
