"""Where the model comes from at a start, and what a start loads."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from mlops.inference.version import Pin
from tests.container.engine import build, docker, run_python, running
from tests.container.images import copy_project
from tests.container.test_events import EVENTS, body, event
from tests.integration.test_cold_start import UNWANTED

BUCKET = "store"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
REGION = {"AWS_DEFAULT_REGION": "eu-west-1"}

PREDICT = """
import json, sys, types
from functions.api.handler import lambda_handler
answer = lambda_handler(json.load(sys.stdin), types.SimpleNamespace(aws_request_id="1"))
print(answer["statusCode"], *sorted(UNWANTED & set(sys.modules)))
"""
PREDICT = f"UNWANTED = {UNWANTED!r}\n{PREDICT}"
IMPORTED = """
import functions.api.handler, sys
print(*sys.modules)
"""
LIBRARIES = """
import functions.api.handler, os
lines = open("/proc/self/maps").read().splitlines()
mapped = {line.split(maxsplit=5)[5] for line in lines if ".so" in line}
for path in mapped:
    print(os.path.getsize(path), os.path.basename(path))
"""
LIBRARY_BYTES_AT_MOST = 88_500_000
"""Half of what a function holds in memory is of them. One that grows is to be looked at."""
MODULES_AT_MOST = 550
"""Each costs time at every start, and a dependency may bring a hundred. They were 637 at first."""


@pytest.fixture(scope="module")
def bare_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Built where nothing was baked: it holds no model."""
    image = build(copy_project(tmp_path_factory.mktemp("bare")))
    yield image
    docker("image", "rm", "--force", image)


@pytest.fixture(scope="module")
def s3(trained_store: Path) -> Iterator[str]:
    """An S3 that holds the trained store; its address as a container sees it."""
    # On all interfaces: the engine's bridge, over which containers come, is not the loopback.
    server = ThreadedMotoServer(ip_address="0.0.0.0", port=0, verbose=False)  # noqa: S104 -- see above
    server.start()
    try:
        _, port = server.get_host_and_port()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 -- moto takes any
        )
        client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        for path in trained_store.rglob("*"):
            if path.is_file():
                key = str(path.relative_to(trained_store))
                client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        yield f"http://host.docker.internal:{port}"
    finally:
        server.stop()


def test_a_prediction_loads_nothing_unwanted(image: str, churn_pin: Pin) -> None:
    environment = ("--env", f"MLOPS_PINS={churn_pin}", "--env", "MLOPS_STORE=s3://store")
    sent = (EVENTS / "predict.json").read_text()
    assert run_python(image, PREDICT, *environment, stdin=sent).splitlines()[-1] == "200"


def test_a_start_imports_no_more_modules_than_stated(image: str, churn_pin: Pin) -> None:
    printed = run_python(image, IMPORTED, "--env", f"MLOPS_PINS={churn_pin}")
    modules = printed.splitlines()[-1].split()
    assert "onnxruntime" in modules, "no model was loaded, so they are not all of them"
    largest = Counter(name.partition(".")[0] for name in modules).most_common(12)
    assert len(modules) <= MODULES_AT_MOST, f"the largest packages: {dict(largest)}"


def test_a_start_maps_no_more_libraries_than_stated(image: str, churn_pin: Pin) -> None:
    printed = run_python(image, LIBRARIES, "--env", f"MLOPS_PINS={churn_pin}")
    sizes = {name: int(size) for size, name in map(str.split, printed.splitlines())}
    assert any("onnxruntime" in name for name in sizes), "no model was loaded"
    largest = sorted(sizes.items(), key=lambda entry: -entry[1])[:6]
    assert sum(sizes.values()) <= LIBRARY_BYTES_AT_MOST, f"the largest: {dict(largest)}"


def test_every_line_of_a_start_is_json(image: str, churn_pin: Pin) -> None:
    """Also of what libraries say of a read-only root, and without a home folder."""
    sent = (EVENTS / "predict.json").read_text()
    script = f"import os; os.dup2(1, 2)\n{PREDICT}"
    *log, answer = run_python(
        image, script, "--env", f"MLOPS_PINS={churn_pin}", stdin=sent
    ).splitlines()
    assert answer == "200"
    assert [json.loads(line)["message"] for line in log] == ["request"]


def test_a_model_that_is_not_baked_in_comes_from_s3(
    bare_image: str, emulator: Path, churn_pin: Pin, s3: str
) -> None:
    environment = {
        "MLOPS_PINS": str(churn_pin),
        "MLOPS_STORE": f"s3://{BUCKET}",
        "AWS_ENDPOINT_URL": s3,
        **KEYS,
        **REGION,
    }
    with running(bare_image, environment, emulator=emulator, network="bridge") as function:
        assert function.invoke(event("readyz"))["statusCode"] == 200
        answer = function.invoke(event("predict"))
    assert answer["statusCode"] == 200
    assert answer["headers"]["model-digest"] == churn_pin.digest


def test_without_a_model_anywhere_it_lives_but_is_not_ready(
    bare_image: str, emulator: Path, churn_pin: Pin
) -> None:
    with running(bare_image, {"MLOPS_PINS": str(churn_pin)}, emulator=emulator) as function:
        assert function.invoke(event("healthz"))["statusCode"] == 200
        assert function.invoke(event("readyz"))["statusCode"] == 503
        assert function.invoke(event("predict"))["statusCode"] == 503


def test_a_baked_model_of_another_digest_is_refused(
    image: str, emulator: Path, churn_pin: Pin
) -> None:
    pin = Pin(churn_pin.version, "sha256:" + "0" * 64)
    with running(image, {"MLOPS_PINS": str(pin)}, emulator=emulator) as function:
        answer = function.invoke(event("predict"))
    assert answer["statusCode"] == 503
    assert body(answer)["type"].endswith(":model-unavailable")
