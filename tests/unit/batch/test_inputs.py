"""Inputs that cannot be predicted, or may not be."""

import gzip

import pytest

from mlops.batch.job import Format, Keys, Limits
from mlops.batch.jobs import Submission
from mlops.batch.progress import JobState
from mlops.errors import InputForbidden
from mlops.inference.loading import ServedModel
from mlops.inference.version import Pin
from tests.unit.batch.bench import OWNER, Bench, csv_of, load

SMALL = csv_of(50)


def test_an_input_that_was_replaced() -> None:
    bench = Bench()
    bench.submit(SMALL)
    bench.replace_input(csv_of(50))
    bench.drain()
    status = bench.status()
    assert (status.state, status.reason) == (
        JobState.FAILED,
        "The input was replaced after the job was submitted",
    )
    assert bench.written() == {}


def test_an_input_that_is_gone() -> None:
    bench = Bench()
    bench.submit(SMALL)
    bench.objects.remove(f"batch/uploads/{OWNER}/job-1.csv")
    bench.drain()
    assert bench.status().reason == "The input is gone"


@pytest.mark.parametrize(
    ("content", "format", "reason"),
    [
        (b"", Format.CSV, "The input is empty"),
        (gzip.compress(b""), Format.CSV_GZIP, "The input is empty"),
        (b"customer_id,tenure,monthly_charges\n", Format.CSV, "The input has no rows"),
        (b"\n\r\n\n", Format.JSONL, "The input has no rows"),
        (csv_of(101), Format.CSV, "The input has more than 100 rows"),
        (csv_of(20_001), Format.CSV, "The input has more than 100 rows"),
        (b"tenure,monthly_charges\n1,2\n", Format.CSV, "Line 1: columns that are missing"),
        (b"customer_id,tenure,monthly_charges,X\n", Format.CSV, "The input has no rows"),
        (b"customer_id,tenure,monthly_charges,X\na,1,2,3", Format.CSV, "Line 1: columns that are"),
        (b"customer_id,tenure,tenure\na,1,2", Format.CSV, "Line 1: columns that are twice: tenure"),
        (csv_of(9).replace(b"C5", b'"C5'), Format.CSV, "Line 6: a quote that is never closed"),
        (csv_of(9).replace(b"C5", b'C"5'), Format.CSV, "Line 6: a quote that neither opens"),
        (csv_of(9).replace(b"C5", b"C\r5"), Format.CSV, "Line 6: a carriage return without"),
        (csv_of(9).decode().encode("utf-16"), Format.CSV, "The input is UTF-16"),
        (b"\xe9" + csv_of(9), Format.CSV, "Line 1: not UTF-8"),
        (csv_of(9), Format.CSV_GZIP, "The input is not gzip"),
        (gzip.compress(csv_of(9))[:-9], Format.CSV_GZIP, "The input is not gzip, or cut off"),
        (gzip.compress(b"x" * 2_000_000), Format.CSV_GZIP, "The input has more than 1,000,000 by"),
        (csv_of(9), Format.PARQUET, "The input is not Parquet"),
    ],
)
def test_an_input_that_cannot_be_predicted(content: bytes, format: Format, reason: str) -> None:
    predicted = []

    def watched(pin: Pin) -> ServedModel:
        predicted.append(pin)
        return load(pin)

    bench = Bench(limits=Limits(rows=100, bytes=1_000_000), model=watched)
    bench.submit(content, format)
    bench.drain()  # nothing is raised: another try would end the same way
    status = bench.status()
    assert status.state is JobState.FAILED
    assert (status.reason or "").startswith(reason)
    assert bench.written() == {}
    assert not list(bench.objects.keys(Keys("job-1").done))


def test_just_the_limit_is_predicted() -> None:
    bench = Bench(limits=Limits(rows=10_000))
    bench.submit(csv_of(10_000))
    assert len(bench.queue.waiting) == 1
    bench.drain()
    assert bench.status().rows_done == 10_000
    assert not list(bench.objects.keys(Keys("job-1").chunks)), "one invocation, no chunks"


def test_one_more_than_the_limit_is_refused_before_anything_is_predicted() -> None:
    bench = Bench(limits=Limits(rows=10_000))
    bench.submit(csv_of(10_001))
    bench.drain()
    assert bench.status().reason == "The input has more than 10,000 rows"
    assert bench.written() == {}


@pytest.mark.parametrize(
    "url",
    [
        "s3://other/batch/uploads/ann/in.csv",
        "s3://store/batch/uploads/bob/in.csv",
        "s3://store/batch/uploads/ann",
        "s3://store/batch/uploads/ann/",
        "s3://store/batch/uploads/ann/../bob/in.csv",
        "s3://store/batch/uploads/ann/./in.csv",
        "s3://store/batch/uploads/ann//in.csv",
        "s3://store/batch/uploads/ann/%2e%2e/bob/in.csv",
        "s3://store/batch/uploads/ann/..%2fbob/in.csv",
        "s3://store/batch/uploads/ann/in.csv?versionId=1",
        "s3://store/batch/uploads/ann/in.csv#",
        "s3://store/batch/uploads/ann/a\\..\\in.csv",
        "s3://store/batch/uploads/ann/in\0.csv",
        "s3://store/models/churn-model-v1.0.0/model.onnx",
        "S3://store/batch/uploads/ann/in.csv",
        "https://store.s3.amazonaws.com/batch/uploads/ann/in.csv",
        "/batch/uploads/ann/in.csv",
        "",
    ],
)
def test_an_input_elsewhere_is_forbidden_and_the_store_not_asked(url: str) -> None:
    asked: list[str] = []
    bench = Bench(before=lambda operation, key: asked.append(key))
    wanted = Submission(OWNER, "churn", Format.CSV, Format.CSV, input=url)
    with pytest.raises(InputForbidden):
        bench.jobs.submit("job-1", wanted)
    assert [key for key in asked if key != Keys("job-1").job] == []
    assert not bench.queue.waiting
