"""What a submitter gets: complete, in order, the same bytes each time."""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mlops.batch.job import Format
from tests.unit.batch.bench import HEADER, START, Bench, csv_of
from tests.unit.batch.files import as_format, as_rows, rows
from tests.unit.inference.building import predicted

COLUMNS = ["customer_id", "churn_probability", "risk_category", "model_version", "prediction_id"]
FORMATS = pytest.mark.parametrize("format", Format)


@FORMATS
@pytest.mark.parametrize("count", [1, 20_001])
def test_every_row_is_there_in_its_order(format: Format, count: int) -> None:
    bench = Bench()
    bench.submit(as_format(rows(count), format), format)
    bench.drain()
    found = as_rows(bench.results(format), format)
    assert [row["customer_id"] for row in found] == [f"C{n // 2}" for n in range(count)]
    assert list(found[0]) == COLUMNS
    assert [float(row["churn_probability"]) for row in found] == pytest.approx(
        [predicted(n % 73) for n in range(count)],
        abs=2e-6,  # its sum is of float32
    )
    assert len({row["prediction_id"] for row in found}) == count
    assert as_rows(bench.errors(format), format) == []


@FORMATS
@pytest.mark.parametrize("output", Format)
def test_any_format_to_any_other(format: Format, output: Format) -> None:
    bench = Bench()
    wrong = {"customer_id": "X", "tenure": -1, "monthly_charges": 1.0}
    bench.submit(as_format([*rows(3), wrong], format), format, output)
    bench.drain()
    assert len(as_rows(bench.results(output), output)) == 3
    (error,) = as_rows(bench.errors(output), output)
    assert (int(error["row"]), error["field"], error["type"]) == (4, "tenure", "greater_than_equal")


@pytest.mark.parametrize("order", ["in order", "last chunk first"])
def test_the_same_job_gives_the_same_bytes(order: str) -> None:
    content = as_format(rows(20_001), Format.CSV_GZIP)
    written = []
    for hour in (12, 18):
        bench = Bench()
        bench.clock.time = START.replace(hour=hour)
        bench.submit(content, Format.CSV_GZIP)
        bench.step()
        if order == "last chunk first" and hour == 18:
            bench.queue.waiting.reverse()
        bench.drain()
        written.append(bench.written())
    assert written[0] == written[1]


def test_errors_name_row_and_line() -> None:
    text = (
        "\ufeff" + HEADER + '"C\r\n1",1,1\r\n\r\nC2,,2\r\nC3,3\r\nC4,4,4,4\r\n"C5",x,-5\r\nC6,6,6'
    )
    bench = Bench()
    bench.submit(text.replace("\r\n", "\n").replace("\n", "\r\n").encode())
    bench.drain()
    found = [
        (int(error["row"]), int(error["line"]), error["field"], error["type"])
        for error in as_rows(bench.errors(), Format.CSV)
    ]
    assert [error["detail"] for error in as_rows(bench.errors(), Format.CSV)][1:3] == [
        "2 cells; the header has 3",
        "4 cells; the header has 3",
    ]
    assert found == [
        (2, 5, "tenure", "missing"),
        (3, 6, "row", "cells"),
        (4, 7, "row", "cells"),
        (5, 8, "tenure", "int_type"),
        (5, 8, "monthly_charges", "greater_than_equal"),
    ]
    kept = [row["customer_id"] for row in as_rows(bench.results(), Format.CSV)]
    assert kept == ["C\r\n1", "C6"]


def test_a_row_that_is_not_utf8_is_one_error_with_its_line() -> None:
    content = csv_of(5).replace(b"C3", "C\xfc3".encode("latin-1"))
    bench = Bench()
    bench.submit(content)
    bench.drain()
    (error,) = as_rows(bench.errors(), Format.CSV)
    assert (error["row"], error["line"], error["field"], error["type"], error["detail"]) == (
        *("3", "4", "row", "encoding"),
        "line 4 is not UTF-8",
    )
    assert len(as_rows(bench.results(), Format.CSV)) == 4


@pytest.mark.parametrize("undecodable", [b"", b"C\xff,1,2\n"])
def test_a_first_row_of_nothing_but_a_byte_order_mark_is_an_error_of_that_row(
    undecodable: bytes,
) -> None:
    bench = Bench()
    bench.submit(HEADER.encode() + b"\n\xef\xbb\xbf\nC1,24,79.5,\nC2,24,79.5\n" + undecodable)
    bench.drain()
    errors = as_rows(bench.errors(), Format.CSV)
    assert [(error["row"], error["detail"]) for error in errors[:2]] == [
        ("1", "1 cell; the header has 3"),
        ("2", "4 cells; the header has 3"),
    ]
    assert [row["customer_id"] for row in as_rows(bench.results(), Format.CSV)] == ["C2"]


