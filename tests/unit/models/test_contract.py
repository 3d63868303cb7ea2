"""A contract as a document: what it may say, and what is made of it."""

import json
from datetime import date
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from mlops.errors import ContractInvalid
from mlops.models.churn.contract import CHURN
from mlops.models.contract import Contract

NAN = float("nan")


def document(**changed: Any) -> dict[str, Any]:
    """Return a small document with a field of each type that a table takes."""
    return {
        "model": "loans",
        "title": "Loans",
        "task": "binary",
        "subject": "loan_id",
        "fields": [
            {"name": "loan_id", "type": "integer", "ge": 1, "lt": 1_000},
            {"name": "income", "type": "number", "gt": 0, "le": 1e6},
            {"name": "children", "type": "integer", "ge": 0, "le": 20, "required": False},
            {"name": "rating", "type": "integer", "choices": [1, 2, 3], "required": False},
            {"name": "owner", "type": "boolean", "required": False},
            {"name": "since", "type": "date", "required": False},
            {
                "name": "region",
                "type": "category",
                "choices": ["north", "south"],
                "default": "south",
                "required": False,
            },
            {"name": "purpose", "type": "category", "choices": ["car", "house"]},
        ],
        "answer": {"name": "default_probability"},
        "examples": {"one": {"loan_id": 7, "income": 1_000, "purpose": "car"}},
    } | changed


def contract(**changed: Any) -> Contract:
    return Contract.from_json(json.dumps(document(**changed)).encode(), "contract.json")


def with_field(**changed: Any) -> Contract:
    """Return the contract with one more field."""
    return contract(fields=[*document()["fields"], {"name": "more", **changed}])


LOANS = contract()


def refuse(**values: Any) -> list[tuple[Any, ...]]:
    request = {"loan_id": 7, "income": 1_000, "purpose": "car"} | values
    with pytest.raises(ValidationError) as caught:
        LOANS.request.model_validate(request)
    return [(*error["loc"], error["type"]) for error in caught.value.errors()]


def test_a_document_is_the_same_after_it_is_written_and_read() -> None:
    for original in (LOANS, CHURN):
        read = Contract.from_json(original.to_json(), "contract.json")
        assert read == original
        assert read.to_json() == original.to_json()


def test_a_request_becomes_numbers_then_categories() -> None:
    request = LOANS.request.model_validate(
        {
            "loan_id": 7,
            "income": 1_000.5,
            "children": 2.0,
            "rating": 3,
            "owner": True,
            "since": "1970-01-31",
            "region": "north",
            "purpose": "house",
        }
    )
    tensors = LOANS.encoder.tensors([request])
    assert [field.name for field in LOANS.encoder.fields] == [
        *("income", "children", "rating", "owner", "since"),
        *("region", "purpose"),
    ]
    assert tensors["columns"].tolist() == [[1_000.5, 2, 3, 1, 30, 0, 1]]
    assert tensors["columns"].dtype == np.float32


def test_a_field_that_is_not_sent_is_missing_or_its_default() -> None:
    request = LOANS.request.model_validate({"loan_id": 7, "income": 1, "purpose": "car"})
    (row,) = LOANS.encoder.tensors([request])["columns"].tolist()
    np.testing.assert_array_equal(row, [1, NAN, NAN, NAN, NAN, 1, 0])


def test_no_requests_keep_the_number_of_columns() -> None:
    assert LOANS.encoder.tensors([])["columns"].shape == (0, 7)


def test_a_contract_may_ask_for_float64() -> None:
    wide = contract(inputs={"dtype": "float64"})
    request = wide.request.model_validate({**wide.examples["one"], "income": 0.1})
    (columns,) = wide.encoder.tensors([request]).values()
    assert columns[0, 0] == 0.1
    assert wide.encoder.signature == {"columns": ("tensor(double)", 7)}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"income": 0}, ("income", "greater_than")),
        ({"income": 1e6 + 1}, ("income", "less_than_equal")),
        ({"loan_id": 0}, ("loan_id", "greater_than_equal")),
        ({"loan_id": 1_000}, ("loan_id", "less_than")),
        ({"loan_id": "7"}, ("loan_id", "int_type")),
        ({"children": 1.5}, ("children", "int_type")),
        ({"rating": 4}, ("rating", "literal_error")),
        ({"rating": True}, ("rating", "int_type")),
        ({"owner": 1}, ("owner", "bool_type")),
        ({"owner": "true"}, ("owner", "bool_type")),
        ({"since": "1970-02-30"}, ("since", "date_type")),
        ({"since": "1970-1-1"}, ("since", "date_type")),
        ({"since": "1970-01-01T00:00:00"}, ("since", "date_type")),
        ({"since": 0}, ("since", "date_type")),
        ({"purpose": "boat"}, ("purpose", "literal_error")),
        ({"purpose": None}, ("purpose", "literal_error")),
    ],
)
def test_a_value_that_breaks_a_rule_names_its_field(
    values: dict[str, Any], found: tuple[str, str]
) -> None:
    assert refuse(**values) == [found]


