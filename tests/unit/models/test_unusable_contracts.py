"""Contracts that would fail later are refused where they are read."""

import json
from typing import Any

import pytest

from mlops.errors import ContractInvalid
from mlops.models.contract import Contract
from mlops.models.schemas import parse_date

AMOUNT = {"name": "amount", "type": "number", "ge": 0, "le": 10}
COUNT = {"name": "count", "type": "integer", "ge": 0, "le": 10}
SMOKER = {"name": "smoker", "type": "boolean", "required": False}
SIZE = {"name": "size", "type": "category", "choices": ["S", "M"], "required": False}


def read(*fields: dict[str, Any], **more: Any) -> Contract:
    document = {
        "model": "loans",
        "title": "Loans",
        "task": "regression",
        "answer": {"name": "loss"},
        "fields": fields,
        "examples": {"none": {}},
    }
    return Contract.from_json(json.dumps(document | more).encode(), "contract.json")


@pytest.mark.parametrize("bounds", [{"ge": 0.5, "le": 10}, {"ge": 0, "le": 10.5}])
def test_fractional_bounds_of_an_integer_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ContractInvalid, match="bounds of an integer must be whole numbers"):
        read({"name": "count", "type": "integer", **bounds})
    contract = read({"name": "count", "type": "integer", "ge": 0.0, "le": 1e3})
    assert contract.request.model_validate({"count": 1000}).model_dump() == {"count": 1000}


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        (AMOUNT, -1, "1"),
        (COUNT, 7, 7.5),
        (SMOKER, True, 1),
        (SIZE, "M", "XL"),
        ({"name": "senior", "type": "integer", "choices": [0, 1]}, 1, True),
    ],
)
def test_a_default_of_another_type_is_refused(
    field: dict[str, Any], right: object, wrong: object
) -> None:
    optional = field | {"required": False}
    assert read(optional | {"default": right}).fields[0].default == right
    with pytest.raises(ContractInvalid, match="its default is none of its values"):
        read(optional | {"default": wrong})


@pytest.mark.parametrize("bounds", [{"ge": 0, "le": 2**63}, {"gt": -(2**63), "lt": 0}])
def test_an_integer_id_of_more_than_64_bits_is_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ContractInvalid, match="an integer id has 64 bits"):
        read({"name": "id", "type": "integer", **bounds}, AMOUNT, subject="id")
    largest = {"name": "id", "type": "integer", "ge": -(2**63) + 1, "le": 2**63 - 1}
    assert read(largest, AMOUNT, subject="id").subject == "id"


def test_an_answer_is_not_named_as_the_number_of_the_row() -> None:
    with pytest.raises(ContractInvalid, match="'row' has a meaning already"):
        read(AMOUNT, answer={"name": "row"})
    identified = read(
        {"name": "id", "type": "integer", "ge": 0, "le": 9},
        AMOUNT,
        subject="id",
        answer={"name": "row"},
    )
    assert identified.answer.name == "row"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-01-31", "2026-01-31"),
        ("0001-01-01", "0001-01-01"),
        ("2026-02-30", "None"),
        ("20260131", "None"),
        ("2026-W05-6", "None"),
        ("2026-01-31\n", "None"),
        ("٢٠٢٦-٠١-٣١", "None"),
        ("0000-01-01", "None"),
        ("", "None"),
    ],
)
def test_a_date_has_one_form(text: str, found: str) -> None:
    assert str(parse_date(text)) == found


@pytest.mark.parametrize(
    ("field", "more", "reason"),
    [
        (
            AMOUNT | {"le": "x"},
            {},
            ": fields.amount.le: Input should be a valid integer or a valid number or a valid date",
        ),
        (AMOUNT | {"limit": 3}, {}, "fields.amount.limit: Extra inputs are not permitted"),
        ({"name": "size"}, {}, "fields.size.type: Field required"),
        ({"type": "boolean"}, {}, r"fields\[1\].name: Field required"),
        (AMOUNT, {"rules": [{"when": {}}]}, r"rules\[1\].when: Dictionary should have at least 1"),
        (AMOUNT, {"task": "ranking"}, ": task: Input should be 'binary', "),
        (SIZE | {"choices": []}, {}, "fields.size: choices is missing"),
    ],
)
def test_a_refusal_names_the_field_and_the_key(
    field: dict[str, Any], more: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ContractInvalid, match=reason):
        read(field, **more)
