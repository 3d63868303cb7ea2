"""Rules for columns are read off the request; one that is not understood is an error."""

from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import Field, field_validator

from mlops.models.catalogue import CONTRACTS
from mlops.models.churn.contract import CHURN, INTERNET_EXTRAS
from mlops.models.columns import ABSENT, Codes
from mlops.models.contract import WHOLE, Contract, Request
from mlops.models.rules import CategoryRule, NumberRule, SubjectRule, rules_of


class Good(Request):
    who: str = Field(min_length=2, max_length=9)
    count: Annotated[int, WHOLE] = Field(ge=0, le=5)
    share: float | None = Field(default=None, ge=0.5)
    flag: Annotated[Literal[0, 1] | None, WHOLE] = None
    kind: Literal["a", "b"]


def contract(request: type[Request], **changed: Any) -> Contract:
    fields: dict[str, Any] = {
        "request": request,
        "subject_field": "who",
        "numeric": ("count", "share", "flag"),
        "categorical": ("kind",),
        "consistent": None,
    }
    return replace(CHURN, **(fields | changed))


def test_rules_say_what_the_request_does() -> None:
    rules = rules_of(contract(Good))
    assert rules.subject == SubjectRule("who", 2, 9)
    assert rules.numbers == (
        NumberRule("count", True, 0, 5, whole=True, allowed=None),
        NumberRule("share", False, 0.5, float("inf"), whole=False, allowed=None),
        NumberRule("flag", False, float("-inf"), float("inf"), whole=True, allowed=(0, 1)),
    )
    assert rules.categories == (CategoryRule("kind", True, ("a", "b")),)
    assert rules.required == {"who", "count", "kind"}


@pytest.mark.parametrize("model", CONTRACTS)
def test_every_model_has_rules(model: str) -> None:
    assert rules_of(CONTRACTS[model]).names == set(CONTRACTS[model].request.model_fields)


@pytest.mark.parametrize("model", CONTRACTS)
def test_columns_of_answers_have_a_type_without_rows_too(model: str) -> None:
    columns = CONTRACTS[model].answer_columns(np.empty(0))
    assert columns
    assert all(column.dtype != object for column in columns.values())


class NoLimit(Good):
    who: str


class Pattern(Good):
    who: str = Field(min_length=1, max_length=9, pattern="^C")


class Above(Good):
    share: float | None = Field(default=None, gt=0)


class Step(Good):
    share: float | None = Field(default=None, multiple_of=0.5)


class NotWhole(Good):
    count: int = Field(ge=0)


class OtherDefault(Good):
    share: float | None = 1.0


class Mixed(Good):
    kind: Literal["a", 1]  # type: ignore[assignment]


class Text(Good):
    kind: str  # type: ignore[assignment]


class Further(Good):
    more: float | None = None


class Validated(Good):
    @field_validator("kind")
    @classmethod
    def _never(cls, value: str) -> str:
        raise ValueError(value)


@pytest.mark.parametrize(
    "request_class",
    [NoLimit, Pattern, Above, Step, NotWhole, OtherDefault, Mixed, Text, Further, Validated],
)
def test_a_rule_without_a_counterpart_is_an_error(request_class: type[Request]) -> None:
    with pytest.raises(TypeError):
        rules_of(contract(request_class))


def test_contradictions_in_columns_are_those_of_a_request() -> None:
    """All combinations of the fields that can contradict each other, some 20,000."""
    names = ("phone_service", "multiple_lines", "internet_service", *INTERNET_EXTRAS[:3])
    choices = [len(CHURN.categories[name]) + 1 for name in names]
    grids = np.meshgrid(*[np.arange(count) - 1 for count in choices], indexing="ij")
    columns = {
        name: Codes(grid.ravel().astype(np.int16), CHURN.categories[name])
        for name, grid in zip(names, grids, strict=True)
    }
    rows = len(grids[0].ravel())
    absent = np.full(rows, ABSENT, np.int16)
    columns |= {name: Codes(absent, CHURN.categories[name]) for name in INTERNET_EXTRAS[3:]}
    assert CHURN.consistent is not None
    found = CHURN.consistent(columns)
    for row in range(0, rows, 7):
        places = {name: int(columns[name].codes[row]) for name in names}
        request = {
            name: None if place == ABSENT else CHURN.categories[name][place]
            for name, place in places.items()
        }
        assert found[row] == accepts(request), request


def accepts(request: dict[str, Any]) -> bool:
    try:
        CHURN.request.model_validate(
            {"customer_id": "C", "tenure": 1, "monthly_charges": 1.0, **request}
        )
    except ValueError:
        return False
    return True


def test_answers_in_columns_are_those_of_single_rows() -> None:
    predictions = np.array([0, 0.399999, 0.4, 0.400001, 0.699999, 0.7, 0.700001, 1])
    columns = CHURN.answer_columns(predictions)
    request = CHURN.request.model_validate(CHURN.examples["all fields"])
    for row, prediction in enumerate(predictions.tolist()):
        answer = CHURN.answer(request, prediction, model_version="v", prediction_id="p")
        single = answer.model_dump()
        assert {name: column[row] for name, column in columns.items()} == {
            name: single[name] for name in columns
        }
    assert list(CHURN.response.model_fields) == [
        *("customer_id", *columns, "model_version", "prediction_id")
    ]
