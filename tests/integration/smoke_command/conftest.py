"""`mlops smoke` against an API on the loopback."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mlops.bootstrap.registry import open_registry
from mlops.cli import main
from mlops.inference.holdout import Holdout, holdout_to_bytes
from mlops.inference.manifest import HOLDOUT
from mlops.inference.version import ModelVersion, Pin
from mlops.models.churn.contract import CHURN
from tests.integration.batch_command.fake_api import serving
from tests.integration.smoke_command.prediction_api import (
    DIGEST,
    VERSION,
    PredictionApi,
    models,
)
from tests.unit.cli.conftest import Ran
from tests.unit.cli.test_copy import OUTPUTS, create_stack
from tests.unit.inference.building import V1, provenance, version_files

SAMCONFIG = """\
[default.global.parameters]
stack_name = "pipeline"
parameter_overrides = [{}]
"""


@pytest.fixture
def api() -> Iterator[PredictionApi]:
    with serving(PredictionApi) as played:
        played.play("GET /v1/models", *[models()] * 9)
        yield played


Smoke = Callable[..., Ran]


@pytest.fixture
def run(
    api: PredictionApi,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Smoke:
    monkeypatch.chdir(tmp_path)
    pinned(f"{VERSION}@{DIGEST}")
    monkeypatch.setenv("MLOPS_API_URL", api.url)
    for name in ("MLOPS_API_TOKEN", "MLOPS_STACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "300")

    def ran(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as stop:
            main(["smoke", *map(str, arguments)])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Ran(int(stop.value.code or 0), captured.out, captured.err)

    return ran


def pinned(*pins: str) -> None:
    Path("samconfig.toml").write_text(SAMCONFIG.format(f'"Pins={",".join(pins)}"'))


EXAMPLE: Mapping[str, Any] = next(iter(CHURN.examples.values()))
ROWS = [{**EXAMPLE, "customer_id": f"row {row}", "tenure": row} for row in range(1, 41)]


def register(
    store: str, *rows: Mapping[str, Any], holdout: bool = True, version: ModelVersion = V1
) -> Pin:
    """The version, with a holdout of these rows."""
    files = version_files()
    if holdout:
        held_out = Holdout(tuple(map(dict, rows)), (0,) * len(rows))
        files[HOLDOUT] = holdout_to_bytes(held_out)
    registry = open_registry(store)
    registry.register(version, files, provenance())
    return registry.versions.manifest(version)[0]


@pytest.fixture
def stored(run: Smoke, api: PredictionApi) -> Pin:
    """What is pinned, in the store of this folder; it answers."""
    pin = register(".mlops", *ROWS)
    pinned(str(pin))
    api.digest = pin.digest
    return pin


@pytest.fixture
def deployed(
    run: Smoke,
    api: PredictionApi,
    aws_settings: pytest.MonkeyPatch,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Smoke]:
    """The stack of samconfig.toml: its first version serves no model, and the canary one."""
    monkeypatch.delenv("MLOPS_API_URL")
    with mock_aws():
        create_stack({**OUTPUTS, "ApiUrl": api.url})
        boto3.client("s3").create_bucket(
            Bucket=OUTPUTS["StoreName"],
            CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        )
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = boto3.client("iam").create_role(RoleName="api", AssumeRolePolicyDocument=trust)
        functions = boto3.client("lambda")
        functions.create_function(
            FunctionName="api",
            Runtime="python3.13",
            Handler="handler.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": b""},
            Publish=True,
        )
        functions.update_function_configuration(
            FunctionName="api", Environment={"Variables": {"MLOPS_PINS": f"{VERSION}@{DIGEST}"}}
        )
        functions.publish_version(FunctionName="api")
        functions.create_alias(
            FunctionName="api",
            Name="live",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}},
        )
        yield run