def test_ids_that_begin_with_a_byte_order_mark_come_back_as_they_were_sent() -> None:
    sent = [f"\ufeffC{number}" for number in range(10_001)]
    bench = Bench()
    bench.submit((HEADER + "".join(f"{name},24,79.5\n" for name in sent)).encode())
    bench.drain()
    assert [row["customer_id"] for row in as_rows(bench.results(), Format.CSV)] == sent


def test_rows_of_wrong_form_are_told_apart_whatever_is_between_them() -> None:
    content = HEADER.encode() + b'C1,1,1\n\nC2,2\n\r\nC\xff3,3,3\n"C\n4",4\n\nC5,5,5\nC\xff6,6\n'
    bench = Bench()
    bench.submit(content)
    bench.drain()
    found = [
        (error["row"], error["line"], error["type"], error["detail"])
        for error in as_rows(bench.errors(), Format.CSV)
    ]
    assert found == [
        ("2", "4", "cells", "2 cells; the header has 3"),
        ("3", "6", "encoding", "line 6 is not UTF-8"),
        ("4", "7", "cells", "2 cells; the header has 3"),
        ("6", "11", "encoding", "line 11 is not UTF-8"),
    ]
    kept = [row["customer_id"] for row in as_rows(bench.results(), Format.CSV)]
    assert kept == ["C1", "C5"]


@FORMATS
@pytest.mark.parametrize("bad", [range(1, 5_001), range(5_001, 10_001), range(1, 20_001)])
def test_where_no_row_was_predicted_results_have_the_same_columns(
    format: Format, bad: Sequence[int]
) -> None:
    """All rows of a slice, of a chunk, or of the whole job were refused."""
    bench = Bench()
    bench.submit(csv_of(max(10_000, *bad), bad=bad), output=format)
    bench.drain()
    assert bench.status().rows_failed == len(bad)
    assert len(as_rows(bench.results(format), format)) == bench.status().rows_done
    if format is Format.PARQUET:
        types = parquet.read_schema(pa.BufferReader(bench.results(format))).types
        assert types == [pa.string(), pa.float64(), pa.string(), pa.string(), pa.string()]


def test_lines_count_on_through_chunks() -> None:
    content = csv_of(20_001, bad=[10_000, 10_001, 20_001])
    bench = Bench()
    bench.submit(content)
    bench.drain()
    found = [(error["row"], error["line"]) for error in as_rows(bench.errors(), Format.CSV)]
    assert found == [("10000", "10001"), ("10001", "10002"), ("20001", "20002")]


def test_a_thousand_bad_rows_of_many_do_not_keep_the_others() -> None:
    bench = Bench()
    bench.submit(csv_of(10_000, bad=range(1, 1_001)))
    bench.drain()
    status = bench.status()
    assert (status.rows_done, status.rows_failed, status.rows_total) == (9_000, 1_000, 10_000)


@pytest.mark.parametrize(
    "risky",
    [
        *(
            "=1+1",
            "+1-1",
            "-A1",
            "+1 (555)",
            "-+49170",
            "+",
            "'=1+1",
            "'x",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "\nx",
            "＝1+1",
            "＋1",
            "－1",
            "＠SUM(A1)",
        ),
        "=cmd|' /C calc'!A0",
    ],
)
def test_no_cell_is_a_formula(risky: str) -> None:
    row = {"customer_id": risky, "tenure": 1, "monthly_charges": 1.0}
    bench = Bench()
    bench.submit(as_format([row], Format.JSONL), Format.JSONL, Format.CSV)
    bench.drain()
    (found,) = as_rows(bench.results(), Format.CSV)
    assert found["customer_id"] == f"'{risky}"


def test_an_id_that_is_a_number_is_left_as_it_is() -> None:
    ids = ["+491701234567", "-12", "+1.5", "-1e5", "0049", "C1"]
    rows = [{"customer_id": name, "tenure": 1, "monthly_charges": 1.0} for name in ids]
    bench = Bench()
    bench.submit(as_format(rows, Format.JSONL), Format.JSONL, Format.CSV)
    bench.drain()
    assert [row["customer_id"] for row in as_rows(bench.results(), Format.CSV)] == ids


