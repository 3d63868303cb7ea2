"""Reading the Telco file: the real one whole, and a named fault for everything else."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlops.errors import DataInvalid
from mlops.inference.manifest import digest_of
from mlops.models.churn.data import load
from tests.unit.models.telco import TELCO, as_csv, telco_rows, write_csv

DIGEST = "sha256:88be4b93fbe0cc83421af1c503794c97c342eca914c1576db7c276e61d61358a"
STAYS, LEAVES = telco_rows()[0], telco_rows()[2]
HEADER = tuple(STAYS)


def test_the_real_file_loads_whole() -> None:
    data = load(TELCO)
    assert len(data.columns) == len(data.requests) == len(data.labels) == 7043
    assert data.labels.sum() == 1869
    assert data.digest == DIGEST == digest_of(gzip.decompress(TELCO.read_bytes()))
    assert not np.isnan(data.columns.values).any()
    assert {heading: len(set(groups)) for heading, groups in data.segments.items()} == {
        "contract": 3,
        "senior_citizen": 2,
        "gender": 2,
    }


def test_a_blank_total_in_the_first_month_is_zero() -> None:
    blank = [number for number, row in enumerate(telco_rows()) if not row["TotalCharges"].strip()]
    requests = load(TELCO).requests
    assert len(blank) == 11
    assert {requests[number]["total_charges"] for number in blank} == {0.0}


def test_digest_is_of_the_bytes_before_compression(tmp_path: Path) -> None:
    plain = write_csv(tmp_path / "data.csv", [STAYS, LEAVES])
    zipped = tmp_path / "data.csv.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert load(plain).digest == load(zipped).digest


@pytest.mark.parametrize(
    "rewritten",
    [
        pytest.param(lambda text: f"\ufeff{text}", id="byte order mark"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda text: text.replace("\n", "\n\n"), id="blank lines"),
        pytest.param(lambda text: text.rstrip("\n"), id="no newline at the end"),
    ],
)
def test_harmless_differences(tmp_path: Path, rewritten: Callable[[str], str]) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(rewritten(as_csv([STAYS, LEAVES])).encode())
    data = load(path)
    assert data.labels.tolist() == [0, 1]
    assert data.requests == tuple(load(TELCO).requests[number] for number in (0, 2))


def test_columns_in_another_order_and_further_ones(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    rows = [{**row, "Note": "kept by hand"} for row in (STAYS, LEAVES)]
    path.write_text(as_csv(rows, ["Note", *reversed(HEADER)]), encoding="utf-8")
    assert load(path).requests[0] == load(TELCO).requests[0]


def test_whole_numbers_may_be_written_as_decimals(tmp_path: Path) -> None:
    row = {**STAYS, "tenure": f"{STAYS['tenure']}.0", "SeniorCitizen": "0.0"}
    data = load(write_csv(tmp_path / "data.csv", [row, LEAVES]))
    assert data.requests[0] == load(TELCO).requests[0]


@pytest.mark.parametrize(
    ("changed", "column", "reason"),
    [
        ({"tenure": "many"}, "tenure", "valid integer"),
        ({"tenure": "1.5"}, "tenure", "valid integer"),
        ({"tenure": ""}, "tenure", "valid integer"),
        ({"tenure": "-1"}, "tenure", "greater than or equal to 0"),
        ({"MonthlyCharges": "nan"}, "MonthlyCharges", "valid number"),
        ({"MonthlyCharges": "1_000"}, "MonthlyCharges", "valid number"),
        ({"MonthlyCharges": " 10"}, "MonthlyCharges", "valid number"),
        ({"tenure": "\u0661\u0662"}, "tenure", "valid integer"),
        ({"MonthlyCharges": "12,50"}, "MonthlyCharges", "valid number"),
        ({"TotalCharges": " ", "tenure": "3"}, "TotalCharges", "valid number"),
        ({"SeniorCitizen": "2"}, "SeniorCitizen", "0 or 1"),
        ({"Contract": "Weekly"}, "Contract", "Month-to-month"),
        ({"Partner": ""}, "Partner", "'Yes' or 'No'"),
        ({"customerID": ""}, "customerID", "at least 1 character"),
        ({"InternetService": "No"}, "OnlineSecurity", "Contradicts 'internet_service'"),
        ({"Churn": "Maybe"}, "Churn", "Yes or No"),
        ({"Churn": ""}, "Churn", "Yes or No"),
    ],
)
def test_a_bad_cell_is_named(
    tmp_path: Path, changed: dict[str, str], column: str, reason: str
) -> None:
    path = write_csv(tmp_path / "data.csv", [STAYS, LEAVES, {**LEAVES, **changed}])
    error = refused(path)
    assert (error.source, error.line, error.field) == (str(path), 4, column)
    assert reason in error.reason


def test_a_customer_that_is_there_twice_is_named_by_both_lines(tmp_path: Path) -> None:
    """Wherever else the rows differ: what matters is that a split could part them."""
    again = {**LEAVES, "customerID": STAYS["customerID"]}
    error = refused(write_csv(tmp_path / "data.csv", [STAYS, LEAVES, again]))
    assert (error.line, error.field) == (4, "customerID")
    assert error.reason == "the same as in line 2; each customer should have one row"


def test_customers_may_be_alike(tmp_path: Path) -> None:
    alike = {**LEAVES, "customerID": "another"}
    assert len(load(write_csv(tmp_path / "data.csv", [STAYS, LEAVES, alike])).labels) == 3


@pytest.mark.parametrize("column", [*HEADER])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    kept = [name for name in HEADER if name != column]
    rows = [{name: row[name] for name in kept} for row in (STAYS, LEAVES)]
    path = tmp_path / "data.csv"
    path.write_text(as_csv(rows, kept), encoding="utf-8")
    error = refused(path)
    assert (error.line, error.field, error.reason) == (1, column, "the column is missing")


@pytest.mark.parametrize(
    ("content", "line", "field", "reason"),
    [
        ("", 1, "customerID", "the column is missing"),
        (as_csv([]), None, "Churn", "both Yes and No are needed"),
        (as_csv([STAYS, telco_rows()[1]]), None, "Churn", "both Yes and No are needed"),
        (as_csv([], [*HEADER, "tenure"]), 1, "tenure", "the column is there twice"),
        (as_csv([STAYS]) + "7590-VHVEG,Female\n", 3, "SeniorCitizen", "the row ends before"),
        (as_csv([STAYS]).rstrip("\n") + ",1\n", 2, "Churn", "the row goes on after"),
        (as_csv([STAYS]) + '"7590', 3, "file", "not CSV"),
        (as_csv([STAYS]) + "x" * 140_000, 3, "file", "not CSV"),
        (as_csv([{**STAYS, "customerID": "J\xfcrgen"}]).encode("latin-1"), 2, "file", "not UTF-8"),
    ],
    ids=[
        "empty",
        "header only",
        "one class",
        "a column twice",
        "a short row",
        "a long row",
        "an open quote",
        "a field without an end",
        "Latin-1",
    ],
)
def test_a_bad_file_is_named(
    tmp_path: Path, content: str | bytes, line: int | None, field: str, reason: str
) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    error = refused(path)
    assert (error.source, error.line, error.field) == (str(path), line, field)
    assert error.reason.startswith(reason)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    whole = TELCO.read_bytes()
    damaged = bytearray(whole)
    damaged[2000:2100] = bytes(100)
    contents = {"cut": whole[:-2000], "damaged": bytes(damaged), "plain": b"customerID,gender\n"}
    for name, content in contents.items():
        (tmp_path / f"{name}.csv.gz").write_bytes(content)
        assert refused(tmp_path / f"{name}.csv.gz").field == "file"
    nowhere = refused(tmp_path / "nowhere.csv")
    assert (nowhere.source, nowhere.reason) == (
        str(tmp_path / "nowhere.csv"),
        "No such file or directory",
    )
    assert refused(tmp_path).reason == "Is a directory"


def refused(path: Path) -> DataInvalid:
    with pytest.raises(DataInvalid) as caught:
        load(path)
    error = caught.value
    line = "" if error.line is None else f", line {error.line}"
    assert str(error) == f"{error.source}{line}, {error.field}: {error.reason}"
    return error