def test_dates_are_described_as_dates() -> None:
    schema = LOANS.request.model_json_schema()["properties"]["since"]
    assert schema["anyOf"] == [{"type": "string", "format": "date"}, {"type": "null"}]
    request = LOANS.request.model_validate({**LOANS.examples["one"], "since": "2026-02-03"})
    assert vars(request)["since"] == date(2026, 2, 3)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"model": "Loans"}, "model: String should match pattern"),
        ({"model": "batch"}, "model: 'batch' is a path of the API"),
        ({"fields": []}, "fields: Tuple should have at least 1 item"),
        ({"task": "ranking"}, "task: Input should be 'binary', 'multiclass', 'regression' or 'f"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"subject": "who"}, "subject: there is no field 'who'"),
        ({"subject": "region"}, "subject: 'region' must be a required text or integer"),
        ({"subject": "children"}, "subject: 'children' must be a required text or integer"),
        ({"segments": ["regions"]}, "segments: there is no field 'regions'"),
        ({"answer": {}}, "answer.name is missing"),
        ({"answer": {"name": "loan_id"}}, "answer: 'loan_id' has a meaning already"),
        ({"answer": {"name": "model_version"}}, "answer: 'model_version' has a meaning already"),
        (
            {"answer": {"name": "p", "classes": ["a", "b"]}},
            "answer.classes: a binary model has none",
        ),
        ({"task": "multiclass", "answer": {"classes": ["a"]}}, "answer.classes: at least two"),
        ({"task": "multiclass", "answer": {"name": "p", "classes": ["a", "b"]}}, "without name"),
        ({"examples": {}}, "examples: Dictionary should have at least 1 item"),
        (
            {
                "answer": {
                    "name": "p",
                    "labels": {"name": "x", "names": ["a", "b"], "thresholds": [2, 1]},
                }
            },
            "one name more than thresholds",
        ),
        (
            {
                "answer": {
                    "name": "p",
                    "labels": {"name": "x", "names": ["a", "b", "c"], "thresholds": [2, 1]},
                }
            },
            "the thresholds must rise",
        ),
        (
            {"views": [{"name": "v", "description": "", "fields": ["x"]}]},
            "views.v: there is no field 'x'",
        ),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(
    changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ContractInvalid) as caught:
        contract(**changed)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"type": "number"}, "one lower bound (ge or gt) and one upper bound (le or lt)"),
        ({"type": "number", "ge": 0}, "one lower bound"),
        ({"type": "number", "ge": 0, "gt": 0, "le": 1}, "one lower bound"),
        ({"type": "number", "ge": 2, "le": 1}, "no number lies between"),
        ({"type": "number", "gt": 1, "le": 1}, "no number lies between"),
        ({"type": "number", "ge": 0, "le": 1e39}, "beyond the numbers"),
        (
            {"type": "number", "ge": 0, "le": 1, "choices": [1]},
            "a field of type number has no 'choices'",
        ),
        ({"type": "category"}, "choices is missing"),
        ({"type": "category", "choices": ["a", "a"]}, "two choices are the same"),
        ({"type": "category", "choices": [1, 2]}, "each of the choices should be a text"),
        ({"type": "integer", "choices": ["a"]}, "each of the choices should be a whole number"),
        ({"type": "text", "max_length": 5}, "fields.more: inputs of tabular-1 take no text"),
        ({"type": "list of numbers", "ge": 0, "le": 1, "max_length": 3}, "take no list of numbers"),
        ({"type": "boolean", "ge": 0}, "a field of type boolean has no 'ge'"),
        ({"type": "boolean", "default": True}, "a field with a default is not required"),
        ({"type": "boolean", "name": "model_dump"}, "'model_dump' has a meaning of its own"),
        ({"type": "boolean", "name": "copy"}, "'copy' has a meaning of its own"),
        ({"type": "boolean", "name": "Owner"}, "should match pattern"),
        ({"type": "boolean", "name": "owner"}, "there are two named 'owner'"),
        ({"type": "boolean", "source": "owner"}, "two have the source 'owner'"),
        ({"type": "boolean", "requried": False}, "requried: Extra inputs are not permitted"),
        ({"type": "colour"}, "type: Input should be"),
    ],
)
def test_a_field_that_cannot_be_used_is_refused(field: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContractInvalid) as caught:
        with_field(**field)
    assert reason in str(caught.value)


def test_duplicate_keys_of_a_document_are_refused() -> None:
    content = LOANS.to_json().replace(b'"title"', b'"model": "x", "title"')
    with pytest.raises(ContractInvalid, match="uplicate"):
        Contract.from_json(content, "contract.json")


