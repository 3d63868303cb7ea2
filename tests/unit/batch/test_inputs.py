"""Inputs that cannot be predicted, or may not be."""

import gzip
import tracemalloc
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mlops.batch import splitting
from mlops.batch.job import Format, Keys, Limits
from mlops.batch.jobs import Submission
from mlops.batch.progress import JobState
from mlops.batch.splitting import split
from mlops.errors import InputForbidden, InputRefused
from mlops.inference.loading import ServedModel
from mlops.inference.version import Pin
from tests.unit.batch.bench import OWNER, Bench, csv_of, load

SMALL = csv_of(50)
HEADER = b"customer_id,tenure,monthly_charges\n"


def parquet_of(names: list[str]) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table([["a"], [1], [1], [20.0]], names=names), sink)
    return bytes(sink.getvalue())


TWICE = parquet_of(["customer_id", "tenure", "tenure", "monthly_charges"])


def test_an_input_that_was_replaced() -> None:
    bench = Bench()
    bench.submit(SMALL)
    bench.replace_input(csv_of(50))
    bench.drain()
    status = bench.status()
    assert (status.state, status.reason) == (
        JobState.FAILED,
        "The input was replaced after submission. Submit a new job",
    )
    assert bench.written() == {}


def test_an_input_that_is_gone() -> None:
    bench = Bench()
    bench.submit(SMALL)
    bench.objects.remove(f"batch/uploads/{OWNER}/job-1.csv")
    bench.drain()
    assert bench.status().reason == "The input was deleted. Upload it, and submit a new job"


