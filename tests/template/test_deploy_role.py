"""The role that CI deploys with: all that the template needs, and no way to more rights."""

from fnmatch import fnmatchcase
from typing import Any

import pytest
from cfnlint.decode import decode  # type: ignore[import-untyped]  # ships no types

from tests.project.files import ROOT
from tests.template.resources import Resources, as_list, of_type, statements

FILE = ROOT / ".github" / "deploy-role.yaml"
OF_THE_STACK = "role/${StackName}-*"
BOUNDARY = {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "Boundary"}}}
GIVES_RIGHTS = {
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
}
"""Actions that AWS can make depend on the boundary of the role that they change."""
LOG_DELIVERY = {
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
}
"""What a state machine with a log needs. AWS narrows these down to no name."""
# The services by which CloudFormation makes a resource of a type.
SERVICES = {
    "AWS::ApiGatewayV2": "apigateway",
    "AWS::CloudWatch": "cloudwatch",
    "AWS::Events": "events",
    "AWS::IAM": "iam",
    "AWS::KMS": "kms",
    "AWS::Lambda": "lambda",
    "AWS::Logs": "logs",
    "AWS::S3": "s3",
    "AWS::SecretsManager": "secretsmanager",
    "AWS::SNS": "sns",
    "AWS::SQS": "sqs",
    "AWS::Serverless::Function": "lambda",
    "AWS::Serverless::StateMachine": "states",
    "AWS::StepFunctions": "states",
}


@pytest.fixture(scope="module")
def setup() -> dict[str, Any]:
    decoded, problems = decode(str(FILE))
    assert not problems
    found: dict[str, Any] = decoded["Resources"]
    return found


@pytest.fixture(scope="module")
def policy(setup: dict[str, Any]) -> list[dict[str, Any]]:
    return list(statements(setup["Role"]["Properties"]))


@pytest.fixture(scope="module")
def boundary(setup: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = setup["Boundary"]["Properties"]["PolicyDocument"]["Statement"]
    return found


def actions(policy: list[dict[str, Any]]) -> list[str]:
    assert all(statement["Effect"] == "Allow" for statement in policy)
    return [action for statement in policy for action in as_list(statement["Action"])]


def resources_of(statement: dict[str, Any]) -> list[str]:
    found = as_list(statement["Resource"])
    return [resource if isinstance(resource, str) else resource["Fn::Sub"] for resource in found]


def test_every_resource_of_the_template_can_be_deployed(
    resources: Resources, policy: list[dict[str, Any]]
) -> None:
    granted = {action.partition(":")[0] for action in actions(policy)}
    for name, resource in resources.items():
        kind: str = resource["Type"]
        service = SERVICES.get(kind) or SERVICES.get(kind.rpartition("::")[0])
        assert service, f"{kind}: say here which service makes {name}"
        assert service in granted, f"{name} needs {service} in {FILE.name}"


def test_every_secret_has_a_name_that_the_role_may_manage(
    resources: Resources, policy: list[dict[str, Any]]
) -> None:
    (managed,) = (
        found.rpartition(":")[2]
        for statement in policy
        if "secretsmanager:*" in as_list(statement["Action"])
        for found in resources_of(statement)
        if ":secretsmanager:" in found
    )
    secrets = of_type(resources, "AWS::SecretsManager::Secret")
    for name, secret in secrets.items():
        # Without a name of ours CloudFormation makes one that the stack's name is not in.
        given = secret["Name"]["Fn::Sub"].replace("${AWS::StackName}", "${StackName}")
        assert fnmatchcase(given, managed), name
    # CloudFormation asks for it to generate a secret. AWS narrows it down to no name.
    (anywhere,) = (
        statement
        for statement in policy
        if "secretsmanager:GetRandomPassword" in statement["Action"]
    )
    assert anywhere["Resource"] == "*"


def test_the_boundary_has_every_right_that_the_template_gives(
    resources: Resources, boundary: list[dict[str, Any]]
) -> None:
    bounds = actions(boundary)
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for statement in statements(role):
            for action in as_list(statement["Action"]):
                assert any(fnmatchcase(action, bound) for bound in bounds), (
                    f"{name} needs {action} in the boundary"
                )


def test_the_boundary_gives_no_right_over_rights(boundary: list[dict[str, Any]]) -> None:
    for action in actions(boundary):
        service, _, name = action.partition(":")
        assert service not in {"iam", "sts", "organizations", "account", "sso"}
        assert "*" not in name
    anywhere = [
        action
        for statement in boundary
        if "*" in as_list(statement["Resource"])
        for action in as_list(statement["Action"])
    ]
    assert set(anywhere) == {"cloudwatch:DescribeAlarms", *LOG_DELIVERY}


def test_every_role_of_the_template_takes_the_boundary(resources: Resources) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        condition, bound, none = role["PermissionsBoundary"]["Fn::If"]
        assert condition == "HasPermissionsBoundary", name
        assert bound["Fn::Sub"].endswith(":policy/${PermissionsBoundary}"), name
        assert none == {"Ref": "AWS::NoValue"}, name
    # SAM would make roles of its own for these.
    for kind in ("AWS::Serverless::Function", "AWS::Serverless::StateMachine"):
        for name, properties in of_type(resources, kind).items():
            assert "Role" in properties, name


def test_rights_are_only_given_to_bounded_roles_of_the_stack(policy: list[dict[str, Any]]) -> None:
    seen = set()
    for statement in policy:
        for action in as_list(statement["Action"]):
            if not fnmatchcase(action, "iam:*"):
                continue
            assert "*" not in action.removeprefix("iam:")
            assert all(found.endswith(OF_THE_STACK) for found in resources_of(statement))
            seen.add(action)
            if action in GIVES_RIGHTS:
                assert statement["Condition"] == BOUNDARY, action
            if action == "iam:PassRole":
                assert statement["Condition"]["StringEquals"]["iam:PassedToService"]
    assert seen >= GIVES_RIGHTS
    assert not seen & {"iam:DeleteRolePermissionsBoundary", "iam:CreatePolicyVersion", "iam:*"}
    assert not {"*", "sts:AssumeRole", "sts:*"} & set(actions(policy))


def test_the_role_and_its_boundary_are_not_among_the_roles_that_it_may_change(
    setup: dict[str, Any],
) -> None:
    names = [
        setup["Role"]["Properties"]["RoleName"],
        setup["Boundary"]["Properties"]["ManagedPolicyName"],
    ]
    for name in names:
        assert not name["Fn::Sub"].startswith("${StackName}")
        assert not fnmatchcase(name["Fn::Sub"], "${StackName}-*")


def test_wildcards_of_a_service_are_bound_to_the_stack_s_names(
    policy: list[dict[str, Any]],
) -> None:
    for statement in policy:
        if any(action.endswith(":*") for action in as_list(statement["Action"])):
            for resource in resources_of(statement):
                # An API has an id of AWS's own.
                allowed = ("${StackName}", "aws-sam-cli-managed-default", ":apigateway:")
                assert any(part in resource for part in allowed), resource


def test_only_one_environment_of_one_repository_may_assume_the_role(setup: dict[str, Any]) -> None:
    (trust,) = setup["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    (conditions,) = trust["Condition"].values()
    assert list(trust["Condition"]) == ["StringEquals"]
    assert conditions == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": {"Ref": "Subject"},
    }
