"""Signatures, computed a second time as AWS documents it, by somebody who only sees the request."""

import hashlib
import hmac
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from mlops.aws.signing import RequestSigner
from mlops.errors import ConfigInvalid

HOST = "abc123.execute-api.eu-west-1.amazonaws.com"
URL = f"https://{HOST}/v1/predict/batch/job_1/retry"
KEY, PHRASE = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PHRASE)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def signed_again(method: str, url: str, headers: dict[str, str], body: bytes, region: str) -> str:
    """What Authorization has to be, given all else that arrives."""
    arrived = {name.lower(): value for name, value in headers.items()} | {
        "host": urlsplit(url).netloc
    }
    names = headers["Authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    lines = [f"{name}:{arrived[name].strip()}" for name in names.split(";")]
    digest = hashlib.sha256(body).hexdigest()
    canonical = "\n".join([method, urlsplit(url).path, "", *lines, "", names, digest])
    time = headers["X-Amz-Date"]
    scope = f"{time[:8]}/{region}/execute-api/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{PHRASE}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashed])
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={KEY}/{scope}"
    return f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"


@pytest.mark.parametrize(
    ("method", "headers", "body"),
    [
        ("GET", {"Accept": "application/json"}, None),
        ("POST", {"Content-Type": "application/json", "Idempotency-Key": "a b"}, b'{"a": 1}'),
        ("DELETE", {}, None),
    ],
)
def test_what_arrives_is_what_was_signed(
    method: str, headers: dict[str, str], body: bytes | None
) -> None:
    signed = RequestSigner(HOST)(method, URL, headers, body)
    assert signed.items() >= headers.items()
    assert signed["Authorization"] == signed_again(method, URL, signed, body or b"", "eu-west-1")
    for name in ("host", "x-amz-date", *map(str.lower, headers)):
        assert name in signed["Authorization"].partition("SignedHeaders=")[2]


def test_another_body_would_not_do() -> None:
    signed = RequestSigner(HOST)("POST", URL, {}, b"sent")
    assert signed["Authorization"] != signed_again("POST", URL, signed, b"changed", "eu-west-1")


def test_credentials_for_a_while_carry_their_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    signed = RequestSigner(HOST)("GET", URL, {}, None)
    assert signed["X-Amz-Security-Token"] == "session"
    assert signed["Authorization"] == signed_again("GET", URL, signed, b"", "eu-west-1")


@pytest.mark.parametrize(
    ("host", "environment", "region"),
    [
        (HOST, {"AWS_REGION": "us-east-1"}, "eu-west-1"),
        ("abc.execute-api.cn-north-1.amazonaws.com.cn", {}, "cn-north-1"),
        ("api.example.com", {"AWS_REGION": "eu-north-1"}, "eu-north-1"),
        ("api.example.com", {"AWS_DEFAULT_REGION": "eu-south-1"}, "eu-south-1"),
        (
            "api.example.com",
            {"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "us-east-1"},
            "eu-north-1",
        ),
    ],
)
def test_the_region(
    monkeypatch: pytest.MonkeyPatch, host: str, environment: dict[str, str], region: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    signed = RequestSigner(host)("GET", f"https://{host}/v1/models", {}, None)
    assert f"/{region}/execute-api/aws4_request" in signed["Authorization"]


def test_without_a_region_nothing_is_signed() -> None:
    with pytest.raises(ConfigInvalid, match="AWS_REGION: api.example.com does not tell"):
        RequestSigner("api.example.com")


def test_without_credentials_nothing_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigInvalid, match="there are none; .* MLOPS_API_TOKEN"):
        RequestSigner(HOST)


def test_a_profile_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(ConfigInvalid, match="no-such-profile"):
        RequestSigner(HOST)


def test_a_process_that_says_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    config = Path(os.environ["AWS_CONFIG_FILE"])
    config.write_text("[default]\ncredential_process = echo sign in first\n")
    with pytest.raises(ConfigInvalid, match="^AWS credentials: ") as caught:
        RequestSigner(HOST)("GET", URL, {}, None)
    assert "sign in first" not in str(caught.value), "it might have been a secret"


def test_a_role_that_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for an assumed role whose own credentials have expired: it is asked for when it signs."""

    def refused(credentials: object) -> None:
        raise ClientError({"Error": {"Code": "ExpiredToken", "Message": "old"}}, "AssumeRole")

    monkeypatch.setattr(Credentials, "get_frozen_credentials", refused)
    sign = RequestSigner(HOST)
    with pytest.raises(ConfigInvalid, match=r"^AWS credentials: .*\(ExpiredToken\).*AssumeRole"):
        sign("GET", URL, {}, None)