@pytest.mark.parametrize(
    ("content", "format", "reason"),
    [
        (b"", Format.CSV, "The input is empty"),
        (gzip.compress(b"", mtime=0), Format.CSV_GZIP, "The input is empty"),
        (b"customer_id,tenure,monthly_charges\n", Format.CSV, "The input has no rows"),
        (b"\n\r\n\n", Format.JSONL, "The input has no rows"),
        (csv_of(101), Format.CSV, "The input has more than 100 rows"),
        (csv_of(20_001), Format.CSV, "The input has more than 100 rows"),
        (b"tenure,monthly_charges\n1,2\n", Format.CSV, "Line 1: columns that are missing"),
        (b"customer_id,tenure,monthly_charges,X\n", Format.CSV, "Line 1: columns that are unknown"),
        (gzip.compress(csv_of(0), mtime=0), Format.CSV_GZIP, "The input has no rows"),
        (b"\r\n\n", Format.CSV, "The input has no rows"),
        (b"C1,24,79.5\n", Format.CSV, "Line 1: columns that are missing"),
        (b"Y3VzdG9tZXJfaWQ=", Format.CSV, "Line 1: columns that are missing"),
        (b"\xe9,tenure", Format.CSV, "Line 1: not UTF-8"),
        (b"customer_id,tenure,monthly_charges,X\na,1,2,3", Format.CSV, "Line 1: columns that are"),
        (
            b"customer_id,tenure,tenure\na,1,2",
            Format.CSV,
            "Line 1: columns that appear twice: tenure",
        ),
        (csv_of(9).replace(b"C5", b'"C5'), Format.CSV, "Line 6: a quote that is never closed"),
        (csv_of(9).replace(b"C5", b'C"5'), Format.CSV, "Line 6: a quote that neither opens"),
        (csv_of(9).replace(b"C5", b"C\r5"), Format.CSV, "Line 6: a carriage return without"),
        (csv_of(9).decode().encode("utf-16"), Format.CSV, "The input is UTF-16"),
        (b"\xe9" + csv_of(9), Format.CSV, "Line 1: not UTF-8"),
        (csv_of(9), Format.CSV_GZIP, "The input is not gzip"),
        (
            gzip.compress(csv_of(9), mtime=0)[:-9],
            Format.CSV_GZIP,
            "The input is not gzip that can be read: it is cut off",
        ),
        (
            gzip.compress(b"x" * 2_000_000, mtime=0),
            Format.CSV_GZIP,
            "The input has more than 1,000,000 by",
        ),
        (csv_of(9), Format.PARQUET, "The input is not Parquet"),
        (TWICE, Format.PARQUET, "columns that appear twice: tenure"),
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


@pytest.mark.parametrize(
    ("make", "format"),
    [
        (lambda: HEADER + b"C1,1,1\n" + b"\n" * 300_000_000 + b"C2,1,1\n", Format.CSV_GZIP),
        (lambda: HEADER + b'C1,1,"' + b'""' * 100_000_000, Format.CSV_GZIP),
        (lambda: HEADER + b"," * 300_000_000, Format.CSV_GZIP),
        (lambda: (b'{"a":[' + b"[]," * 20_000 + b"1]}\n") * 3_000, Format.JSONL_GZIP),
    ],
    ids=["blank lines", "quotes", "commas", "arrays"],
)
def test_a_bomb_is_refused_before_it_fills_the_memory(
    make: Callable[[], bytes], format: Format
) -> None:
    """Of 300 MB that are 0.3 MB compressed, some blocks are read, and none is kept.

    Each input is made by its test: made as a parameter, it would stay in the memory of each worker.
    """
    small = gzip.compress(make(), 1)
    tracemalloc.start()
    with pytest.raises(InputRefused):
        list(split(small, format, Limits()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 600_000_000


def test_a_text_that_parquet_repeats_is_not_unfolded() -> None:
    """10,000 rows refer to one id of a megabyte: 50 kB that would become 10 GB."""
    ids = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), ["x" * 1_000_000])
    ones = pa.array([1] * 10_000)
    sink = pa.BufferOutputStream()
    table = pa.table({"customer_id": ids, "tenure": ones, "monthly_charges": ones})
    parquet.write_table(table, sink, compression="zstd")
    before = pa.total_allocated_bytes()
    bench = Bench()
    bench.submit(bytes(sink.getvalue()), Format.PARQUET)
    bench.drain()
    assert pa.total_allocated_bytes() - before < 50_000_000
    assert bench.status().rows_failed == 10_000


@pytest.mark.parametrize("group", [999, 7_000, 10_000, 25_000])
@pytest.mark.parametrize("encoded", [True, False])
def test_parquet_of_any_row_groups_is_whole(group: int, encoded: bool) -> None:
    """Columns with a dictionary end their batches where row groups end."""
    ids = pa.array([f"C{row}" for row in range(25_000)])
    ones = pa.array([1] * 25_000)
    partner = pa.array(["Yes", "No", None, "Yes", "No"] * 5_000)
    table = pa.table(
        {
            "customer_id": ids.dictionary_encode() if encoded else ids,
            "tenure": ones,
            "monthly_charges": ones,
            "partner": partner.dictionary_encode() if encoded else partner,
        }
    )
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, row_group_size=group)
    bench = Bench()
    bench.submit(bytes(sink.getvalue()), Format.PARQUET)
    bench.drain()
    assert bench.status().rows_done == 25_000
    found = parquet.read_table(pa.BufferReader(bench.results(Format.PARQUET)))
    assert found.column("customer_id").to_pylist() == ids.to_pylist()
    numbers = [int(name[-12:]) for name in found.column("prediction_id").to_pylist()]
    assert numbers == list(range(1, 25_001))


def test_each_chunk_of_parquet_has_its_own_texts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group's dictionary has all of its texts, and would count against each chunk's size."""
    monkeypatch.setattr(splitting, "MAX_CHUNK_BYTES", 400_000)
    rows = 30_000
    ids = [f"{row * 0x9E3779B97F4A7C15 % 2**64:036x}" for row in range(rows)]
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"customer_id": ids}), sink, row_group_size=rows)
    content = bytes(sink.getvalue())
    chunks = [chunk.content for chunk in split(content, Format.PARQUET, Limits())]
    found = [parquet.read_table(pa.BufferReader(chunk)) for chunk in chunks]
    assert pa.concat_tables(found).column("customer_id").to_pylist() == ids
    assert sum(map(len, chunks)) < 1.5 * len(content)


def test_long_texts_that_parquet_repeats_stay_references() -> None:
    """In each thousand rows they come in another order.

    The table refers to the texts, too: written out, they would take 600 MB.
    """
    texts = [letter * 30_000 for letter in "abc"]
    order = pa.array([row * row * 7 // 5 % 3 for row in range(20_000)], pa.int32())
    column = pa.DictionaryArray.from_arrays(order, texts)
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"customer_id": column}), sink, store_schema=False)
    chunks = [*split(bytes(sink.getvalue()), Format.PARQUET, Limits())]
    assert [chunk.rows for chunk in chunks] == [10_000, 10_000]
    for chunk in chunks:
        written = parquet.ParquetFile(pa.BufferReader(chunk.content)).metadata.row_group(0)
        assert written.total_byte_size < 200_000


@pytest.mark.parametrize("column", ["customer_id", "partner"])
@pytest.mark.parametrize("before", [0, 15_000])
def test_parquet_that_is_not_utf8_is_refused(column: str, before: int) -> None:
    """Wherever that is, nothing is predicted."""
    good = [b"Yes"] * before
    fields = {name: pa.array([*good, b"Yes"]) for name in ("customer_id", "partner")}
    fields[column] = pa.array([*good, b"\xe9"])
    fields = {
        name: pa.Array.from_buffers(pa.string(), before + 1, raw.buffers())
        for name, raw in fields.items()
    }
    sink = pa.BufferOutputStream()
    ones = pa.array([1] * (before + 1))
    parquet.write_table(pa.table({**fields, "tenure": ones, "monthly_charges": ones}), sink)
    bench = Bench()
    bench.submit(bytes(sink.getvalue()), Format.PARQUET)
    bench.drain()
    assert f"column {column} holds texts that are not UTF-8" in (bench.status().reason or "")
    assert not list(bench.objects.keys(Keys("job-1").done))


def test_a_long_row_is_named_by_its_line() -> None:
    content = csv_of(50_000) + b"C" * 70_000 + b",1,1\n" + csv_of(10)
    with pytest.raises(InputRefused, match=r"^Line 50002: a row of more than 65,536 bytes"):
        list(split(content, Format.CSV, Limits()))


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
