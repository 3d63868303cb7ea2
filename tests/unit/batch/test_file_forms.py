"""Files that people really have: each is predicted, or its job fails with a reason that helps."""

import gzip
import io
import json
import zipfile
import zlib
from typing import Any

import pytest

from mlops.batch.job import Format, format_of
from mlops.batch.progress import JobState
from mlops.models.churn.contract import CHURN
from tests.unit.batch.bench import Bench, csv_of
from tests.unit.batch.files import as_format, as_rows, rows
from tests.unit.models.telco import as_csv, telco_rows


def gzipped(content: bytes) -> bytes:
    """Compress without the time of day, so that the workers name the tests alike."""
    return gzip.compress(content, mtime=0)


CSV = csv_of(9)
ROWS = rows(9)
PARQUET = as_format(ROWS, Format.PARQUET)
COLUMNS = {name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ROWS[0]}
SPLIT = {"columns": list(ROWS[0]), "index": [0], "data": [list(ROWS[0].values())]}
TO_FIELDS = {field.column: field.name for field in CHURN.fields} | {
    "Churn": None,
    "not in this file": "gender",
}


def reason_of(content: bytes, format: Format = Format.CSV, **options: Any) -> str:
    bench = Bench()
    bench.submit(content, format, **options)
    bench.drain()
    status = bench.status()
    assert status.state is JobState.FAILED
    return status.reason or ""


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "format", "reason"),
    [
        (CSV.replace(b",", b";"), Format.CSV, "Line 1: the line looks separated by `;`. Separate"),
        (b"\n" + CSV.replace(b",", b"\t"), Format.CSV, "Line 2: the line looks separated by a tab"),
        (gzipped(CSV.replace(b",", b"|")), Format.CSV_GZIP, "Line 1: the line looks separ"),
        (b'"customer_id";"tenure"\n"a";"1"\n', Format.CSV, "Line 1: the line looks separated by"),
        (b"sep=,\n" + CSV, Format.CSV, "Line 1: the line is `sep=,`, which is for Excel alone. De"),
        (b"\xef\xbb\xbfsep=;\r\n" + CSV, Format.CSV, "Line 1: the line is `sep=;`, which is for"),
        (gzipped(CSV), Format.CSV, "The input is compressed with gzip. Give it the format"),
        (gzipped(CSV), Format.JSONL, "The input is compressed with gzip. Give it the format"),
        *(
            (
                gzipped(inside),
                Format.CSV_GZIP,
                f"The input is compressed, and inside it is {kind}. Decompress it once, and submit",
            )
            for inside, kind in ((gzipped(CSV), "compressed with gzip"), (PARQUET, "Parquet"))
        ),
        *(
            (content, format, "The input is binary data. Give CSV, JSON lines (both plain or compr")
            for format in (Format.CSV, Format.JSONL)
            for content in (b"\x01\xfe\x03;;", b"]\0\0\x80;;;", b"\0" * 9 + b"DUCK\n\xff\n")
        ),
        (
            b",\n".join(json.dumps(row).encode() for row in ROWS),
            Format.JSONL,
            "The lines end with commas, as in a JSON array. Write one object a line, without",
        ),
        (CSV, Format.CSV_GZIP, "The input is not gzip, it is not compressed. Give it the format"),
        (PARQUET, Format.CSV_GZIP, "The input is not gzip, it is Parquet. Give it the format parq"),
        (PARQUET, Format.CSV, "The input is Parquet. Give it the format parquet"),
        (CSV, Format.PARQUET, "The input is not Parquet, it looks like text"),
        (gzipped(PARQUET), Format.PARQUET, "The input is not Parquet, it is compressed with"),
        (zipped("[Content_Types].xml"), Format.CSV, "The input is an Excel workbook (.xlsx). Give"),
        (zipped("a.csv"), Format.CSV_GZIP, "The input is not gzip, it is a ZIP archive. Give CSV"),
        (CSV.decode().encode("utf-16"), Format.CSV, "The input is UTF-16. Save it as UTF-8"),
        (CSV.decode().encode("utf-16-le"), Format.CSV, "The input is UTF-16 (without a byte order"),
        (CSV.decode().encode("utf-16-be"), Format.JSONL, "The input is UTF-16 (without a byte ord"),
        *(
            (content, format, f"The input is {kind}. {advice}")
            for format in (Format.CSV, Format.JSONL)
            for content, kind, advice in (
                (CSV.decode().encode("cp037"), "EBCDIC", "Save it as UTF-8"),
                (zlib.compress(CSV), "compressed with zlib", "Give CSV, JSON lines (both plain"),
                (b"<p>Access denied</p>", "an HTML or XML page", "Give CSV, JSON lines (both"),
            )
        ),
        (gzipped(CSV.decode().encode("cp037")), Format.CSV_GZIP, "The input is compressed, and"),
        (b'{"customer_id": "a"}\n', Format.CSV, "The input looks like JSON, not CSV. Give JSON"),
        (CSV, Format.JSONL, "The input is not JSON lines: none of its first 10 rows is a JSON obj"),
        (
            json.dumps(ROWS).encode(),
            Format.JSONL,
            "The input is one JSON array. Write one object a",
        ),
        (json.dumps(ROWS * 9_000).encode(), Format.JSONL, "The input is one JSON array. Write one"),
        (json.dumps(ROWS, indent=1).encode(), Format.JSONL, "The input is one JSON array. Write"),
        (
            b"[\n\t" + b",\n\t".join(json.dumps(row).encode() for row in ROWS) + b"\n]\n",
            Format.JSONL,
            "The input is one JSON array. Write one object a line (in pandas: to_json(",
        ),
        (
            b'["C1", 24]\n["C2", 24]\n',
            Format.JSONL,
            "The input is not JSON lines: none of its first 2 rows is a JSON object (line 1 is no",
        ),
        (
            b"customer_id\n",
            Format.JSONL,
            "The input is not JSON lines: its only row is no JSON object (line 1: expected value at"
            " column 1)",
        ),
        (b"[]", Format.JSONL, "The input is one JSON array. Write one object a line (in pandas: t"),
        (json.dumps(ROWS[0], indent=1).encode(), Format.JSONL, "The input is a JSON object that g"),
        (json.dumps(COLUMNS).encode(), Format.JSONL, "The input is one JSON object that holds a t"),
        (json.dumps(SPLIT).encode(), Format.JSONL, "The input is one JSON object that holds a tab"),
        (b'{"model": "churn", "rows": [{}]}', Format.JSONL, "The input is one JSON object that ho"),
        (b'{"a": {"x": "' + b"x" * 70_000 + b'"}}', Format.JSONL, "The input is one JSON object "),
    ],
)
def test_a_file_of_another_form_fails_and_the_reason_says_what_it_is(
    content: bytes, format: Format, reason: str
) -> None:
    assert reason_of(content, format).startswith(reason)


