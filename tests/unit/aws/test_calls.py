"""The clients: set up as the AWS CLI is, and bounded in what they wait for."""

from collections.abc import Callable
from typing import Any

import pytest

from mlops.aws.alarms import cloudwatch_client
from mlops.aws.executions import stepfunctions_client
from mlops.aws.functions import lambda_client
from mlops.aws.links import presigning_client
from mlops.aws.notices import sns_client
from mlops.aws.observations import logs_client
from mlops.aws.s3 import s3_client
from mlops.aws.sqs import sqs_client
from mlops.aws.stacks import cloudformation_client
from mlops.errors import CloudUnavailable

CLIENTS: dict[str, Callable[[], Any]] = {
    "cloudformation": cloudformation_client,
    "cloudwatch": cloudwatch_client,
    "lambda": lambda_client,
    "logs": logs_client,
    "sns": sns_client,
    "stepfunctions": stepfunctions_client,
}


@pytest.mark.parametrize("service", CLIENTS)
def test_a_profile_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(CloudUnavailable, match=f"^{service}: .*no-such-profile"):
        CLIENTS[service]()


@pytest.mark.parametrize("service", CLIENTS)
def test_an_endpoint_that_is_no_url(aws_settings: pytest.MonkeyPatch, service: str) -> None:
    aws_settings.setenv("AWS_ENDPOINT_URL", "garbage")
    with pytest.raises(CloudUnavailable, match=f"^{service}: .*garbage"):
        CLIENTS[service]()


@pytest.mark.parametrize("service", CLIENTS)
def test_the_client_is_set_up_by_the_environment(
    aws_settings: pytest.MonkeyPatch, service: str
) -> None:
    aws_settings.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    meta = CLIENTS[service]().meta
    assert (meta.service_model.service_name, meta.region_name) == (service, "eu-west-1")
    assert meta.endpoint_url == "http://127.0.0.1:4566"


@pytest.mark.parametrize("opened", [*CLIENTS.values(), presigning_client, s3_client, sqs_client])
@pytest.mark.parametrize(("said", "region"), [("eu-north-1", "eu-north-1"), ("", "eu-west-1")])
def test_the_region_is_the_one_that_the_aws_cli_would_take(
    aws_settings: pytest.MonkeyPatch, opened: Callable[[], Any], said: str, region: str
) -> None:
    aws_settings.setenv("AWS_REGION", said)
    assert opened().meta.region_name == region


@pytest.mark.parametrize("service", CLIENTS)
def test_the_client_is_patient_within_bounds(
    aws_settings: pytest.MonkeyPatch, service: str
) -> None:
    config = CLIENTS[service]().meta.config
    invokes = service == "lambda"
    assert config.retries == {"mode": "standard", "total_max_attempts": 3 if invokes else 4}
    assert (config.connect_timeout, config.read_timeout) == (2, 30 if invokes else 10)
