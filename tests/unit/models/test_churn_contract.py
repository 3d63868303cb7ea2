"""What the churn model takes, refuses and answers."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlops.models.churn.contract import CHURN
from mlops.models.schemas import Request
from mlops.models.validation import validate
from tests.churn import CATEGORIES, INTERNET_EXTRAS, NO_INTERNET, NO_PHONE

CUSTOMER: dict[str, Any] = {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}
OPTIONAL = [field.name for field in CHURN.fields if not field.required]
NUMERIC = ("tenure", "monthly_charges", "total_charges", "senior_citizen")


def refusals(**changed: Any) -> list[tuple[str, str]]:
    """Field and type of what is wrong."""
    try:
        CHURN.request.model_validate(CUSTOMER | changed)
    except ValidationError as error:
        return [(str(found["loc"][0]), found["type"]) for found in error.errors()]
    return []


def accepted(**changed: Any) -> Request:
    return CHURN.request.model_validate(CUSTOMER | changed)


def test_three_fields_are_required() -> None:
    required = CHURN.request.model_fields.keys() - set(OPTIONAL)
    assert required == CUSTOMER.keys()
    assert refusals() == []
    assert all(getattr(accepted(), name) is None for name in OPTIONAL)


@pytest.mark.parametrize("field", OPTIONAL)
def test_optional_fields_may_be_null(field: str) -> None:
    assert refusals(**{field: None}) == []


@pytest.mark.parametrize("field", CUSTOMER)
def test_required_fields_may_not(field: str) -> None:
    assert [name for name, _ in refusals(**{field: None})] == [field]


@pytest.mark.parametrize(
    ("field", "lowest", "highest"),
    [("tenure", 0, 1_200), ("monthly_charges", 0, 10_000), ("total_charges", 0, 10_000_000)],
)
def test_ranges_include_their_bounds(field: str, lowest: int, highest: int) -> None:
    assert refusals(**{field: lowest}) == refusals(**{field: highest}) == []
    assert refusals(**{field: lowest - 1}) == [(field, "greater_than_equal")]
    assert refusals(**{field: highest + 1}) == [(field, "less_than_equal")]


@pytest.mark.parametrize("field", NUMERIC)
@pytest.mark.parametrize(
    "value", [True, False, "1", "", [1], {}, float("nan"), float("inf"), -float("inf")], ids=repr
)
def test_numbers_are_numbers(field: str, value: object) -> None:
    assert [name for name, _ in refusals(**{field: value})] == [field]


@pytest.mark.parametrize("field", ["tenure", "senior_citizen"])
def test_whole_numbers_may_be_written_with_a_point(field: str) -> None:
    assert getattr(accepted(**{field: 1.0}), field) == 1
    assert isinstance(getattr(accepted(**{field: 1.0}), field), int)
    assert [name for name, _ in refusals(**{field: 0.5})] == [field]


def test_a_senior_is_0_or_1() -> None:
    assert refusals(senior_citizen=0) == refusals(senior_citizen=1) == []
    assert refusals(senior_citizen=2) == [("senior_citizen", "literal_error")]


@pytest.mark.parametrize("customer_id", ["", "c" * 129, 12345, None, True, b"C12345"], ids=repr)
def test_ids_are_texts_of_1_to_128_characters(customer_id: object) -> None:
    assert refusals(customer_id="c" * 128) == refusals(customer_id="🧑" * 128) == []
    assert [name for name, _ in refusals(customer_id=customer_id)] == ["customer_id"]


@pytest.mark.parametrize("field", CATEGORIES)
def test_categories_are_those_of_the_data(field: str) -> None:
    for category in CATEGORIES[field]:
        assert refusals(**{field: category}) == []
    for wrong in ("", "weekly", CATEGORIES[field][0].lower(), 1, True, ["Yes"]):
        assert refusals(**{field: wrong}) == [(field, "literal_error")]


def test_unknown_fields_are_refused() -> None:
    assert refusals(Tenure=24) == [("Tenure", "extra_forbidden")]


@pytest.mark.parametrize("field", INTERNET_EXTRAS)
@pytest.mark.parametrize(
    ("internet", "extra", "agrees"),
    [
        ("No", NO_INTERNET, True),
        ("No", "Yes", False),
        ("No", "No", False),
        ("DSL", NO_INTERNET, False),
        ("Fiber optic", NO_INTERNET, False),
        ("DSL", "No", True),
        ("Fiber optic", "Yes", True),
        (None, NO_INTERNET, True),
        (None, "Yes", True),
        ("No", None, True),
    ],
)
def test_extras_agree_with_the_internet_service(
    field: str, internet: str | None, extra: str | None, agrees: bool
) -> None:
    expected = [] if agrees else [(field, "contradiction")]
    assert refusals(internet_service=internet, **{field: extra}) == expected


@pytest.mark.parametrize(
    ("phone", "lines", "agrees"),
    [
        ("No", NO_PHONE, True),
        ("No", "Yes", False),
        ("No", "No", False),
        ("Yes", NO_PHONE, False),
        ("Yes", "No", True),
        (None, NO_PHONE, True),
        ("No", None, True),
    ],
)
def test_lines_agree_with_the_phone_service(
    phone: str | None, lines: str | None, agrees: bool
) -> None:
    expected = [] if agrees else [("multiple_lines", "contradiction")]
    assert refusals(phone_service=phone, multiple_lines=lines) == expected


def test_extras_agree_among_themselves() -> None:
    first, second = INTERNET_EXTRAS[0], INTERNET_EXTRAS[-1]
    assert refusals(**{first: NO_INTERNET, second: NO_INTERNET}) == []
    assert refusals(**{first: "Yes", second: "No"}) == []
    assert refusals(**{first: NO_INTERNET, second: "Yes"}) == [(second, "contradiction")]
    assert refusals(**{first: "No", second: NO_INTERNET}) == [(second, "contradiction")]


def test_a_category_that_is_wrong_is_no_contradiction_too() -> None:
    assert refusals(internet_service="Cable", streaming_tv="Yes") == [
        ("internet_service", "literal_error")
    ]


@pytest.mark.parametrize(
    ("probability", "category"),
    [
        (0.0, "Low"),
        (0.399999, "Low"),
        (0.4, "Medium"),
        (0.699999, "Medium"),
        (0.7, "High"),
        (1.0, "High"),
    ],
)
def test_risk_categories_begin_at_their_bounds(probability: float, category: str) -> None:
    assert CHURN.outcome.answer([probability])["risk_category"] == category


def test_the_answer_has_five_keys_in_the_promised_order() -> None:
    answer = CHURN.answer_to(
        accepted(), [0.73], model_version="churn-model-v1.3.2", prediction_id="pred_8f9a2b1c"
    )
    assert list(answer.model_dump().items()) == [
        ("customer_id", "C12345"),
        ("churn_probability", 0.73),
        ("risk_category", "High"),
        ("model_version", "churn-model-v1.3.2"),
        ("prediction_id", "pred_8f9a2b1c"),
    ]


def test_columns_are_all_fields_but_the_id() -> None:
    names = [field.name for field in CHURN.encoder.fields]
    assert {*names, "customer_id"} == set(CHURN.request.model_fields)
    (columns,) = CHURN.encoder.tensors([accepted(senior_citizen=1, contract="One year")]).values()
    row = dict(zip(names, columns[0].tolist(), strict=True))
    assert {name: value for name, value in row.items() if not math.isnan(value)} == {
        "tenure": 24.0,
        "monthly_charges": 79.5,
        "senior_citizen": 1.0,
        "contract": CATEGORIES["contract"].index("One year"),
    }


def test_the_layout_says_which_column_is_what() -> None:
    layout = json.loads(CHURN.encoder.layout)
    assert layout["numeric"] == [*NUMERIC]
    assert layout["categorical"] == {name: [*choices] for name, choices in CATEGORIES.items()}
    assert list(layout["categorical"]) == [*CATEGORIES]


def test_the_subject_is_the_customer() -> None:
    assert CHURN.subject_of(accepted()) == "C12345"


RECORDED = Path(__file__).with_name("churn_outcomes.json.gz")
"""Requests, valid and not, with what churn's hand-written request class made of them before its
contract became a document: the answer to it, or the faults."""


def test_recorded_requests_have_the_same_outcome_to_the_byte() -> None:
    recorded = json.loads(gzip.decompress(RECORDED.read_bytes()))
    assert len(recorded) == 3_000
    assert [case for case in recorded if outcome(case["request"]) != case["outcome"]] == []


def outcome(request: object) -> object:
    found = validate(CHURN, request)
    if isinstance(found, tuple):
        return [[fault.field, fault.type, fault.detail] for fault in found]
    (columns,) = CHURN.encoder.tensors([found]).values()
    return {"request": found.model_dump_json(), "columns": columns.tobytes().hex()}
