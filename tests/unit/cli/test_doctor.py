"""`mlops doctor`: what it compares where, its exit codes, and its JSON."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from moto.cloudformation.models import cloudformation_backends

from tests.unit.cli.conftest import Mlops, Ran
from tests.unit.inference.building import V1

SAMCONFIG = """\
[default.global.parameters]
stack_name = "mlops-pipeline"
parameter_overrides = [
    "Architecture=x86_64",
]
"""
OUTPUTS = {
    "StoreName": "stack-store",
    "ApiFunctionName": "api",
    "BatchFunctionName": "batch",
    "ReleaseFunctionName": "release",
    "ReleaseStateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:release",
    "AlarmsTopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms",
    "ApiLogGroupName": "logs",
    "ApiAlarmNames": "errors",
    "AlarmNames": "errors,dead-letters",
}


@pytest.fixture
def pinned(mlops: Mlops, registered: str, tmp_path: Path) -> str:
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    assert mlops("pin", "churn", V1).code == 0
    return registered


@pytest.fixture
def aws(aws_settings: pytest.MonkeyPatch) -> Iterator[None]:
    aws_settings.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws():
        yield


def deploy(name: str, pin: str, outputs: dict[str, str]) -> None:
    """A stack with these outputs, a bucket, a state machine; its functions were deleted since."""
    template = {
        "Parameters": {key: {"Type": "String"} for key in ("Pins", "Architecture")},
        "Resources": {"Store": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}},
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    parameters = {"Pins": pin, "Architecture": "x86_64"}
    boto3.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    )
    boto3.client("stepfunctions").create_state_machine(
        name="release",
        definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        roleArn="arn:aws:iam::123456789012:role/release",
    )
    boto3.client("s3").create_bucket(
        Bucket="stack-store", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )


def found_gone(ran: Ran) -> str:
    """The functions of these stacks were deleted; one of them is named."""
    (what,) = [one["what"] for one in ran.document if "There is no function" in one["what"]]
    return str(what)


def test_here_with_no_stack_asked(mlops: Mlops, pinned: str) -> None:
    ran = mlops("doctor", "--local", "--json")
    (note,) = ran.document
    assert ran.code == 0
    assert note == {
        "severity": "note",
        "what": "No stack is compared: only the pins, the registry and the store",
        "why": "It was asked for with --local.",
        "command": "",
    }
    assert "Run:" not in mlops("doctor", "--local").out


def test_here_where_nothing_was_made_yet_no_command_needs_a_stack(
    mlops: Mlops, pinned: str, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / ".mlops")
    ran = mlops("doctor", "--local", "--json")
    assert ran.code == 1
    commands = [found["command"] for found in ran.document]
    assert commands == [f"mlops register churn --version {V1} --store .mlops", ""]


def test_what_is_wrong_here_is_exit_code_1(mlops: Mlops, pinned: str, tmp_path: Path) -> None:
    Path(f".mlops/models/{V1}/model.onnx").unlink()
    Path(".mlops/registry/registry.sqlite").write_bytes(b"no database")
    ran = mlops("doctor", "--local", "--json")
    assert ran.code == 1
    commands = [found["command"] for found in ran.document if found["severity"] == "error"]
    rebuild = "mlops registry rebuild --store .mlops"
    register = f"mlops register churn --version {V1} --store .mlops"
    assert commands == [rebuild, register]
    text = mlops("doctor", "--local").out
    assert "error: The registry in .mlops cannot be read\n  " in text
    assert f"\n  Run: {rebuild}\n" in text


def test_what_it_proposes_mends(mlops: Mlops, pinned: str) -> None:
    Path(f".mlops/models/{V1}/model.onnx").unlink()
    Path(".mlops/registry/registry.sqlite").unlink()
    for _ in range(3):
        found = mlops("doctor", "--local", "--json").document
        for one in found:
            if one["severity"] != "note":
                command, *arguments = one["command"].split()
                assert command == "mlops"
                assert mlops(*arguments).code == 0
    assert [one["severity"] for one in found] == ["note"]


def test_a_stack_that_is_not_deployed(mlops: Mlops, pinned: str, aws: None) -> None:
    ran = mlops("doctor", "--json")
    (note,) = ran.document
    assert (ran.code, note["severity"], note["command"]) == (0, "note", "make deploy")
    assert "stack mlops-pipeline: there is no such stack in eu-west-1" in note["why"]


def test_a_stack_that_cannot_be_asked_after(
    mlops: Mlops, pinned: str, aws_settings: pytest.MonkeyPatch
) -> None:
    aws_settings.delenv("AWS_DEFAULT_REGION")
    ran = mlops("doctor", "--json")
    (found,) = ran.document
    assert (ran.code, found["severity"]) == (1, "error")
    assert found["what"] == "Stack mlops-pipeline cannot be read, and is not compared"
    assert found["why"] == "cloudformation: You must specify a region."
    assert found["command"] == "aws sts get-caller-identity"


def test_a_stack_that_is_being_created(mlops: Mlops, pinned: str, aws: None) -> None:
    deploy("mlops-pipeline", pinned, {})
    (note,) = mlops("doctor", "--json").document
    assert note["why"] == "Stack mlops-pipeline has no outputs yet."


def test_a_stack_whose_creation_has_failed(mlops: Mlops, pinned: str, aws: None) -> None:
    deploy("other", pinned, {})
    for stack in cloudformation_backends["123456789012"]["eu-west-1"].stacks.values():
        stack.status = "ROLLBACK_COMPLETE"
    ran = mlops("doctor", "--stack", "other", "--json")
    error, note = ran.document
    assert (ran.code, error["severity"], note["severity"]) == (1, "error", "note")
    assert error["what"] == "The stack other is ROLLBACK_COMPLETE"
    assert error["command"].endswith("sam deploy --stack-name other")


@pytest.mark.parametrize(
    ("name", "option", "command"),
    [
        ("mlops-pipeline", [], "make deploy"),
        ("other", ["--stack", "other"], "sam deploy --stack-name other"),
    ],
)
def test_a_stack_is_compared_with_its_own_store(
    mlops: Mlops, pinned: str, aws: None, name: str, option: list[str], command: str
) -> None:
    deploy(name, pinned, OUTPUTS)
    ran = mlops("doctor", *option, "--json")
    assert ran.code == 1
    found = {one["what"]: one["command"] for one in ran.document}
    missing = f"{V1}, which is committed, deployed, is not in s3://stack-store"
    suffix = " --stack other" if option else ""
    assert found == {
        missing: f"mlops copy{suffix}",
        found_gone(ran): command,
    }


def test_all_alarms_of_a_stack_are_asked_for(mlops: Mlops, pinned: str, aws: None) -> None:
    deploy("mlops-pipeline", pinned, OUTPUTS)
    cloudwatch = boto3.client("cloudwatch")
    for name in ("dead-letters", "errors", "mlops-pipeline-by-hand"):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SQS",
            MetricName="Messages",
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            Threshold=0,
        )
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    found = {one["what"]: one["why"] for one in mlops("doctor", "--json").document}
    assert "none begins but by" in found["Alarms are in state ALARM: errors"]
    assert found["Alarms are in state ALARM: dead-letters"] == "They hold up no release."
    assert "by-hand" not in str(found)


def test_a_stack_of_something_else(mlops: Mlops, pinned: str, aws: None) -> None:
    deploy("mlops-pipeline", pinned, {"Other": "output"})
    (found,) = mlops("doctor", "--json").document
    assert found["what"] == "Stack mlops-pipeline cannot be read, and is not compared"
    assert "is it deployed from this template?" in found["why"]


@pytest.mark.parametrize("content", [None, "parameter_overrides = 3"])
def test_a_samconfig_that_cannot_be_read(
    mlops: Mlops, registered: str, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "samconfig.toml").write_text(content)
    ran = mlops("doctor", "--json")
    error, note = ran.document
    assert ran.code == 1
    assert error["what"] == "samconfig.toml cannot be read, and is not compared"
    assert error["command"] == "git restore samconfig.toml"
    assert note["why"] == "No stack is named."


def test_a_store_that_cannot_be_one(mlops: Mlops, pinned: str) -> None:
    assert "a store is a folder" in mlops("doctor", "--local", "--store", "ftp://x").refusal


def test_a_wrong_command_line_is_exit_code_2(mlops: Mlops) -> None:
    assert mlops("doctor", "everything").code == 2
