"""Parquet of other programs, and files that would cost more than a reader may have."""

import gzip
import io
import random
import resource
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mlops.batch import parquet_input, splitting
from mlops.batch.job import Format, Limits
from mlops.batch.predicting import read
from mlops.batch.splitting import split
from mlops.errors import InputRefused
from mlops.models.churn.contract import CHURN
from tests.unit.batch.bench import Bench

DATA = Path(__file__).parent / "data"
ROW: dict[str, Any] = {"customer_id": ["a"], "tenure": [1], "monthly_charges": [20.5]}


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink, **options)
    return sink.getvalue()


def split_up(content: bytes) -> pa.Table:
    chunks = [chunk.content for chunk in split(content, Format.PARQUET, Limits())]
    return pa.concat_tables([parquet.read_table(pa.BufferReader(chunk)) for chunk in chunks])


def reason_of(content: bytes) -> str:
    bench = Bench()
    bench.submit(content, Format.PARQUET)
    bench.drain()
    return bench.status().reason or ""


@pytest.mark.parametrize("kind", [pa.decimal128(10, 2), pa.decimal256(40, 2), pa.decimal64(12, 2)])
def test_decimals_are_the_numbers_that_their_digits_say(kind: pa.DataType) -> None:
    generator = random.Random(1)  # noqa: S311 -- the same at each run
    numbers = [Decimal(generator.randrange(100_000_000)) / 100 for _ in range(5_000)]
    charges = pa.array([*numbers, None]).cast(kind)
    others = {"customer_id": ["a"] * len(charges), "tenure": [1] * len(charges)}
    (chunk,) = split(
        written(pa.table({**others, "monthly_charges": charges})), Format.PARQUET, Limits()
    )
    found = read(chunk, Format.PARQUET, CHURN).cells["monthly_charges"]
    assert found.values[:-1].tolist() == [*map(float, numbers)]
    assert found.given.tolist() == [True] * len(numbers) + [False]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("monthly_charges", pa.array([Decimal("20.50")], pa.decimal128(10, 2))),
        ("monthly_charges", pa.array([20.5], pa.float64()).cast(pa.float16())),
        ("monthly_charges", pa.array([20], pa.uint64())),
        ("tenure", pa.array([1], pa.uint8())),
        ("tenure", pa.array([1], pa.int8()).dictionary_encode()),
        ("tenure", pa.array([1], pa.decimal128(38, 0))),
        ("customer_id", pa.array(["a"], pa.large_string())),
        ("customer_id", pa.array(["a"], pa.string_view())),
        ("customer_id", pa.array([b"a"], pa.binary())),
        ("customer_id", pa.array([b"a"], pa.large_binary())),
        ("gender", pa.array(["Male"]).dictionary_encode()),
        ("gender", pa.nulls(1)),
    ],
)
def test_numbers_and_texts_of_any_type_are_predicted(name: str, column: pa.Array) -> None:
    bench = Bench()
    bench.submit(written(pa.table({**ROW, name: column})), Format.PARQUET)
    bench.drain()
    assert bench.status().rows_done == 1


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        ("tenure", pa.array([[1]]), "tenure is list<element: int64>, not a number"),
        ("tenure", pa.array([{"a": 1}]), "tenure is struct<a: int64>, not a number"),
        ("senior_citizen", pa.array([True]), "senior_citizen is bool, not a number"),
        ("total_charges", pa.array([1], pa.timestamp("us")), "total_charges is timestamp[us], not"),
        ("total_charges", pa.array([1], pa.time32("s")), "total_charges is time32[ms], not a nu"),
        ("partner", pa.array([1]), "partner is int64, not text"),
    ],
)
def test_a_column_of_another_type_is_named_with_it(
    name: str, column: pa.Array, reason: str
) -> None:
    assert reason in reason_of(written(pa.table({**ROW, name: column})))


def test_a_column_name_that_is_not_utf8_is_refused() -> None:
    content = written(pa.table({**ROW, "abcdefgh": [1]}), store_schema=False)
    assert content.count(b"abcdefgh") > 1
    reason = reason_of(content.replace(b"abcdefgh", b"abc\xe9efgh"))
    assert reason.startswith(("The name of a column is not UTF-8", "The input is not Parquet"))


def test_an_unknown_column_is_named_whatever_its_type_is() -> None:
    reason = reason_of(written(pa.table({**ROW, "made at": pa.array([[1]])})))
    assert reason.startswith("columns that are unknown: made at. Rename columns")


def test_a_file_of_only_such_columns_is_refused_by_their_names() -> None:
    assert "missing: customer_id" in reason_of(written(pa.table({"a": [[1]], "b": [[2]]})))


def test_more_columns_than_the_limit_are_refused() -> None:
    content = written(pa.table({f"c{number}": [1] for number in range(1_001)}))
    assert reason_of(content) == "The input has more than 1,000 columns"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the limit of memory")
@pytest.mark.parametrize("name", ["long-text", "long-text-in-dictionary"])
def test_a_text_that_takes_all_memory_is_refused(name: str) -> None:
    """31 kB that hold one text of 10**9 characters, in the column or in its dictionary."""
    content = gzip.decompress((DATA / f"{name}.parquet.gz").read_bytes())
    assert len(content) < 32_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert reason_of(content) == "Reading the Parquet file takes too much memory"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "in kB"


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_texts_that_are_written_as_differences_are_predicted(encoding: str) -> None:
    rows = pa.table({name: values * 3 for name, values in {**ROW, "gender": ["Male"]}.items()})
    encodings = {"customer_id": encoding, "gender": encoding}
    bench = Bench()
    bench.submit(written(rows, use_dictionary=False, column_encoding=encodings), Format.PARQUET)
    bench.drain()
    assert (bench.status().reason, bench.status().rows_done) == (None, 3)


def test_a_long_text_that_is_repeated_by_differences_is_refused() -> None:
    rows = pa.table(
        {name: values * 1_000 for name, values in {**ROW, "gender": ["x" * 20_000]}.items()}
    )
    content = written(rows, use_dictionary=False, column_encoding={"gender": "DELTA_BYTE_ARRAY"})
    assert len(content) < 100_000
    assert reason_of(content) == "1,000 rows of the input have more than 16,777,216 bytes"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the limit of time")
def test_a_file_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "SECONDS", 1)
    many = pa.table({f"c{column}": [f"{row}" for row in range(20_000)] for column in range(200)})
    with pytest.raises(InputRefused, match="takes more than 1 seconds"):
        list(split(written(many), Format.PARQUET, Limits()))


def test_a_file_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_input, "MAX_FILE_BYTES", 1_000)
    content = written(pa.table(ROW))
    with pytest.raises(InputRefused, match="A Parquet file may have 1,000 bytes"):
        list(split(content, Format.PARQUET, Limits()))


def test_a_reader_that_does_not_start_is_a_fault_of_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another try may find it: nothing is wrong with the file."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ChildProcessError, match="cannot be started"):
        list(split(written(pa.table(ROW)), Format.PARQUET, Limits()))


def test_the_reader_has_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "AWS_SECRET_ACCESS_KEY" not in parquet_input._environment()
    assert split_up(written(pa.table(ROW))).num_rows == 1
