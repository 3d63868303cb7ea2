"""Presigned URLs: what they say. That S3 takes them is tested against a server."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from mlops.aws.links import PresignedLinks, presigning_client
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


@pytest.mark.parametrize("verb", ["upload", "download"])
def test_a_link_names_the_region_and_is_signed_in_the_new_way(
    settings: pytest.MonkeyPatch, verb: str
) -> None:
    link = getattr(links("team/"), verb)(KEY)
    url = urlsplit(link.url)
    assert (url.scheme, url.netloc) == ("https", "store.s3.eu-west-1.amazonaws.com")
    assert url.path == "/team/batch/uploads/arn%3D3aaws/5f1c.csv"
    query = parse_qs(url.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["600"]
    # A header or checksum that were signed, too, a plain client would not know to send.
    assert query["X-Amz-SignedHeaders"] == ["host"]
    assert [name for name in query if "checksum" in name.lower()] == []


def test_what_it_says_of_its_end_is_not_too_late(settings: pytest.MonkeyPatch) -> None:
    """A signature knows whole seconds."""
    assert links().download(KEY).expires_at == NOW.replace(microsecond=0) + timedelta(minutes=10)


def test_an_upload_is_not_a_download(settings: pytest.MonkeyPatch) -> None:
    assert links().upload(KEY).url != links().download(KEY).url


@pytest.mark.parametrize("endpoint", ["http://localhost:4566", "http://127.0.0.1:4566"])
def test_another_endpoint_is_kept(settings: pytest.MonkeyPatch, endpoint: str) -> None:
    settings.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    assert links().download("batch/x").url.startswith(f"{endpoint}/store/batch/x?X-Amz-")


@pytest.mark.parametrize("key", ["batch/../models/x", "/batch/x", "batch//x", "batch/.x", ""])
def test_what_is_no_key_has_no_link(settings: pytest.MonkeyPatch, key: str) -> None:
    for verb in (links().upload, links().download):
        with pytest.raises(StoreUnavailable):
            verb(key)


def test_no_credentials(settings: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        settings.delenv(name)
    with pytest.raises(StoreUnavailable, match="credentials"):
        links().download(KEY)


def test_a_profile_that_does_not_exist(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(StoreUnavailable, match="no-such-profile"):
        presigning_client()
