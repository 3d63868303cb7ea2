"""What the template promises, read from the template itself."""

import re
import tomllib
from typing import Any

import pytest

from functions.api.cors import (
    ANSWER_HEADERS,
    FILE_METHODS,
    FILE_REQUEST_HEADERS,
    MAX_AGE_SECONDS,
    METHODS,
    REQUEST_HEADERS,
)
from functions.api.settings import ORIGIN, read_settings
from mlops.cli.samconfig import MOST_CHARACTERS
from tests.project.files import ROOT
from tests.template.resources import (
    Resources,
    as_list,
    granted,
    of_type,
    paths,
    statements,
)

PIN = "churn-model-v1.0.0@sha256:" + "0123456789abcdef" * 4
FUNCTIONS = {"ApiFunction": "serve", "BatchFunction": "batch", "ReleaseFunction": "release"}
"""The stage that each is built from."""
RELEASED = {
    "ApiFunction": ("FirstVersion", "LiveAlias"),
    "BatchFunction": ("BatchFirstVersion", "BatchLiveAlias"),
}
LOG_DELIVERY = {
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery"),
    *("logs:DeleteLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy"),
    *("logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
}
"""What a state machine needs for its log (AWS Step Functions Developer Guide, "Logging")."""
UNBOUNDED = [{"cloudwatch:DescribeAlarms"}, LOG_DELIVERY]
"""Actions that know no resources."""

each_function = pytest.mark.parametrize("function", FUNCTIONS)


def test_each_function_is_known_to_the_tests(resources: Resources) -> None:
    assert set(of_type(resources, "AWS::Serverless::Function")) == set(FUNCTIONS)


def test_every_route_but_healthz_wants_iam_or_a_token(resources: Resources) -> None:
    routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
    without = {"GET /healthz", "HEAD /healthz", "OPTIONS /{proxy+}"}
    assert {route["RouteKey"] for route in routes} == {"ANY /", "ANY /{proxy+}", *without}
    for route in routes:
        if route["RouteKey"] in without:
            assert route["AuthorizationType"] == "NONE"
        else:
            assert route["AuthorizationType"] == {"Fn::If": ["UseJwt", "JWT", "AWS_IAM"]}
            assert route["AuthorizerId"]["Fn::If"][:2] == ["UseJwt", {"Ref": "JwtAuthorizer"}]


def test_no_page_of_another_origin_may_call_unless_one_is_named(
    resources: Resources, template: dict[str, Any]
) -> None:
    assert template["Parameters"]["CorsOrigins"]["Default"] == ""
    condition, cors, otherwise = resources["HttpApi"]["Properties"]["CorsConfiguration"]["Fn::If"]
    assert (condition, otherwise) == ("UseCors", {"Ref": "AWS::NoValue"})
    assert resources["PreflightRoute"]["Condition"] == "UseCors"
    assert cors == {
        "AllowOrigins": {"Fn::Split": [",", {"Ref": "CorsOrigins"}]},
        "AllowMethods": METHODS,
        "AllowHeaders": REQUEST_HEADERS,
        "ExposeHeaders": ANSWER_HEADERS,
        "MaxAge": MAX_AGE_SECONDS,
    }


def test_the_pages_that_may_call_may_also_use_links_to_the_bucket(resources: Resources) -> None:
    condition, cors, otherwise = resources["Store"]["Properties"]["CorsConfiguration"]["Fn::If"]
    assert (condition, otherwise) == ("UseCors", {"Ref": "AWS::NoValue"})
    (rule,) = cors["CorsRules"]
    assert rule == {
        "AllowedOrigins": {"Fn::Split": [",", {"Ref": "CorsOrigins"}]},
        "AllowedMethods": FILE_METHODS,
        "AllowedHeaders": FILE_REQUEST_HEADERS,
        "ExposedHeaders": ["ETag"],
        "MaxAge": MAX_AGE_SECONDS,
    }


@pytest.mark.parametrize(
    ("parameter", "text", "allowed"),
    [
        ("BasePath", "", True),
        ("BasePath", "/prod", True),
        ("BasePath", "/shop/v2", True),
        ("BasePath", "/v1beta", True),
        ("BasePath", "/v1/shop", True),
        ("BasePath", "/v1", False),
        ("BasePath", "/v1/predict", False),
        ("BasePath", "/docs", False),
        ("BasePath", "prod", False),
        ("BasePath", "/prod/", False),
        ("BasePath", "/{proxy+}", False),
        ("CorsOrigins", "", True),
        ("CorsOrigins", "*", True),
        ("CorsOrigins", "https://shop.example.com", True),
        ("CorsOrigins", "https://a.example,http://localhost:3000", True),
        ("CorsOrigins", "https://a.example, http://localhost:3000", False),
        ("CorsOrigins", "http://localhost:3000", True),
        ("CorsOrigins", "http://[::1]:3000", True),
        ("CorsOrigins", "https://[2001:db8::1]", True),
        ("CorsOrigins", "https://[::ffff:192.0.2.1]:8443,https://a.example", True),
        ("CorsOrigins", "https://a.example,*", True),
        ("CorsOrigins", "http://::1:3000", False),
        ("CorsOrigins", "http://[::1", False),
        ("CorsOrigins", "http://[]", False),
        ("CorsOrigins", "http://[::1]:port", False),
        ("CorsOrigins", "https://*.example.com", False),
        ("CorsOrigins", "null", False),
        ("CorsOrigins", "shop.example.com", False),
        ("CorsOrigins", "https://shop.example.com/", False),
    ],
)
def test_a_parameter_takes_what_the_application_takes(
    template: dict[str, Any], parameter: str, text: str, allowed: bool
) -> None:
    variable = {"BasePath": "MLOPS_BASE_PATH", "CorsOrigins": "MLOPS_CORS_ORIGINS"}[parameter]
    assert bool(re.search(template["Parameters"][parameter]["AllowedPattern"], text)) is allowed
    if allowed:
        read_settings({variable: text})


def test_the_template_takes_the_same_origins_as_the_application(template: dict[str, Any]) -> None:
    """No spaces beside the commas: CloudFormation cannot remove them."""
    one = rf"(\*|{ORIGIN.pattern})"
    pattern = template["Parameters"]["CorsOrigins"]["AllowedPattern"]
    assert pattern == f"^$|^{one}(,{one})*$"


def test_all_traffic_takes_the_alias(resources: Resources) -> None:
    (integration,) = of_type(resources, "AWS::ApiGatewayV2::Integration").values()
    assert integration["IntegrationUri"]["Fn::Sub"].endswith("/${ApiFunction.Arn}:live/invocations")
    permission = of_type(resources, "AWS::Lambda::Permission")["LivePermission"]
    assert permission["FunctionName"] == {"Ref": "LiveAlias"}
    assert "${HttpApi}" in permission["SourceArn"]["Fn::Sub"]


@pytest.mark.parametrize("function", RELEASED)
def test_cloudformation_never_moves_the_alias(resources: Resources, function: str) -> None:
    """Only a changed property would, so none may depend on anything that a deployment changes."""
    version, alias = RELEASED[function]
    assert resources[version]["Properties"] == {"FunctionName": {"Ref": function}}
    assert resources[alias]["Properties"] == {
        "Name": "live",
        "FunctionName": {"Ref": function},
        "FunctionVersion": {"Fn::GetAtt": [version, "Version"]},
    }
    properties = resources[function]["Properties"]
    assert not {"AutoPublishAlias", "DeploymentPreference", "FunctionName", "Events"} & set(
        properties
    )


def test_the_stage_logs_and_throttles(resources: Resources) -> None:
    (stage,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    assert stage["AccessLogSettings"]["DestinationArn"] == {"Fn::GetAtt": ["AccessLogs", "Arn"]}
    assert "\n" not in stage["AccessLogSettings"]["Format"]
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "ThrottlingRate"},
        "ThrottlingBurstLimit": {"Ref": "ThrottlingBurst"},
    }


