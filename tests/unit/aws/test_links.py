"""Presigned URLs: what they say. That S3 takes them is tested against a server."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import pytest

from mlops.aws.links import PresignedLinks, presigning_client
from mlops.batch.ports import Link
from mlops.errors import StoreUnavailable

NOW = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)
KEY = "batch/uploads/arn=3aaws/5f1c.csv"


@pytest.fixture
def settings(aws_settings: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a Lambda, with nothing of this machine's own."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        aws_settings.delenv(name, raising=False)
    aws_settings.setenv("AWS_SESSION_TOKEN", "token")
    aws_settings.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return aws_settings


def links(prefix: str = "") -> PresignedLinks:
    return PresignedLinks(presigning_client(), "store", prefix, seconds=600, now=lambda: NOW)


def both(key: str, prefix: str = "") -> list[Link]:
    return [links(prefix).upload(key, 12), links(prefix).download(key)]


@pytest.mark.parametrize(
    ("number", "signed"), [(0, "content-length;host;if-none-match"), (1, "host")]
)
def test_a_link_names_the_region_and_is_signed_in_the_new_way(
    settings: pytest.MonkeyPatch, number: int, signed: str
) -> None:
    url = urlsplit(both(KEY, "team/")[number].url)
    assert (url.scheme, url.netloc) == ("https", "store.s3.eu-west-1.amazonaws.com")
    assert url.path == "/team/batch/uploads/arn%3D3aaws/5f1c.csv"
    query = parse_qs(url.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["600"]
    # Of other headers and of checksums a plain client would not know that it has to send them.
    assert query["X-Amz-SignedHeaders"] == [signed]
    assert [name for name in query if "checksum" in name.lower()] == []


def test_what_it_says_of_its_end_is_not_too_late(settings: pytest.MonkeyPatch) -> None:
    """A signature knows whole seconds."""
    assert links().download(KEY).expires_at == NOW.replace(microsecond=0) + timedelta(minutes=10)


def is_valid(link: str, headers: Mapping[str, str]) -> bool:
    """Check the signature of a PUT as S3 does: over the signed headers as they arrive."""
    url = urlsplit(link)
    query = dict(parse_qsl(url.query))
    claimed = query.pop("X-Amz-Signature")
    names = query["X-Amz-SignedHeaders"].split(";")
    sent = {"host": url.netloc} | {name.lower(): value for name, value in headers.items()}
    canonical = "\n".join(
        [
            "PUT",
            url.path,
            urlencode(sorted(query.items()), quote_via=quote, safe="-_.~"),
            *(f"{name}:{sent.get(name, '')}" for name in names),
            "",
            query["X-Amz-SignedHeaders"],
            "UNSIGNED-PAYLOAD",
        ]
    )
    date, region, service, ending = query["X-Amz-Credential"].split("/")[1:]
    scope = f"{date}/{region}/{service}/{ending}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, digest])
    key = b"AWS4test"
    for part in (date, region, service, ending, text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex() == claimed


def test_an_upload_of_another_size_or_over_an_object_is_not_signed(
    settings: pytest.MonkeyPatch,
) -> None:
    link = links().upload(KEY, 12)
    assert link.headers == {"Content-Length": "12", "If-None-Match": "*"}
    assert is_valid(link.url, link.headers)
    assert is_valid(link.url, {**link.headers, "Content-Type": "text/csv"})
    for wrong in (
        {"Content-Length": "13", "If-None-Match": "*"},
        {"Content-Length": "12"},
        {"If-None-Match": "*"},
        {"Content-Length": "12", "If-None-Match": '"another"'},
    ):
        assert not is_valid(link.url, wrong)


def test_an_upload_is_not_a_download(settings: pytest.MonkeyPatch) -> None:
    upload, download = both(KEY)
    assert upload.url != download.url


@pytest.mark.parametrize("endpoint", ["http://localhost:4566", "http://127.0.0.1:4566"])
def test_another_endpoint_is_kept(settings: pytest.MonkeyPatch, endpoint: str) -> None:
    settings.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    assert links().download("batch/x").url.startswith(f"{endpoint}/store/batch/x?X-Amz-")


@pytest.mark.parametrize("key", ["batch/../models/x", "/batch/x", "batch//x", "batch/.x", ""])
def test_what_is_no_key_has_no_link(settings: pytest.MonkeyPatch, key: str) -> None:
    with pytest.raises(StoreUnavailable):
        links().upload(key, 1)
    with pytest.raises(StoreUnavailable):
        links().download(key)


def test_no_credentials(settings: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        settings.delenv(name)
    with pytest.raises(StoreUnavailable, match="credentials"):
        links().download(KEY)


def test_a_profile_that_does_not_exist(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(StoreUnavailable, match="no-such-profile"):
        presigning_client()
