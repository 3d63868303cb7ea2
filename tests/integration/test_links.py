"""Presigned URLs, used by somebody who has no credentials."""

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from mlops.batch.ports import Link
from mlops.bootstrap import open_objects, utc_now
from mlops.bootstrap.jobs import open_links

if TYPE_CHECKING:
    from http.client import HTTPResponse

CONTENT = b"customer_id,tenure\nC1,24\n"
KEY = "batch/uploads/arn=3aaws/march.csv"


def put(link: Link, content: bytes) -> int:
    request = Request(  # noqa: S310 # http, on this machine
        link.url, content, {"Content-Type": "text/csv", **link.headers}, method="PUT"
    )
    answer: HTTPResponse
    with urlopen(request, timeout=60) as answer:  # noqa: S310 # http, on this machine
        return answer.status


def get(url: str) -> bytes:
    answer: HTTPResponse
    with urlopen(url, timeout=60) as answer:  # noqa: S310 # http, on this machine
        return answer.read()


def test_what_is_uploaded_is_in_the_store(bucket_location: str) -> None:
    before = utc_now().replace(microsecond=0)
    link = open_links(bucket_location, None).upload(KEY, len(CONTENT))
    after = utc_now()
    assert put(link, CONTENT) == 200
    assert open_objects(bucket_location).get(KEY).content == CONTENT
    assert before <= link.expires_at - timedelta(hours=1) <= after


def test_an_upload_does_not_replace_an_object(bucket_location: str) -> None:
    link = open_links(bucket_location, None).upload(KEY, len(CONTENT))
    assert put(link, CONTENT) == 200
    with pytest.raises(HTTPError) as caught:
        put(link, CONTENT.replace(b"24", b"25"))
    with caught.value as answer:
        assert answer.code == 412
    assert open_objects(bucket_location).get(KEY).content == CONTENT


def test_what_is_in_the_store_is_downloaded(bucket_location: str) -> None:
    open_objects(bucket_location).create("batch/jobs/job_1/results.csv", CONTENT)
    link = open_links(bucket_location, None).download("batch/jobs/job_1/results.csv")
    assert get(link.url) == CONTENT


def test_what_is_not_there_is_a_404(bucket_location: str) -> None:
    link = open_links(bucket_location, None).download("batch/jobs/job_1/results.csv")
    with pytest.raises(HTTPError) as caught:
        get(link.url)
    with caught.value as answer:
        assert answer.code == 404
