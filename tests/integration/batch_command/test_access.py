"""Who gets to see credentials, and how."""

import socket
from pathlib import Path

import pytest

from mlops.aws.signing import RequestSigner
from mlops.cli import api_client
from mlops.cli.answers import Job
from mlops.cli.api_client import ApiClient
from mlops.errors import ConfigInvalid
from tests.integration.batch_command.conftest import Batch
from tests.integration.batch_command.fake_api import BATCH, JOB, FakeApi
from tests.unit.aws.test_signing import KEY, PHRASE, signed_again


@pytest.mark.parametrize("token", ["token", " token\r\n"])
def test_a_token_is_sent_to_the_api_and_not_to_its_links(
    run: Batch, api: FakeApi, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("MLOPS_API_TOKEN", token)
    run("submit", "rows.csv", "--wait")
    sent = {f"{seen.method} {seen.path}": seen.headers.get("Authorization") for seen in api.seen}
    assert {name for name, value in sent.items() if value} == {
        f"POST {BATCH}/uploads",
        f"POST {BATCH}",
        f"GET {BATCH}/{JOB}",
    }
    assert set(sent.values()) == {"Bearer token", None}


UNUSABLE = [
    ("\n", "a line feed"),
    ("\r", "a carriage return"),
    ("\t", "a tab"),
    ("\x1b", "an escape character"),
    (" ", "a space"),
    ("\u20ac", "the character U+20AC (EURO SIGN)"),
    ("\u00f6", "the character U+00F6 (LATIN SMALL LETTER O WITH DIAERESIS)"),
    ("\u200b", "the character U+200B (ZERO WIDTH SPACE)"),
]


@pytest.mark.parametrize(("character", "name"), UNUSABLE)
def test_a_token_that_no_header_can_hold_is_not_shown(
    run: Batch, api: FakeApi, monkeypatch: pytest.MonkeyPatch, character: str, name: str
) -> None:
    monkeypatch.setenv("MLOPS_API_TOKEN", f"to{character}ken")
    assert run("status", JOB).refusal == (
        f"MLOPS_API_TOKEN: it contains {name}; copy the token again"
    )
    assert not api.seen


@pytest.mark.parametrize(("character", "name"), UNUSABLE)
@pytest.mark.parametrize("place", ["{0}{1}", "{1}{0}", "{0}/x{1}y"])
def test_a_character_that_no_url_has_is_named(
    run: Batch,
    api: FakeApi,
    monkeypatch: pytest.MonkeyPatch,
    character: str,
    name: str,
    place: str,
) -> None:
    monkeypatch.setenv("MLOPS_API_URL", place.format(api.url, character))
    assert run("status", JOB).refusal == (
        f"MLOPS_API_URL: it contains {name}; set it again without it"
    )
    assert not api.seen


@pytest.mark.parametrize(("character", "name"), UNUSABLE)
def test_an_idempotency_key_that_no_header_can_hold_is_a_wrong_command_line(
    run: Batch, api: FakeApi, character: str, name: str
) -> None:
    ran = run("submit", "rows.csv", "--idempotency-key", f"march{character}")
    assert (ran.code, ran.out) == (2, "")
    assert f"--idempotency-key contains {name}." in ran.err
    assert not api.seen


@pytest.mark.parametrize("header", ["Authorization", "X-Amz-Security-Token", "Other"])
@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\u20ac"])
def test_a_header_that_cannot_be_sent_is_named_and_its_value_is_not_shown(
    api: FakeApi, header: str, character: str
) -> None:
    def sign(method: str, url: str, headers: object, body: object) -> dict[str, str]:
        return {header: f"SECRET{character}"}

    with pytest.raises(ConfigInvalid, match=f"^Header {header}: it contains ") as caught:
        ApiClient(api.url, sign).ask("GET", "/v1/models")
    assert "SECRET" not in str(caught.value)
    assert ("credentials" in str(caught.value)) == (header != "Other")
    assert not api.seen


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_a_line_feed_in_an_aws_credential_is_named_and_nothing_is_shown(
    api: FakeApi, credentials: pytest.MonkeyPatch, name: str
) -> None:
    credentials.setenv(name, "SECRET\nSECRET")
    with pytest.raises(
        ConfigInvalid, match="contains a line feed; set it again without it"
    ) as caught:
        ApiClient(api.url, RequestSigner("api.example.com")).ask("GET", "/v1/models")
    assert "SECRET" not in str(caught.value)
    assert not api.seen


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PHRASE)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    return monkeypatch


def test_what_is_signed_is_what_arrives(api: FakeApi, credentials: pytest.MonkeyPatch) -> None:
    signing = ApiClient(api.url, RequestSigner("api.example.com"))
    signing.call("POST", BATCH, Job, {"model": "churn"}, {"Idempotency-Key": "mine"})
    signing.call("GET", f"{BATCH}/{JOB}", Job)
    for seen in api.seen:
        again = signed_again(
            seen.method, api.url + seen.path, dict(seen.headers), seen.body, "eu-west-1"
        )
        assert seen.headers["Authorization"] == again


def test_elsewhere_the_proxy_is_used_and_credentials_are_needed(
    run: Batch, credentials: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    credentials.setenv("https_proxy", f"http://user:pass@127.0.0.1:{port}")
    url = "https://api.example.com"
    refusal = run("status", JOB, "--url", url).refusal
    assert refusal == "api.example.com cannot be reached: Connection refused"
    credentials.delenv("AWS_ACCESS_KEY_ID")
    credentials.delenv("AWS_SECRET_ACCESS_KEY")
    assert "AWS credentials: there are none" in run("status", JOB, "--url", url).refusal


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("api.example.com", "is not the URL of an API"),
        ("ftp://api.example.com", "is not the URL of an API"),
        ("https://", "is not the URL of an API"),
        ("http://[::1", "is not the URL of an API"),
        ("http://127.0.0.1:port", "is not the URL of an API"),
        ("http://127.0.0.1:99999", "is not the URL of an API"),
        ("http://api.example.com", "must begin with https://"),
    ],
)
def test_an_address_that_nothing_is_sent_to(run: Batch, url: str, reason: str) -> None:
    refusal = run("status", JOB, "--url", url).refusal
    assert refusal.startswith(f"MLOPS_API_URL: {url}")
    assert refusal.endswith(reason)


def test_only_this_machine_is_this_machine() -> None:
    here = ("127.0.0.1", "127.8.8.8", "::1", "localhost")
    everywhere = "0.0.0.0"  # noqa: S104 -- compared with, never bound to
    elsewhere = ("10.0.0.1", everywhere, "localhost.example.com", "api.example.com")
    assert all(api_client.is_loopback(host) for host in here)
    assert not any(api_client.is_loopback(host) for host in elsewhere)
