import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.aws.s3 import s3_client
from tests.unit.fakes import BUCKET

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of an S3 in another process."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.s3_server"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


@pytest.fixture
def bucket_location(
    s3_server: str, aws_settings: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """A store in a bucket of that server, with a prefix of the test's own."""
    aws_settings.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    client = s3_client()
    if BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
    return f"s3://{BUCKET}/{request.node.name}"


@pytest.fixture(params=["folder", "bucket"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of each kind."""
    if request.param == "folder":
        return str(tmp_path / "store")
    found: str = request.getfixturevalue("bucket_location")
    return found