def test_the_bucket_is_private_encrypted_versioned_and_kept(
    resources: Resources,
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


def test_the_lifecycle_expires_what_is_current_of_batch_jobs_only(resources: Resources) -> None:
    for rule in resources["Store"]["Properties"]["LifecycleConfiguration"]["Rules"]:
        if rule.get("Prefix") != "batch/":
            assert not {"ExpirationInDays", "ExpirationDate", "Transitions"} & set(rule)


def test_the_bucket_refuses_plain_http(resources: Resources) -> None:
    (policy,) = of_type(resources, "AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_every_log_group_forgets(resources: Resources) -> None:
    for group in of_type(resources, "AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_each_function_logs_to_a_group_of_the_template(resources: Resources) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")
    for function in of_type(resources, "AWS::Serverless::Function").values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_no_permission_is_for_everything(resources: Resources) -> None:
    for role in of_type(resources, "AWS::IAM::Role").values():
        for statement in statements(role):
            assert statement["Effect"] == "Allow"
            assert not any("*" in action for action in as_list(statement["Action"])), statement
            if set(as_list(statement["Action"])) not in UNBOUNDED:
                assert "*" not in as_list(statement["Resource"]), statement


@each_function
def test_each_function_has_a_role_of_its_own(resources: Resources, function: str) -> None:
    role = function.replace("Function", "Role")
    assert resources[function]["Properties"]["Role"] == {"Fn::GetAtt": [role, "Arn"]}


def test_the_api_reads_models_and_submits_jobs_and_does_nothing_else(resources: Resources) -> None:
    may = granted(resources, "ApiRole")
    assert set(may) == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        "sqs:SendMessage",  # but not read what others have sent
    }
    assert paths(may["s3:GetObject"]) == {"models/*", "batch/*"}
    assert paths(may["s3:PutObject"]) == {"batch/*"}
    assert may["s3:ListBucket"]["Condition"] == {
        "StringLike": {"s3:prefix": ["models/*", "batch/*"]}
    }
    assert may["sqs:SendMessage"]["Resource"] == {"Fn::GetAtt": ["JobsQueue", "Arn"]}


@pytest.mark.parametrize(
    ("pin", "accepted"),
    [
        ("", True),
        (PIN, True),
        (PIN.removesuffix("f"), False),
        ("churn-model-v1.0.0", False),
        ("churn-model-latest" + PIN.removeprefix("churn-model-v1.0.0"), False),
        (PIN + ",", True),
        (f"{PIN},{PIN.replace('churn', 'loans')}", True),
        (f"{PIN}, {PIN.replace('churn', 'loans-2')}\n\n", True),
        (PIN + PIN, False),
        (f"{PIN};{PIN}", False),
    ],
)
def test_pins_name_versions_and_their_content(
    template: dict[str, Any], pin: str, accepted: bool
) -> None:
    pattern = template["Parameters"]["Pins"]["AllowedPattern"]
    assert (re.search(pattern, pin) is not None) is accepted


def test_pins_leave_room_for_the_other_variables_of_an_environment(
    template: dict[str, Any], resources: Resources
) -> None:
    """Lambda takes 4,096 bytes in all; values that a deployment fills in count 100 here."""
    assert template["Parameters"]["Pins"]["MaxLength"] == MOST_CHARACTERS
    for function in ("ApiFunction", "BatchFunction"):
        names = resources[function]["Properties"]["Environment"]["Variables"]
        others = sum(map(len, names)) + 100 * len({"MLOPS_STORE", "MLOPS_QUEUE", "MLOPS_LOG_KEY"})
        assert MOST_CHARACTERS + others <= 4_096
    assert MOST_CHARACTERS // (len(PIN) + len(",")) == 40


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


@each_function
def test_each_image_is_built_from_the_repository(resources: Resources, function: str) -> None:
    metadata = resources[function]["Metadata"]
    dockerfile = ROOT / metadata["DockerContext"] / metadata["Dockerfile"]
    stage = FUNCTIONS[function]
    assert metadata["DockerBuildTarget"] == stage
    assert f" AS {stage}\n" in dockerfile.read_text()
