"""What a stack is made of, and one that is not there."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from mlops.aws.stacks import Stack, StackDeployments, describe_stack
from mlops.errors import CloudUnavailable, StackNotFound
from tests.unit.aws.playing import NOBODYS, REGION, attempts

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEMPLATE = {
    "Parameters": {"Pin": {"Type": "String"}},
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"Pinned": {"Value": {"Ref": "Pin"}}},
}


def client() -> "CloudFormationClient":
    return boto3.client("cloudformation", config=attempts(1), **NOBODYS)


def test_outputs_parameters_and_status() -> None:
    with mock_aws():
        made = client()
        made.create_stack(
            StackName="mlops",
            TemplateBody=json.dumps(TEMPLATE),
            Parameters=[{"ParameterKey": "Pin", "ParameterValue": "churn"}],
        )
        found = describe_stack(made, "mlops")
    expected = Stack("mlops", "CREATE_COMPLETE", {"Pinned": "churn"}, {"Pin": "churn"}, AT)
    assert replace(found, changed_at=AT) == expected
    assert found.changed_at.tzinfo is not None


def test_a_stack_that_has_neither() -> None:
    with mock_aws():
        made = client()
        bare = json.dumps({"Resources": TEMPLATE["Resources"]})
        made.create_stack(StackName="mlops", TemplateBody=bare)
        found = describe_stack(made, "mlops")
    assert (found.outputs, found.parameters, found.half_done) == ({}, {}, None)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("UPDATE_IN_PROGRESS", "is under way (UPDATE_IN_PROGRESS), whose release begins"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "is under way (UPDATE_ROLLBACK_IN_PROGRESS)"),
        ("UPDATE_FAILED", "failed half way (UPDATE_FAILED); mlops doctor"),
        ("UPDATE_ROLLBACK_FAILED", "failed half way (UPDATE_ROLLBACK_FAILED)"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None),
        ("UPDATE_COMPLETE", None),
        ("UPDATE_ROLLBACK_COMPLETE", None),
        ("CREATE_IN_PROGRESS", None),
    ],
)
def test_a_deployment_that_is_half_done(status: str, words: str | None) -> None:
    made = client()
    with Stubber(made) as stubber:
        stack = {
            "StackName": "mlops",
            "StackStatus": status,
            "CreationTime": AT - timedelta(days=1),
            "LastUpdatedTime": AT,
        }
        stubber.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "mlops"})
        stubber.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "mlops"})
        found = StackDeployments(made, "mlops").half_done()
        assert describe_stack(made, "mlops").changed_at == AT
    assert found is None if words is None else words in (found or "")


def test_a_stack_that_is_not_there() -> None:
    with mock_aws(), pytest.raises(StackNotFound, match=f"^stack mlops: .*no such .*{REGION}"):
        describe_stack(client(), "mlops")


@pytest.mark.parametrize("code", ["AccessDenied", "ValidationError"])
def test_a_stack_that_cannot_be_asked_after(code: str) -> None:
    made = client()
    with Stubber(made) as stubber:
        stubber.add_client_error("describe_stacks", code, "not so")
        with pytest.raises(CloudUnavailable, match=f"^stack mlops: .*{code}.*not so"):
            describe_stack(made, "mlops")
