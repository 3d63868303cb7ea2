"""A function on Lambda: what Lambda may answer, and what becomes of it."""

import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws

from mlops.aws.functions import LambdaFunction
from mlops.errors import (
    CloudUnavailable,
    FunctionGone,
    InvocationFailed,
    MlopsError,
    TrafficChanged,
    TrafficRefused,
)
from mlops.inference.version import Pin
from mlops.release.note import Note, Reached
from tests.unit.aws.played_lambda import PlayedLambda, client, refused
from tests.unit.aws.playing import NOBODYS, answer
from tests.unit.fakes import no_pause
from tests.unit.release.alias_contract import AliasContract, Deployed

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

PIN = Pin.parse(f"churn-model-v1.0.0@sha256:{'0' * 64}")

NOTE = Note("release-1", Reached.BEGIN, "1", "2", "1", "2")


class TestLambdaFunction(AliasContract):
    """Against Lambda's API as strict as Lambda is."""

    @pytest.fixture
    def deployed(self) -> Deployed:
        played, codes = PlayedLambda(), map(str, itertools.count())

        def break_handler() -> None:
            played.broken = True

        return Deployed(
            function=played.function(),
            deploy=lambda: played.fake.deploy(code=next(codes)),
            remove_version=played.fake.remove,
            remove_alias=played.fake.remove_alias,
            remove_function=played.fake.remove_function,
            break_handler=break_handler,
        )


# --- moving --------------------------------------------------------------------------------------


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore waits for nothing between its attempts."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=no_pause))


def two_versions(played: PlayedLambda) -> str:
    played.fake.deploy(code="second")
    played.fake.publish()
    return played.fake.traffic().revision


def test_a_move_whose_answer_got_lost_was_made(quick_retries: None) -> None:
    played = PlayedLambda()
    revision = two_versions(played)
    played.lost = 1
    moved = played.function(tries=2).move("1", {"2": 0.1}, NOTE, revision)
    assert moved == played.fake.traffic()
    assert played.fake.moves == [moved]
    assert played.requests == ["PUT aliases", "PUT aliases", "GET aliases"]


def test_a_move_that_somebody_else_was_ahead_of(quick_retries: None) -> None:
    played = PlayedLambda(ReadTimeoutError(endpoint_url="https://lambda"))
    revision = two_versions(played)
    other = played.fake.move("2", {}, None, revision)
    with pytest.raises(TrafficChanged):
        played.function(tries=2).move("1", {"2": 0.1}, None, revision)
    assert played.fake.traffic() == other


def test_a_move_that_cannot_be_is_not_asked_for() -> None:
    played = PlayedLambda()
    with pytest.raises(TrafficRefused, match="one other version"):
        played.function().move("1", {"2": 0.1, "3": 0.1}, None, "")
    assert played.requests == []


def test_lambda_says_what_it_refuses() -> None:
    refusal = answer(400, {"Message": "different roles"}, "InvalidParameterValueException")
    with pytest.raises(TrafficRefused, match="different roles"):
        PlayedLambda(refusal).function().move("1", {"2": 0.1}, None, "")


# --- invoking ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("played", "reason"),
    [
        (answer(200, ["a list"]), "no JSON object"),
        (answer(202, {}), "Lambda answers 202"),
        (answer(502, {"Message": "no image"}, "InvalidImage"), "no image"),
        (answer(409, {"Message": "not yet"}, "CodeArtifactUserPendingException"), "not yet"),
    ],
)
def test_an_answer_that_is_none(played: AWSResponse, reason: str) -> None:
    with pytest.raises(InvocationFailed, match=f"^api:1 does not answer: .*{reason}"):
        PlayedLambda(played).function().invoke("1", {})


def test_an_answer_that_is_not_json() -> None:
    garbled = answer(200, {})
    garbled.raw.write(b"<html>")
    garbled.raw.seek(0)
    with pytest.raises(InvocationFailed, match="not JSON"):
        PlayedLambda(garbled).function().invoke("1", {})


def test_a_failure_has_a_reason_that_is_not_too_long() -> None:
    failed = answer(200, {"errorType": "Runtime.ExitError", "errorMessage": "x" * 10_000})
    failed.headers["x-amz-function-error"] = "Unhandled"
    with pytest.raises(InvocationFailed, match="Unhandled, Runtime.ExitError: xxx") as caught:
        PlayedLambda(failed).function().invoke("1", {})
    assert len(str(caught.value)) < 400


# --- what can go wrong anywhere ------------------------------------------------------------------

CALLS: dict[str, Callable[[LambdaFunction], object]] = {
    "publish": lambda function: function.publish(),
    "describe": lambda function: function.describe("1"),
    "awake": lambda function: function.wait_until_active("1", {}),
    "traffic": lambda function: function.traffic(),
    "move": lambda function: function.move("1", {}, None, ""),
    "invoke": lambda function: function.invoke("1", {}),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (answer(403, {"Message": "no"}, "AccessDeniedException"), CloudUnavailable),
        (answer(429, {"Message": "no"}, "TooManyRequestsException"), CloudUnavailable),
        (answer(500, {"Message": "no"}, "ServiceException"), CloudUnavailable),
        (answer(404, {"Message": "no"}, "ResourceNotFoundException"), FunctionGone),
        (ReadTimeoutError(endpoint_url="https://lambda"), CloudUnavailable),
    ],
)
def test_lambda_that_cannot_be_used(
    call: str, fault: AWSResponse | Exception, error: type[MlopsError]
) -> None:
    with pytest.raises(error, match="function api") as caught:
        CALLS[call](PlayedLambda(fault).function())
    assert type(caught.value) is error
    assert caught.value.__cause__ is not None


# --- against moto, which knows other fields and other ways ----------------------------------------


@pytest.fixture
def simulated() -> Iterator["LambdaClient"]:
    with mock_aws():
        role = boto3.client("iam", **NOBODYS).create_role(
            RoleName="api", AssumeRolePolicyDocument="{}"
        )["Role"]["Arn"]
        made = client()
        made.create_function(
            FunctionName="api",
            Role=role,
            PackageType="Image",
            Code={
                "ImageUri": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/api@sha256:{'0' * 64}"
            },
            Environment={"Variables": {"MLOPS_PINS": str(PIN)}},
        )
        first = made.publish_version(FunctionName="api")["Version"]
        made.create_alias(FunctionName="api", Name="live", FunctionVersion=first)
        yield made


def test_a_release_on_simulated_lambda(simulated: "LambdaClient") -> None:
    function = LambdaFunction(simulated, "api", pause=refused)
    first = function.describe("1")
    assert first.pins == (PIN,)
    simulated.update_function_configuration(FunctionName="api", MemorySize=3008)
    second = function.publish()
    assert (second.number, second.code, second.pins) == ("2", first.code, first.pins)
    assert second.settings != first.settings
    assert function.describe("$LATEST").settings == second.settings

    before = function.traffic()
    canary = function.move("1", {"2": 0.1}, None, before.revision)
    assert (canary.version, dict(canary.weights)) == ("1", {"2": 0.1})
    done = function.move("2", {}, None, canary.revision)
    assert function.traffic() == done
    assert (done.version, dict(done.weights)) == ("2", {})


def test_a_function_that_simulated_lambda_has_not(simulated: "LambdaClient") -> None:
    with pytest.raises(FunctionGone):
        LambdaFunction(simulated, "nobody").traffic()
