"""Reading labelled rows: the Telco file whole, and a named fault for everything else."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlops.errors import ContractInvalid, DataInvalid
from mlops.inference.manifest import digest_of
from mlops.models.churn.contract import CHURN
from mlops.models.contract import Contract
from mlops.models.tabular import INPUT
from mlops.training.csv_data import load
from tests.unit.models.telco import TELCO, as_csv, telco_data, telco_rows, write_csv
from tests.unit.training.plans import (
    BIKES,
    FRUIT,
    bikes_rows,
    change,
    fruit_rows,
    read_rows,
    write_rows,
)

DIGEST = "sha256:88be4b93fbe0cc83421af1c503794c97c342eca914c1576db7c276e61d61358a"
STAYS, LEAVES = telco_rows()[0], telco_rows()[2]
HEADER = tuple(STAYS)


def test_the_real_file_loads_whole() -> None:
    data = telco_data()
    assert len(data) == len(data.requests) == len(data.labels) == 7043
    assert sum(data.labels) == data.targets.sum() == 1869
    assert data.digest == DIGEST == digest_of(gzip.decompress(TELCO.read_bytes()))
    missing = np.isnan(data.tensors[INPUT])
    assert missing.any(axis=0).sum() == 1
    assert missing.sum() == 11, "the blank totals"


def test_a_blank_total_is_left_out_as_a_client_would() -> None:
    blank = [number for number, row in enumerate(telco_rows()) if not row["TotalCharges"].strip()]
    requests = telco_data().requests
    assert len(blank) == 11
    assert not any("total_charges" in requests[number] for number in blank)


@pytest.mark.parametrize("blank", ["", " ", "\t", "\u00a0"])
def test_a_blank_cell_is_missing(tmp_path: Path, blank: str) -> None:
    row = {**STAYS, "gender": blank, "TotalCharges": blank, "SeniorCitizen": blank}
    found = load(write_csv(tmp_path / "data.csv", [row, LEAVES]), CHURN).requests[0]
    assert found.keys().isdisjoint({"gender", "total_charges", "senior_citizen"})
    assert found["partner"] == STAYS["Partner"]


def test_digest_is_of_the_bytes_before_compression(tmp_path: Path) -> None:
    plain = write_csv(tmp_path / "data.csv", [STAYS, LEAVES])
    zipped = tmp_path / "data.csv.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert load(plain, CHURN).digest == load(zipped, CHURN).digest


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
    data = load(path, CHURN)
    assert data.labels == [0, 1]
    assert data.requests == [telco_data().requests[number] for number in (0, 2)]


def test_columns_in_another_order_and_further_ones(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    rows = [{**row, "Note": "kept by hand"} for row in (STAYS, LEAVES)]
    path.write_text(as_csv(rows, ["Note", *reversed(HEADER)]), encoding="utf-8")
    assert load(path, CHURN).requests[0] == telco_data().requests[0]


def test_whole_numbers_may_be_written_as_decimals(tmp_path: Path) -> None:
    row = {**STAYS, "tenure": f"{STAYS['tenure']}.0", "SeniorCitizen": "0.0"}
    data = load(write_csv(tmp_path / "data.csv", [row, LEAVES]), CHURN)
    assert data.requests[0] == telco_data().requests[0]


@pytest.mark.parametrize(
    ("changed", "column", "reason"),
    [
        ({"tenure": "many"}, "tenure", "valid integer"),
        ({"tenure": "1.5"}, "tenure", "valid integer"),
        ({"tenure": ""}, "tenure", "Field required"),
        ({"tenure": "-1"}, "tenure", "greater than or equal to 0"),
        ({"MonthlyCharges": "nan"}, "MonthlyCharges", "valid number"),
        ({"MonthlyCharges": "1_000"}, "MonthlyCharges", "valid number"),
        ({"MonthlyCharges": " 10"}, "MonthlyCharges", "valid number"),
        ({"tenure": "\u0661\u0662"}, "tenure", "valid integer"),
        ({"MonthlyCharges": "12,50"}, "MonthlyCharges", "valid number"),
        ({"SeniorCitizen": "2"}, "SeniorCitizen", "0 or 1"),
        ({"Contract": "Weekly"}, "Contract", "Month-to-month"),
        ({"Partner": "Yes "}, "Partner", "'Yes' or 'No'"),
        ({"customerID": ""}, "customerID", "Field required"),
        ({"MonthlyCharges": "+10"}, "MonthlyCharges", "valid number"),
        ({"MonthlyCharges": "10."}, "MonthlyCharges", "valid number"),
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
    assert error.reason == "the same as in line 2; each customerID should have one row"


def test_customers_may_be_alike(tmp_path: Path) -> None:
    alike = {**LEAVES, "customerID": "another"}
    assert len(load(write_csv(tmp_path / "data.csv", [STAYS, LEAVES, alike]), CHURN).labels) == 3


@pytest.mark.parametrize("column", [*HEADER])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    kept = [name for name in HEADER if name != column]
    rows = [{name: row[name] for name in kept} for row in (STAYS, LEAVES)]
    path = tmp_path / "data.csv"
    path.write_text(as_csv(rows, kept), encoding="utf-8")
    error = refused(path)
    reason = f"columns that are missing: {column}"
    assert (error.line, error.field, error.reason) == (1, "header", reason)


@pytest.mark.parametrize(
    ("content", "line", "field", "reason"),
    [
        ("", None, "file", "it is empty"),
        (as_csv([]), None, "file", "it has no rows"),
        (as_csv([], [*HEADER, "tenure"]), 1, "header", "columns that appear twice: tenure"),
        (as_csv([STAYS]) + "7590-VHVEG,Female\n", 3, "SeniorCitizen", "the row ends before"),
        (as_csv([STAYS]).rstrip("\n") + ",1\n", 2, "Churn", "the row goes on after"),
        (as_csv([STAYS]) + '"7590', 3, "file", "not CSV"),
        (as_csv([STAYS]) + "x" * 140_000, 3, "file", "not CSV"),
        (as_csv([{**STAYS, "customerID": "J\xfcrgen"}]).encode("latin-1"), 2, "file", "not UTF-8"),
    ],
    ids=[
        "empty",
        "header only",
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


def test_the_names_of_the_apis_fields_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    names = {field.column: field.name for field in CHURN.fields}
    rows = [{names.get(name, name): text for name, text in row.items()} for row in (STAYS, LEAVES)]
    path.write_text(as_csv(rows, rows[0]), encoding="utf-8")
    assert load(path, CHURN).requests[0] == telco_data().requests[0]
    path.write_text(as_csv([{**rows[0], "gender": "X"}, rows[1]], rows[0]), encoding="utf-8")
    assert refused(path).field == "gender"


def test_wrong_names_are_named_with_the_nearest_ones(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    header = ["customerID", "Gender", "senior-citizen"]
    text = as_csv([STAYS, LEAVES])
    path.write_text(text.replace("customerID,gender,SeniorCitizen", ",".join(header)))
    assert refused(path).reason == (
        "columns that are missing: SeniorCitizen, gender; unknown: Gender (did you mean gender?),"
        " senior-citizen (did you mean SeniorCitizen?). Rename columns in the file"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (as_csv([STAYS]).replace(",", ";").encode(), "the line looks separated by `;`"),
        (as_csv([STAYS]).replace(",", "\t").encode(), "the line looks separated by a tab"),
        (b"sep=,\n" + as_csv([STAYS]).encode(), "the line is `sep=,`, which is for Excel alone"),
        (as_csv([STAYS]).encode("utf-16"), "it is UTF-16"),
        (as_csv([STAYS]).encode("utf-16-le"), "it is UTF-16 (without a byte order mark)"),
        (b"PAR1\x15\x00", "it is Parquet; training reads CSV in UTF-8"),
        (b"PK\x03\x04 [Content_Types].xml", "it is an Excel workbook (.xlsx)"),
        (gzip.compress(gzip.compress(b"a")), "it is compressed with gzip"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    assert refused(path).reason.startswith(reason)


@pytest.mark.parametrize("name", ["data.csv", "DATA.CSV.GZ"])
def test_gzip_is_read_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(as_csv([STAYS, LEAVES]).encode()))
    assert len(load(path, CHURN).labels) == 2


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
    assert refused(tmp_path).reason == (
        "Is a directory; a file belongs here, so name one, or move the folder away"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("True", True), ("FALSE", False), ("", None), (" ", None)],
)
def test_booleans_are_read_in_any_case(tmp_path: Path, text: str, value: bool | None) -> None:
    row = {**bikes_rows()[1], "holiday": text}
    request = read_rows(tmp_path, BIKES, [row]).requests[0]
    assert request.get("holiday") is value


def test_dates_and_integer_subjects_are_read_as_clients_send_them(tmp_path: Path) -> None:
    request = read_rows(tmp_path, BIKES, bikes_rows()[1:2]).requests[0]
    assert (request["day"], request["hour_id"]) == ("2026-01-02", 1001)
    assert request["weather"] == "rain"


def test_labels_are_read_by_the_task(tmp_path: Path) -> None:
    kinds = read_rows(tmp_path, FRUIT, fruit_rows()[:4])
    assert kinds.labels == ["apple", "pear", "plum", "apple"]
    assert kinds.targets.tolist() == [0, 1, 2, 0]
    hired = [{**row, "hired": text} for row, text in zip(bikes_rows(), ("1.5", "7"), strict=False)]
    numbers = read_rows(tmp_path, BIKES, hired)
    assert numbers.labels == [1.5, 7]
    assert numbers.targets.dtype == np.float64


@pytest.mark.parametrize(
    ("contract", "changed", "line", "column", "reason"),
    [
        (FRUIT, {"kind": "kiwi"}, 2, "kind", "should be apple, pear, plum"),
        (FRUIT, {"kind": ""}, 2, "kind", "should be apple, pear, plum"),
        (BIKES, {"hired": "many"}, 2, "hired", "should be a number"),
        (BIKES, {"hired": ""}, 2, "hired", "should be a number"),
        (BIKES, {"hired": "1e999"}, 2, "hired", "should be a number"),
        (BIKES, {"holiday": "1"}, 2, "holiday", "Input should be a valid boolean"),
        (BIKES, {"day": "31.1.2026"}, 2, "day", "Input should be a date, such as 2026-01-31"),
        (BIKES, {"hour_id": "x"}, 2, "hour_id", "Input should be a valid integer"),
        (BIKES, {"Temp C": "99"}, 2, "Temp C", "Input should be less than or equal to 60"),
    ],
)
def test_a_bad_cell_of_any_task_is_named(
    tmp_path: Path,
    contract: Contract,
    changed: dict[str, str],
    line: int,
    column: str,
    reason: str,
) -> None:
    row = (fruit_rows() if contract is FRUIT else bikes_rows())[1]
    with pytest.raises(DataInvalid) as caught:
        read_rows(tmp_path, contract, [{**row, **changed}])
    assert (caught.value.line, caught.value.field, caught.value.reason) == (line, column, reason)


def test_an_integer_subject_that_is_there_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="line 3, hour_id: the same as in line 2"):
        read_rows(tmp_path, BIKES, [bikes_rows()[0], bikes_rows()[0]])


def test_rows_about_nobody_may_be_the_same(tmp_path: Path) -> None:
    assert len(read_rows(tmp_path, FRUIT, [fruit_rows()[0], fruit_rows()[0]])) == 2


def test_a_source_that_is_another_fields_name_is_not_mistaken_for_it(tmp_path: Path) -> None:
    """The whole file has one of the two spellings."""
    weight, length = json.loads(FRUIT.to_json())["fields"]
    swapped = change(FRUIT, fields=[weight | {"source": "length"}, length | {"source": "weight"}])
    found = read_rows(tmp_path, swapped, [{"weight": "9", "length": "250", "kind": "pear"}])
    assert found.requests == [{"weight": 250, "length": 9}]


def test_a_label_may_have_the_name_of_a_field_with_another_source(tmp_path: Path) -> None:
    weight, length = json.loads(FRUIT.to_json())["fields"]
    contract = change(
        FRUIT, fields=[weight | {"source": "grams"}, length], label={"column": "weight"}
    )
    row = {"grams": "250", "length": "9", "weight": "pear"}
    found = read_rows(tmp_path, contract, [row])
    assert (found.requests, found.labels) == ([{"weight": 250, "length": 9}], ["pear"])


def test_a_label_that_the_model_would_see_is_refused(tmp_path: Path) -> None:
    contract = change(FRUIT, label={"column": "weight"})
    with pytest.raises(DataInvalid, match="line 1, weight: the label weight is the column of a"):
        read_rows(tmp_path, contract, fruit_rows()[:1])


@pytest.mark.parametrize(
    ("contract", "label", "reason"),
    [
        (BIKES, None, "label is missing: the column of the training data"),
        (CHURN, {"column": "Churn"}, "label: positive and negative are missing"),
        (CHURN, {"column": "Churn", "positive": "Yes"}, "positive and negative are missing"),
    ],
)
def test_a_contract_that_does_not_say_what_labels_are_is_refused(
    tmp_path: Path, contract: Contract, label: dict[str, str] | None, reason: str
) -> None:
    path = write_rows(tmp_path / "data.csv", bikes_rows())
    with pytest.raises(ContractInvalid, match=reason):
        load(path, change(contract, label=label))


def refused(path: Path) -> DataInvalid:
    with pytest.raises(DataInvalid) as caught:
        load(path, CHURN)
    error = caught.value
    line = "" if error.line is None else f", line {error.line}"
    assert str(error) == f"{error.source}{line}, {error.field}: {error.reason}"
    return error
