"""Versions of a function: how they are published, and what tells them apart."""

from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from mlops.errors import CloudUnavailable, InvocationFailed, PinInvalid
from mlops.inference.version import Pin
from mlops.release.ports import FunctionVersion
from tests.unit.aws.played_lambda import PlayedLambda, configuration
from tests.unit.aws.playing import answer
from tests.unit.fakes import no_pause

PIN = Pin.parse(f"churn-model-v1.0.0@sha256:{'0' * 64}")

# --- publishing ----------------------------------------------------------------------------------


def state(name: str, **more: str) -> AWSResponse:
    version = FunctionVersion("2", "sha256:new", (PIN,), "")
    return answer(200, configuration(version, State=name, **more))


def test_a_version_is_waited_for() -> None:
    played, pauses = PlayedLambda(state("Pending"), state("Pending"), state("Active")), list[int]()
    published = played.function(pause=pauses.append).publish()
    assert (published.number, published.code, published.pins) == ("2", "sha256:new", (PIN,))
    # It is published once; then it is looked at.
    assert played.requests == ["POST versions", "GET configuration", "GET configuration"]
    assert pauses == [0, 1]


def test_a_version_of_old_that_sleeps_is_not_waited_for() -> None:
    assert PlayedLambda(state("Inactive")).function().publish().number == "2"


def test_a_version_that_cannot_start_says_why() -> None:
    failed = state("Failed", StateReason="the image is gone")
    with pytest.raises(InvocationFailed, match="version 2 is Failed: the image is gone"):
        PlayedLambda(state("Pending"), failed).function(pause=no_pause).publish()


def test_a_version_is_not_waited_for_for_ever() -> None:
    played = PlayedLambda(*(state("Pending", StateReason="creating") for _ in range(100)))
    with pytest.raises(CloudUnavailable, match="version 2 is Pending: creating, after 60 tries"):
        played.function(pause=no_pause).publish()
    assert len(played.requests) == 60


def conflict() -> AWSResponse:
    return answer(409, {"Message": "an update is in progress"}, "ResourceConflictException")


def test_an_update_under_way_is_waited_for() -> None:
    played, pauses = PlayedLambda(conflict(), conflict()), list[int]()
    assert played.function(pause=pauses.append).publish().number == "1"
    assert played.requests == ["POST versions"] * 3
    assert pauses == [0, 1]


def test_an_update_under_way_is_not_waited_for_for_ever() -> None:
    played = PlayedLambda(*(conflict() for _ in range(100)))
    with pytest.raises(CloudUnavailable, match="an update is in progress, after 60 tries"):
        played.function(pause=no_pause).publish()


# --- waking --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rejected",
    [
        answer(409, {"Message": "pending optimization"}, "CodeArtifactUserPendingException"),
        answer(502, {"Message": "the function is inactive"}, "ResourceNotReadyException"),
    ],
)
def test_what_sleeps_is_asked_and_waited_for(rejected: AWSResponse) -> None:
    played = PlayedLambda(state("Inactive"), rejected, state("Pending"), state("Active"))
    pauses = list[int]()
    assert played.function(pause=pauses.append).wait_until_active("2", {}).code == "sha256:new"
    look = "GET configuration"
    assert played.requests == [look, "POST invocations", look, look]
    assert pauses == [0, 1]


def test_what_is_awake_is_not_asked() -> None:
    played = PlayedLambda()
    assert played.function().wait_until_active("1", {}) == played.function().describe("1")
    assert played.requests == ["GET configuration"] * 2


def test_what_says_nothing_of_its_state_is_awake() -> None:
    found = configuration(FunctionVersion("2", "sha256:new", (PIN,), ""))
    del found["State"]
    assert PlayedLambda(answer(200, found)).function().wait_until_active("2", {}).number == "2"


def test_what_cannot_be_woken_says_why() -> None:
    failed = state("Failed", StateReason="the image is gone")
    with pytest.raises(InvocationFailed, match="version 2 is Failed: the image is gone"):
        PlayedLambda(failed).function().wait_until_active("2", {})


def test_nobody_waits_for_ever_for_what_sleeps_on() -> None:
    played = PlayedLambda(*(state("Pending", StateReason="restoring") for _ in range(100)))
    with pytest.raises(InvocationFailed, match="api:2 .* is Pending: restoring, after 60 tries"):
        played.function(pause=no_pause).wait_until_active("2", {})
    assert len(played.requests) == 60


def test_who_may_not_wake_it_is_told_so() -> None:
    denied = answer(403, {"Message": "no lambda:InvokeFunction"}, "AccessDeniedException")
    with pytest.raises(CloudUnavailable, match="no lambda:InvokeFunction"):
        PlayedLambda(state("Inactive"), denied).function().wait_until_active("2", {})


# --- what a version is ---------------------------------------------------------------------------


def described(**changed: Any) -> FunctionVersion:
    version = FunctionVersion("1", "sha256:new", (PIN,), "")
    played = PlayedLambda(answer(200, configuration(version, **changed)))
    return played.function().describe("1")


@pytest.mark.parametrize(
    "changed",
    [
        {"MemorySize": 1770},
        {"Timeout": 16},
        {"Architectures": ["arm64"]},
        {"EphemeralStorage": {"Size": 1024}},
        {"Role": "arn:aws:iam::123456789012:role/other"},
        {"ImageConfigResponse": {"ImageConfig": {"Command": ["other"]}}},
        {"Environment": {"Variables": {"MLOPS_PINS": str(PIN), "MLOPS_DOCS": "false"}}},
    ],
)
def test_settings_are_all_that_shapes_it(changed: dict[str, Any]) -> None:
    assert described(**changed).settings != described().settings


def test_settings_are_neither_code_nor_pins_nor_state() -> None:
    other = described(
        CodeSha256="other",
        Environment={"Variables": {}},
        LastModified="2026-01-01T00:00:00.000+0000",
        RevisionId="other",
        State="Inactive",
        Version="2",
    )
    assert other.settings == described().settings
    assert (other.code, other.pins, other.number) == ("other", (), "2")


def test_settings_have_no_order() -> None:
    one, two = {"A": "1", "B": "2"}, {"B": "2", "A": "1"}
    first = described(Environment={"Variables": one})
    assert first.settings == described(Environment={"Variables": two}).settings


def test_a_function_without_an_environment() -> None:
    version = FunctionVersion("1", "sha256:new", (), "")
    found = configuration(version)
    del found["Environment"]
    assert PlayedLambda(answer(200, found)).function().describe("1").pins == ()


def test_pins_that_cannot_be_read() -> None:
    with pytest.raises(PinInvalid):
        described(Environment={"Variables": {"MLOPS_PINS": "churn"}})


def test_an_environment_that_cannot_be_decrypted_is_not_an_empty_one() -> None:
    error = {"ErrorCode": "KMSAccessDeniedException", "Message": "no right to the key"}
    with pytest.raises(CloudUnavailable, match="function api:1: .* no right to the key"):
        described(Environment={"Error": error})
