"""The role that CI deploys with: all that the template needs, and no way to more rights."""

from fnmatch import fnmatchcase
from typing import Any

import pytest
from cfnlint.decode import decode
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

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
MADE_BY_SAM = {
    "AWS::Serverless::Function": "AWS::Lambda::Function",
    "AWS::Serverless::StateMachine": "AWS::StepFunctions::StateMachine",
}
NEEDED_FOR = {
    "codedeploy:*": {"UpdatePolicy"},
    "ec2:*": {"VpcConfig"},
    "elasticfilesystem:*": {"FileSystemConfigs"},
    "kms:CreateGrant": {"KmsKeyArn"},
    "kms:Decrypt": {"EncryptionConfiguration", "KmsKeyArn"},
    "kms:Encrypt": {"KmsKeyArn"},
    "kms:GenerateDataKey": {"EncryptionConfiguration", "KmsKeyArn"},
    "s3files:*": {"FileSystemConfigs"},
    "s3tables:*": {"MetadataConfiguration", "MetadataTableConfiguration"},
}
"""Actions that CloudFormation needs for some properties only, none of which the template has."""
NEVER_GRANTED = {
    "firehose:TagDeliveryStream",  # of a log group's delivery, which the template has none of
    "iam:DeleteRolePermissionsBoundary",  # the boundary is there to stay
    "s3:REST.PUT.OBJECT",  # the name of an operation in S3's log: there is no such action
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


def actions_for(kind: str) -> set[str]:
    """Return what CloudFormation does to create, read, update and delete a resource."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", MADE_BY_SAM.get(kind, kind))
    handlers: dict[str, dict[str, list[str]]] = schema.schema["handlers"]
    tags: list[str] = schema.schema["tagging"].get("permissions", [])
    steps = {"create", "read", "update", "delete"} & handlers.keys()
    assert "create" in steps, kind
    return {*tags, *(action for step in steps for action in handlers[step]["permissions"])}


def is_about_the_stack(statement: dict[str, Any]) -> bool:
    """Whether a statement is about resources of the stack: by name, or because they have none."""
    marks = ("${StackName}", ":apigateway:", ":key/*")
    return any(
        resource == "*" or any(mark in resource for mark in marks)
        for resource in resources_of(statement)
    )


def test_every_resource_of_the_template_can_be_created_changed_and_deleted(
    resources: Resources, policy: list[dict[str, Any]]
) -> None:
    granted = [action.lower() for action in actions([*filter(is_about_the_stack, policy)])]
    for name, resource in resources.items():
        given = resource.keys() | resource.get("Properties", {}).keys()
        for action in actions_for(resource["Type"]) - NEVER_GRANTED:
            unused = (
                fnmatchcase(action, pattern) and not properties & given
                for pattern, properties in NEEDED_FOR.items()
            )
            is_granted = any(fnmatchcase(action.lower(), pattern) for pattern in granted)
            assert is_granted or any(unused), f"{name} needs {action} in {FILE.name}"


def test_the_origins_of_pages_may_be_set_on_the_bucket(
    resources: Resources, policy: list[dict[str, Any]]
) -> None:
    assert "CorsConfiguration" in resources["Store"]["Properties"]
    assert "s3:PutBucketCORS" in actions_for("AWS::S3::Bucket")
    (buckets,) = (
        resources_of(statement) for statement in policy if "s3:*" in as_list(statement["Action"])
    )
    # The bucket has no name of its own, so CloudFormation makes one of the stack's.
    assert "BucketName" not in resources["Store"]["Properties"]
    assert "arn:${AWS::Partition}:s3:::${StackName}-*" in buckets


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
