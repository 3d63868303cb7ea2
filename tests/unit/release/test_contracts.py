"""What breaks a contract and what does not, on schemas as pydantic writes them."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from mlops.models.catalogue import CONTRACTS
from mlops.release.contracts import request_breaches, response_breaches


def schema(**fields: Any) -> dict[str, Any]:
    """Of a request. fields: type, or type and default."""
    made: dict[str, Any] = {
        name: of if isinstance(of, tuple) else (of, ...) for name, of in fields.items()
    }
    model: type[BaseModel] = create_model("Made", __config__=ConfigDict(extra="forbid"), **made)
    return model.model_json_schema()


class Address(BaseModel):
    street: str
    number: int | None = None


class StricterAddress(BaseModel):
    street: Annotated[str, Field(max_length=20)]
    number: int


Colour = Literal["red", "green"]

# What was, what is, and what a request that was good is told now.
REQUESTS: list[tuple[str, Any, Any, tuple[str, ...]]] = [
    ("same", int, int, ()),
    ("described", int, Annotated[int, Field(description="years", title="Age")], ()),
    ("text for a number", int, str, ("x: integer is no longer taken",)),
    ("only whole numbers", float, int, ("x: number is no longer taken",)),
    ("fractions, too", int, float, ()),
    ("null, too", int, int | None, ()),
    ("no null", int | None, int, ("x: null is no longer taken",)),
    ("another alternative", int, int | str, ()),
    ("an alternative less", int | str, int, ("x: string is no longer taken",)),
    ("anything", int, Any, ()),
    ("no longer anything", Any, int, ("x: any type is no longer taken",)),
    ("a category more", Colour, Literal["red", "green", "blue"], ()),
    ("a category less", Colour, Literal["red"], ('x: "green" is no longer taken',)),
    (
        "a category less, of what may be null",
        Colour | None,
        Literal["green"] | None,
        ('x: "red" is no longer taken',),
    ),
    ("categories", str, Colour, ("x: takes only some values now",)),
    ("no categories any more", Colour, str, ()),
    (
        "a lower maximum",
        Annotated[int, Field(le=9)],
        Annotated[int, Field(le=8)],
        ("x: maximum 9 → 8",),
    ),
    ("a higher maximum", Annotated[int, Field(le=9)], Annotated[int, Field(le=10)], ()),
    ("a maximum", int, Annotated[int, Field(le=8)], ("x: maximum none → 8",)),
    ("no maximum any more", Annotated[int, Field(le=8)], int, ()),
    (
        "a higher minimum",
        Annotated[float | None, Field(ge=0)],
        Annotated[float | None, Field(ge=1)],
        ("x: minimum 0 → 1",),
    ),
    (
        "the minimum is left out",
        Annotated[float, Field(ge=0)],
        Annotated[float, Field(gt=0)],
        ("x: minimum 0 → 0",),
    ),
    ("the minimum is let in", Annotated[float, Field(gt=0)], Annotated[float, Field(ge=0)], ()),
    ("few values within limits", Literal[0, 1], Annotated[int, Field(ge=0, le=1)], ()),
    (
        "few values beyond limits",
        Literal[0, 1],
        Annotated[int, Field(ge=1)],
        ("x: minimum none → 1",),
    ),
    (
        "shorter texts",
        Annotated[str, Field(max_length=9)],
        Annotated[str, Field(max_length=8)],
        ("x: maxLength 9 → 8",),
    ),
    ("no empty text", str, Annotated[str, Field(min_length=1)], ("x: minLength none → 1",)),
    (
        "another pattern",
        Annotated[str, Field(pattern="^a")],
        Annotated[str, Field(pattern="^ab")],
        ('x: pattern "^a" → "^ab"',),
    ),
    ("no pattern any more", Annotated[str, Field(pattern="^a")], str, ()),
    (
        "a multiple",
        int,
        Annotated[int, Field(multiple_of=2)],
        ("x: multipleOf none → 2",),
    ),
    ("fewer of a list", list[Colour], list[Literal["red"]], ('x[]: "green" is no longer taken',)),
    (
        "a shorter list",
        list[int],
        Annotated[list[int], Field(max_length=3)],
        ("x: maxItems none → 3",),
    ),
    (
        "within an object",
        Address,
        StricterAddress,
        (
            "x.number: is required now",
            "x.number: null is no longer taken",
            "x.street: maxLength none → 20",
        ),
    ),
    ("a default", int, (int, 3), ()),
    ("required", (int, 3), int, ("x: is required now",)),
]


@pytest.mark.parametrize(
    ("old", "new", "breaches"), [case[1:] for case in REQUESTS], ids=[case[0] for case in REQUESTS]
)
def test_requests(old: Any, new: Any, breaches: tuple[str, ...]) -> None:
    assert request_breaches(schema(x=old), schema(x=new)) == breaches


def test_fields_of_requests() -> None:
    old = schema(kept=int, gone=int)
    new = schema(kept=int, needed=int, optional=(int, 3))
    assert request_breaches(old, new) == ("gone: is removed", "needed: is required now")


def test_other_fields_that_were_taken() -> None:
    """Whoever sent one that nobody read is refused now."""
    closed = schema(x=int)
    opened = {**closed, "additionalProperties": True}
    assert request_breaches(opened, closed) == ("other fields are no longer taken",)
    assert request_breaches(closed, opened) == ()


ANSWERS: list[tuple[str, Any, Any, tuple[str, ...]]] = [
    ("same", Colour, Colour, ()),
    ("another type", float, str, ("x: may be string now",)),
    ("only whole numbers", float, int, ()),
    ("fractions, too", int, float, ("x: may be number now",)),
    ("null, too", int, int | None, ("x: may be null now",)),
    ("no null any more", int | None, int, ()),
    ("a category more", Literal["red"], Colour, ('x: "green" is a new value',)),
    ("a category less", Colour, Literal["red"], ()),
    ("no categories any more", Colour, str, ("x: may be any value now",)),
    (
        "a higher maximum",
        Annotated[float, Field(ge=0, le=1)],
        Annotated[float, Field(ge=0, le=100)],
        ("x: maximum 1 → 100",),
    ),
    ("a lower maximum", Annotated[float, Field(le=9)], Annotated[float, Field(le=8)], ()),
    ("not always", int, (int, 3), ("x: may be missing now",)),
    ("always", (int, 3), int, ()),
]


@pytest.mark.parametrize(
    ("old", "new", "breaches"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS]
)
def test_answers(old: Any, new: Any, breaches: tuple[str, ...]) -> None:
    assert response_breaches(schema(x=old), schema(x=new)) == breaches


def test_fields_of_answers() -> None:
    old, new = schema(kept=int, gone=int), schema(kept=int, more=int)
    assert response_breaches(old, new) == ("gone: is removed",)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda contract: contract.model)
def test_no_contract_breaks_with_itself(contract: Any) -> None:
    request = contract.request.model_json_schema()
    response = contract.response.model_json_schema(mode="serialization")
    assert request_breaches(request, request) == ()
    assert response_breaches(response, response) == ()


class Node(BaseModel):
    children: list["Node"] = []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {"$ref": "#/$defs/Nowhere"}),
        ({"properties": []}, {"properties": {}}),
        ({"type": "integer", "minimum": "1"}, {"type": "integer", "minimum": 2}),
        (Node.model_json_schema(), Node.model_json_schema() | {"title": "Tree"}),
    ],
)
def test_what_cannot_be_compared_is_a_breach(old: Any, new: Any) -> None:
    (breach,) = request_breaches(old, new)
    assert breach.startswith("the schemas cannot be compared: ")
    assert request_breaches(old, old) == ()