def test_a_wrong_header_names_missing_and_unknown_columns_and_what_to_do() -> None:
    content = b"customerID,Tenure,monthly_charges ,Churn\na,1,1,No\n"
    assert reason_of(content) == (
        "Line 1: columns that are missing: customer_id, monthly_charges, tenure; unknown:"
        " customerID (did you mean customer_id?), Tenure (did you mean tenure?),"
        " 'monthly_charges ' (did you mean monthly_charges?), Churn. Rename columns in the file,"
        " or submit it with --rename customerID=customer_id --rename Tenure=tenure"
        " --rename 'monthly_charges =monthly_charges'; leave out a column with --drop NAME"
    )


def test_a_rename_that_nobody_could_paste_is_not_suggested() -> None:
    content = "tenure,monthly_charges,\ufeffcustomer_id\n1,1,a\n".encode()
    assert "--rename NAME=FIELD;" in reason_of(content)


@pytest.mark.parametrize("format", Format)
def test_the_original_telco_file_is_predicted_with_renames(format: Format) -> None:
    if format.plain is Format.CSV:
        text = as_csv(telco_rows()[:1_000]).encode()
        content = gzip.compress(text) if format.compressed else text
    else:
        whole = {"tenure", "SeniorCitizen"}
        content = as_format(
            [
                {
                    name: int(text)
                    if name in whole
                    else (float(text) if text.strip() else None)
                    if name.endswith("Charges")
                    else text
                    for name, text in row.items()
                }
                for row in telco_rows()[:1_000]
            ],
            format,
        )
    bench = Bench()
    bench.submit(content, format, rename=TO_FIELDS)
    bench.drain()
    assert (bench.status().rows_done, bench.status().rows_failed) == (1_000, 0)
    found = [row["customer_id"] for row in as_rows(bench.results(format), format)]
    assert found == [row["customerID"] for row in telco_rows()[:1_000]]


