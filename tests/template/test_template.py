"""What the template promises, read from the template itself."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint.decode import decode  # type: ignore[import-untyped]  # ships no types

from tests.project.files import ROOT

Resource = dict[str, Any]

PIN = "churn-model-v1.0.0@sha256:" + "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    decoded, problems = decode(str(ROOT / "template.yaml"))
    assert not problems
    assert isinstance(decoded, dict)
    return decoded


@pytest.fixture(scope="module")
def resources(template: dict[str, Any]) -> dict[str, Resource]:
    return dict(template["Resources"])


def of_type(resources: dict[str, Resource], kind: str) -> dict[str, dict[str, Any]]:
    found = {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == kind
    }
    assert found, f"no {kind} in the template"
    return found


def statements(resources: dict[str, Resource]) -> Iterator[dict[str, Any]]:
    for role in of_type(resources, "AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role
        for policy in role["Policies"]:
            yield from policy["PolicyDocument"]["Statement"]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_route_but_healthz_wants_iam_or_a_token(resources: dict[str, Resource]) -> None:
    routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
    assert {route["RouteKey"] for route in routes} == {"ANY /", "ANY /{proxy+}", "GET /healthz"}
    for route in routes:
        if route["RouteKey"] == "GET /healthz":
            assert route["AuthorizationType"] == "NONE"
        else:
            assert route["AuthorizationType"] == {"Fn::If": ["UseJwt", "JWT", "AWS_IAM"]}
            assert route["AuthorizerId"]["Fn::If"][:2] == ["UseJwt", {"Ref": "JwtAuthorizer"}]


def test_all_traffic_takes_the_alias(resources: dict[str, Resource]) -> None:
    (integration,) = of_type(resources, "AWS::ApiGatewayV2::Integration").values()
    assert integration["IntegrationUri"]["Fn::Sub"].endswith("/${ApiFunction.Arn}:live/invocations")
    (permission,) = of_type(resources, "AWS::Lambda::Permission").values()
    assert permission["FunctionName"] == {"Ref": "LiveAlias"}
    assert "${HttpApi}" in permission["SourceArn"]["Fn::Sub"]


def test_cloudformation_never_moves_the_alias(resources: dict[str, Resource]) -> None:
    """Only a changed property would, so none may depend on anything that a deployment changes."""
    assert resources["FirstVersion"]["Properties"] == {"FunctionName": {"Ref": "ApiFunction"}}
    assert resources["LiveAlias"]["Properties"] == {
        "Name": "live",
        "FunctionName": {"Ref": "ApiFunction"},
        "FunctionVersion": {"Fn::GetAtt": ["FirstVersion", "Version"]},
    }
    function = resources["ApiFunction"]["Properties"]
    assert not {"AutoPublishAlias", "DeploymentPreference", "FunctionName"} & set(function)


def test_the_stage_logs_and_throttles(resources: dict[str, Resource]) -> None:
    (stage,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    assert stage["AccessLogSettings"]["DestinationArn"] == {"Fn::GetAtt": ["AccessLogs", "Arn"]}
    assert "\n" not in stage["AccessLogSettings"]["Format"]
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "ThrottlingRate"},
        "ThrottlingBurstLimit": {"Ref": "ThrottlingBurst"},
    }


def test_the_bucket_is_private_encrypted_versioned_and_kept(
    resources: dict[str, Resource],
) -> None:
    (bucket,) = of_type(resources, "AWS::S3::Bucket").values()
    access = bucket["PublicAccessBlockConfiguration"]
    assert len(access) == 4
    assert all(access.values())
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["BucketEncryption"]
    assert {rule["Status"] for rule in bucket["LifecycleConfiguration"]["Rules"]} == {"Enabled"}
    assert resources["Store"]["DeletionPolicy"] == "Retain"
    assert resources["Store"]["UpdateReplacePolicy"] == "Retain"


def test_the_lifecycle_never_expires_what_is_current(resources: dict[str, Resource]) -> None:
    for rule in resources["Store"]["Properties"]["LifecycleConfiguration"]["Rules"]:
        assert not {"ExpirationInDays", "ExpirationDate", "Transitions"} & set(rule)


def test_the_bucket_refuses_plain_http(resources: dict[str, Resource]) -> None:
    (policy,) = of_type(resources, "AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_every_log_group_forgets(resources: dict[str, Resource]) -> None:
    for group in of_type(resources, "AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_each_function_logs_to_a_group_of_the_template(resources: dict[str, Resource]) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")
    for function in of_type(resources, "AWS::Serverless::Function").values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_no_permission_is_for_everything(resources: dict[str, Resource]) -> None:
    for statement in statements(resources):
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in as_list(statement["Action"])), statement
        assert "*" not in as_list(statement["Resource"]), statement


def test_the_api_can_read_models_and_change_nothing(resources: dict[str, Resource]) -> None:
    granted = {
        action: statement
        for statement in statements(resources)
        for action in as_list(statement["Action"])
    }
    assert set(granted) == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetObject",
        "s3:ListBucket",
    }
    assert granted["s3:GetObject"]["Resource"] == {"Fn::Sub": "${Store.Arn}/models/*"}
    assert granted["s3:ListBucket"]["Condition"] == {"StringLike": {"s3:prefix": "models/*"}}


@pytest.mark.parametrize(
    ("pin", "accepted"),
    [
        ("", True),
        (PIN, True),
        (PIN.removesuffix("f"), False),
        ("churn-model-v1.0.0", False),
        ("churn-model-latest" + PIN.removeprefix("churn-model-v1.0.0"), False),
        (PIN + ",", False),
    ],
)
def test_a_pin_names_a_version_and_its_content(
    template: dict[str, Any], pin: str, accepted: bool
) -> None:
    pattern = template["Parameters"]["ChurnPin"]["AllowedPattern"]
    assert (re.search(pattern, pin) is not None) is accepted


def test_what_a_deployment_can_choose(template: dict[str, Any]) -> None:
    parameters = template["Parameters"]
    assert parameters["Architecture"]["AllowedValues"] == ["x86_64", "arm64"]
    assert parameters["MemorySize"]["MinValue"] == 512
    assert all(parameter["Description"] for parameter in parameters.values())
    assert all("Default" in parameter for parameter in parameters.values())


def test_samconfig_sets_parameters_that_there_are(template: dict[str, Any]) -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    overrides = config["default"]["global"]["parameters"]["parameter_overrides"]
    assert {override.partition("=")[0] for override in overrides} <= set(template["Parameters"])


def test_the_image_is_built_from_the_repository(resources: dict[str, Resource]) -> None:
    metadata = resources["ApiFunction"]["Metadata"]
    assert metadata["DockerBuildTarget"] == "serve"
    assert (ROOT / metadata["DockerContext"] / metadata["Dockerfile"]).is_file()
