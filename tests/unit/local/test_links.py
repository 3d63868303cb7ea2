from datetime import UTC, datetime, timedelta

import pytest

from mlops.errors import StoreUnavailable
from mlops.local.links import ServedLinks

NOW = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)


@pytest.mark.parametrize("served_at", ["http://127.0.0.1:8000", "http://127.0.0.1:8000/"])
def test_links_lead_to_the_server(served_at: str) -> None:
    links = ServedLinks(served_at, seconds=600, now=lambda: NOW)
    key = "batch/arn=3a/ü?.csv"
    url = "http://127.0.0.1:8000/local/batch/arn%3D3a/%C3%BC%3F.csv"
    upload, download = links.upload(key, 12), links.download(key)
    assert (upload.url, download.url) == (f"{url}?bytes=12", url)
    assert upload.headers == {"Content-Length": "12", "If-None-Match": "*"}
    for link in (upload, download):
        assert link.expires_at == NOW.replace(microsecond=0) + timedelta(minutes=10)


@pytest.mark.parametrize("key", ["batch/../models/x", "/batch/x", "batch//x", "batch/.x", ""])
def test_what_is_no_key_has_no_link(key: str) -> None:
    links = ServedLinks("http://127.0.0.1:8000", seconds=600, now=lambda: NOW)
    with pytest.raises(StoreUnavailable):
        links.upload(key, 1)
    with pytest.raises(StoreUnavailable):
        links.download(key)