def test_escaped_ids_can_be_told_from_those_with_apostrophes() -> None:
    ids = ["=1", "'=1", "''=1", "+1 (555)", "'", "it's"]
    rows = [{"customer_id": name, "tenure": 1, "monthly_charges": 1.0} for name in ids]
    bench = Bench()
    bench.submit(as_format(rows, Format.JSONL), Format.JSONL, Format.CSV)
    bench.drain()
    found = [row["customer_id"] for row in as_rows(bench.results(), Format.CSV)]
    assert len(set(found)) == len(ids)
    assert [name[1:] if name.startswith("'") else name for name in found] == ids


def test_formulas_are_not_escaped_where_the_submitter_says_so() -> None:
    ids = ["=1+1", "'x", "+49 170"]
    rows = [{"customer_id": name, "tenure": 1, "monthly_charges": 1.0} for name in ids]
    bench = Bench()
    bench.submit(as_format(rows, Format.JSONL), Format.JSONL, Format.CSV, escape_formulas=False)
    bench.drain()
    assert [row["customer_id"] for row in as_rows(bench.results(), Format.CSV)] == ids


def test_a_strangers_field_name_is_no_formula() -> None:
    row = {"customer_id": "a", "tenure": 1, "monthly_charges": 1.0, "=1+1": 1}
    bench = Bench()
    bench.submit(as_format([row], Format.JSONL), Format.JSONL, Format.CSV)
    bench.drain()
    (found,) = as_rows(bench.errors(), Format.CSV)
    assert found["field"] == "'=1+1"


def test_ids_of_other_formats_are_left_as_they_are() -> None:
    row = {"customer_id": "=ключ \U0001f600\n", "tenure": 1, "monthly_charges": 1.0}
    bench = Bench()
    bench.submit(as_format([row], Format.JSONL), Format.JSONL)
    bench.drain()
    (found,) = as_rows(bench.results(Format.JSONL), Format.JSONL)
    assert found["customer_id"] == row["customer_id"]


def test_prediction_ids_tell_the_row_and_differ_between_jobs() -> None:
    bench = Bench()
    for job_id in ("job-1", "job-2"):
        bench.submit(csv_of(3), job_id=job_id)
    bench.drain()
    first, second = (
        [row["prediction_id"] for row in as_rows(bench.results(job_id=job_id), Format.CSV)]
        for job_id in ("job-1", "job-2")
    )
    assert not set(first) & set(second)
    assert [int(prediction_id[-12:]) for prediction_id in first] == [1, 2, 3]
    assert all(len(prediction_id) == len("pred_") + 32 for prediction_id in first)


@pytest.mark.parametrize(
    ("column", "kind", "reason"),
    [
        ("tenure", pa.string(), "tenure is string, not a number"),
        ("tenure", pa.bool_(), "tenure is bool, not a number"),
        ("monthly_charges", pa.date32(), "monthly_charges is date32[day], not a number"),
        ("monthly_charges", pa.timestamp("ms"), "monthly_charges is timestamp[ms], not a number"),
        ("customer_id", pa.int64(), "customer_id is int64, not text"),
        ("customer_id", pa.list_(pa.string()), "customer_id is list"),
    ],
)
def test_parquet_of_the_wrong_types(column: str, kind: pa.DataType, reason: str) -> None:
    fields = {"customer_id": pa.string(), "tenure": pa.int64(), "monthly_charges": pa.float64()}
    table = pa.table({name: pa.nulls(2, kind) for name, kind in (fields | {column: kind}).items()})
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    bench = Bench()
    bench.submit(sink.getvalue(), Format.PARQUET)
    bench.drain()
    assert f"columns of the wrong type: {reason}" in (bench.status().reason or "")


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_parquet_as_other_programs_write_texts(kind: pa.DataType) -> None:
    table = pa.table(
        {
            "customer_id": pa.array(["a", "b"]).cast(kind),
            "tenure": pa.array([1.0, 2.0], pa.float32()),
            "monthly_charges": pa.array([1, 2], pa.uint8()),
            "partner": pa.array(["Yes", None]).cast(kind),
            "gender": pa.nulls(2),
        }
    )
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    bench = Bench()
    bench.submit(sink.getvalue(), Format.PARQUET)
    bench.drain()
    assert bench.status().rows_done == 2