def test_toml_is_read_and_its_examples_are_tried() -> None:
    text = """
        model = "rent"
        title = "Rent"
        task = "regression"
        answer = { name = "rent", decimals = 2 }
        fields = [ { name = "built", type = "date" }, 
          { name = "size", type = "number", gt = 0, le = 900 } ]
        [examples.one]
        built = 1990-01-01
        size = 70
    """.replace("\n        ", "\n")
    rent = Contract.from_toml(text, "contract.toml")
    assert rent.examples == {"one": {"built": "1990-01-01", "size": 70}}
    assert rent.subject is None
    for wrong, reason in (
        ("size = 70", "examples.one.size: Field required"),
        ("size = 0", "examples.one.size: Input should be greater than 0"),
        ("size = ", "it is not TOML"),
    ):
        broken = text.replace("size = 70", wrong if wrong != "size = 70" else "")
        with pytest.raises(ContractInvalid) as caught:
            Contract.from_toml(broken, "contract.toml")
        assert reason in str(caught.value)


RULES = [
    {"when": {"owner": [True]}, "then": {"purpose": ["house"]}},
    {"when": {"region": ["north"], "rating": [1, 2]}, "then_not": {"purpose": ["car"]}},
]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"owner": True, "purpose": "house"}, None),
        ({"owner": False}, None),
        ({}, None),
        ({"region": "north"}, None),
        ({"rating": 1}, None),
        ({"region": "north", "rating": 3}, None),
        ({"owner": True}, "Contradicts 'owner', which is 'True': should be 'house'"),
        (
            {"region": "north", "rating": 2},
            "Contradicts 'region' and 'rating', which is 'north' and '2': should not be 'car'",
        ),
    ],
)
def test_rules_between_fields(values: dict[str, Any], message: str | None) -> None:
    request = contract(rules=RULES).request
    sent = {"loan_id": 7, "income": 1_000, "purpose": "car"} | values
    try:
        request.model_validate(sent)
    except ValidationError as error:
        assert [(*it["loc"], it["msg"]) for it in error.errors()] == [("purpose", message)]
    else:
        assert message is None


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"when": {"owner": [True]}}, "a rule needs then or then_not"),
        (
            {"when": {}, "then": {"purpose": ["car"]}},
            "when: Dictionary should have at least 1 item",
        ),
        ({"when": {"x": [True]}, "then": {"purpose": ["car"]}}, "rule 1: there is no field 'x'"),
        ({"when": {"income": [1]}, "then": {"purpose": ["car"]}}, "'income' is no category"),
        ({"when": {"owner": [1]}, "then": {"purpose": ["car"]}}, "'owner' can never have one"),
        ({"when": {"rating": [4]}, "then": {"purpose": ["car"]}}, "'rating' can never have one"),
        ({"when": {"owner": [True]}, "then": {"purpose": []}}, "'purpose' can never have one"),
        ({"when": {"owner": [True]}, "then": {"rating": [1]}}, "'rating' must come after"),
        ({"when": {"owner": [True]}, "then": {"loan_id": [1]}}, "'loan_id' is no category"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused(rule: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContractInvalid) as caught:
        contract(rules=[rule])
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "numbers", "answer"),
    [
        ({}, [0.25], {"loan_id": 7, "default_probability": 0.25}),
        (
            {"task": "regression", "answer": {"name": "limit"}, "subject": None},
            [-3.5],
            {"limit": -3.5},
        ),
        (
            {"task": "multiclass", "answer": {"classes": ["a", "<=50K", "c"]}},
            [0.25, 0.5, 0.25],
            {
                "loan_id": 7,
                "category": "<=50K",
                "probabilities": {"a": 0.25, "<=50K": 0.5, "c": 0.25},
            },
        ),
    ],
    ids=["binary", "regression without subject", "multiclass"],
)
def test_numbers_become_the_answer_of_the_task(
    changed: dict[str, Any], numbers: list[float], answer: dict[str, Any]
) -> None:
    made = contract(**changed)
    request = made.request.model_validate(made.examples["one"])
    got = made.answer_to(request, numbers, model_version="loans-model-v1.0.0", prediction_id="p")
    expected = answer | {"model_version": "loans-model-v1.0.0", "prediction_id": "p"}
    assert json.loads(got.model_dump_json()) == expected
    assert list(got.model_dump()) == list(expected)


def test_an_integer_subject_is_logged_by_its_hash_alone_and_none_has_none() -> None:
    request = LOANS.request.model_validate(LOANS.examples["one"])
    assert LOANS.subject_of(request) == "7"
    assert contract(subject=None).subject_of(request) is None


def test_names_of_classes_differ_where_names_of_models_do() -> None:
    names = [contract(model=name).request.__name__ for name in ("a-b", "ab", "a-1", "a1")]
    assert names == ["ABRequest", "AbRequest", "A_1Request", "A1Request"]
