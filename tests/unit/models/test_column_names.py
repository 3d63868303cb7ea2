"""Columns of a file that are not those of a model: which are wrong, and what they may stand for."""

import time

import pytest

from mlops.models.column_names import find_fault, find_header_fault, quote, suggest

KNOWN = {"customer_id", "tenure", "monthly_charges", "total_charges", "streaming_tv", "gender"}
REQUIRED = {"customer_id", "tenure", "monthly_charges"}


def test_the_names_of_a_model_have_no_fault() -> None:
    assert find_fault(["tenure", "customer_id", "monthly_charges"], REQUIRED, KNOWN) is None


def test_missing_and_unknown_columns_are_in_one_reason_with_the_nearest_names() -> None:
    names = ["customerID", "Tenure", "MonthlyCharges", "Churn", "customer_id "]
    assert find_fault(names, REQUIRED, KNOWN, "Rename them") == (
        "columns that are missing: customer_id, monthly_charges, tenure;"
        " unknown: customerID (did you mean customer_id?), Tenure (did you mean tenure?),"
        " MonthlyCharges (did you mean monthly_charges?), Churn, 'customer_id '. Rename them"
    )


@pytest.mark.parametrize(
    ("written", "field"),
    [
        *(("customerID", "customer_id"), ("Customer_ID", "customer_id")),
        *(("customer_id ", "customer_id"), ("\ufeffcustomer_id", "customer_id")),
        *(("customer-id", "customer_id"), ("CUSTOMER ID", "customer_id")),
        *(("MonthlyCharges", "monthly_charges"), ("monthly charge", "monthly_charges")),
        *(("StreamingTV", "streaming_tv"), ("tenur", "tenure"), ("Tenure", "tenure")),
    ],
)
def test_a_name_that_is_nearly_right_is_recognized(written: str, field: str) -> None:
    assert suggest([written], KNOWN) == {written: field}


@pytest.mark.parametrize("written", ["Churn", "", " ", "a", "\ud800", "é"])
def test_a_name_like_no_other_has_no_suggestion(written: str) -> None:
    assert suggest([written], KNOWN) == {}


def test_no_field_is_suggested_twice_and_none_that_is_there() -> None:
    assert suggest(["total charge", "TotalCharges"], KNOWN) == {"TotalCharges": "total_charges"}
    fault = find_fault(["customer_id", "customerID", "tenure", "monthly_charges"], REQUIRED, KNOWN)
    assert fault == "columns that are unknown: customerID"


def test_a_reason_stays_short_whatever_the_names_are() -> None:
    names = [f"{number:05}" + "x" * 1_000 for number in range(30_000)]
    started = time.perf_counter()
    fault = find_fault(names, REQUIRED, KNOWN)
    assert fault is not None
    assert len(fault) < 2_000
    assert fault.endswith(" and 29,980 more")
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a", "a"), ("a ", "'a '"), ("", "''"), ("a\tb", r"'a\tb'"), ("\ud800", r"'\ud800'")],
)
def test_spaces_and_control_characters_of_a_name_show(name: str, shown: str) -> None:
    assert quote(name) == shown


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("customer_id;tenure;monthly_charges", "the line looks separated by `;`."),
        ('"customer_id";"tenure"', "the line looks separated by `;`."),
        ("customer_id\ttenure\tmonthly_charges", "the line looks separated by a tab."),
        ("customer_id|tenure|monthly_charges", "the line looks separated by `|`."),
        ('customer_id;tenure;"charges, monthly"', "the line looks separated by `;`."),
        ("customer_id\x01tenure\x01monthly_charges", r"the line looks separated by `\x01`."),
        ("customer_id^tenure^monthly_charges", "the line looks separated by `^`."),
        ("customer_id~tenure~monthly_charges", "the line looks separated by `~`."),
        ("customer_id:tenure:monthly_charges", "the line looks separated by `:`."),
        ("customer_id   tenure  monthly_charges\r", "the line looks separated by spaces."),
        ('"customer_id" "tenure" "monthly_charges"', "the line looks separated by spaces."),
        ("#TYPE System.Object, mscorlib", "the line begins with `#`, as a comment does. Delete"),
        ("# exported on Monday", "the line begins with `#`, as a comment does. Delete this line"),
        ("sep=,", "the line is `sep=,`, which is for Excel alone."),
        ("sep=;", "the line is `sep=;`, which is for Excel alone."),
        ('"sep=,"', 'the line is `"sep=,"`, which is for Excel alone.'),
        ("SEP=;\r", "the line is `SEP=;`, which is for Excel alone."),
    ],
)
def test_a_line_of_another_separator_is_recognized(header: str, reason: str) -> None:
    assert (find_header_fault(header) or "").startswith(reason)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "a",
        "a ",
        "a,b",
        "#,customer id,date of birth",
        "id:a b^c~d,e",
        'a,"b;c;d;e"',
        "a;b,c,d",
        "sep=,tenure",
    ],
)
def test_a_line_of_commas_is_left_alone(header: str) -> None:
    assert find_header_fault(header) is None