@pytest.mark.parametrize("format", [Format.CSV, Format.JSONL, Format.PARQUET])
def test_renames_hold_for_each_chunk_of_a_job(format: Format) -> None:
    many = [{"id": f"C{n}", "tenure": 1, "monthly_charges": 2.5, "x": "y"} for n in range(20_001)]
    bench = Bench()
    bench.submit(as_format(many, format), format, rename={"id": "customer_id", "x": None})
    bench.drain()
    assert bench.status().rows_done == 20_001


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("others", [0, 10_000])
@pytest.mark.parametrize("name", ["b", "customer_id"])
def test_two_columns_renamed_to_one_field_fail_the_job(
    format: Format, others: int, name: str
) -> None:
    row = {"tenure": 1, "monthly_charges": 1.5, "a": "x", name: "y"}
    line = {Format.CSV: "Line 1: ", Format.JSONL: "Line 1: ", Format.PARQUET: ""}[format.plain]
    assert reason_of(
        as_format([row] * (others + 1), format),
        format,
        rename={"a": "customer_id", "b": "customer_id"},
    ) == (
        f"{line}the columns a and {name} both become customer_id. Leave out one of them with"
        " --drop NAME"
    )


def test_a_later_row_with_two_members_renamed_to_one_field_fails_the_job() -> None:
    content = as_format(rows(20_000), Format.JSONL)
    content += b'{"a": "x", "customer_id": "y", "tenure": 1, "monthly_charges": 1}\n'
    reason = reason_of(content, Format.JSONL, rename={"a": "customer_id"})
    assert reason.startswith("Line 20001: the columns a and customer_id both become customer_id.")


def test_columns_of_one_name_are_no_matter_of_a_rename() -> None:
    content = b"a,a,tenure,monthly_charges\nx,x,1,1\n"
    reason = reason_of(content, rename={"a": "customer_id"})
    assert reason == "Line 1: columns that appear twice: customer_id"


def test_a_column_renamed_to_no_field_fails_the_job_and_is_no_dead_letter() -> None:
    """The worker knows the contract of the job's pin; nothing is raised, whatever the file has."""
    reason = reason_of(csv_of(3), Format.CSV, rename={"Churn": "chrn"})
    assert reason.startswith("rename: the model has no field 'chrn'. Its fields are: customer_id, ")


@pytest.mark.parametrize("blank", ["", " ", "\t", '""', '" "', "\u00a0"])
def test_a_blank_cell_is_a_missing_value(blank: str) -> None:
    content = (
        "customer_id,tenure,monthly_charges,total_charges,gender\n"
        f"C1,0,20.5,{blank},{blank}\n{blank},1,1,1,Male\nC3,{blank},1,1,Male\n"
    )
    bench = Bench()
    bench.submit(content.encode())
    bench.drain()
    assert bench.status().rows_done == 1
    errors = [(e["row"], e["field"], e["type"]) for e in as_rows(bench.errors(), Format.CSV)]
    assert errors == [("2", "customer_id", "missing"), ("3", "tenure", "missing")]


@pytest.mark.parametrize(
    ("name", "format"),
    [
        *(("CUST.CSV", Format.CSV), ("a.Csv.GZ", Format.CSV_GZIP), ("a.csv.gzip", Format.CSV_GZIP)),
        *(("x.ndjson", Format.JSONL), ("x.NDJSON.gz", Format.JSONL_GZIP)),
        *(("x.jsonl", Format.JSONL), ("x.jsonlines", Format.JSONL)),
        *(("d.Parquet", Format.PARQUET), ("part-0.snappy.parquet", Format.PARQUET)),
        *(("d.PQ", Format.PARQUET), ("s3://b/batch/uploads/a/x.y.CSV", Format.CSV)),
        *(("csv", None), ("a.txt", None), ("a.csv.zip", None), ("a.parquet.gz", None)),
        *(("a.gz", None), ("", None), (".gz", None), ("a.json", None), ("a.csv/b", None)),
    ],
)
def test_the_end_of_a_name_tells_the_format(name: str, format: Format | None) -> None:
    assert format_of(name) is format
