"""What is inside maps and tuples, and behind references, breaks a contract as any field does."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mlops.release.contracts import request_breaches, response_breaches


class A(BaseModel):
    x: int


class Tighter(BaseModel):
    x: Annotated[int, Field(ge=5)]


class Open(BaseModel):
    a: int = 0


class Closed(Open):
    model_config = ConfigDict(extra="forbid")


class Longer(Open):
    b: int = 0


class ClosedLonger(Longer):
    model_config = ConfigDict(extra="forbid")


Pattern = Annotated[str, Field(pattern="^a")]
OTHERS_REFUSED = ("other fields are no longer taken",)

# What was, what is; what a request that was good is told, and what an answer is found to have.
CASES: list[tuple[str, Any, Any, tuple[str, ...], tuple[str, ...]]] = [
    ("a map", dict[str, A], dict[str, A], (), ()),
    (
        "of another type",
        dict[str, str],
        dict[str, int],
        ("*: string is no longer taken",),
        ("*: may be integer now",),
    ),
    ("of more", dict[str, int], dict[str, int | str], (), ("*: may be string now",)),
    ("of tighter objects", dict[str, A], dict[str, Tighter], ("*.x: minimum none → 5",), ()),
    ("of looser objects", dict[str, Tighter], dict[str, A], (), ("*.x: minimum 5 → none",)),
    (
        "of maps",
        dict[str, dict[str, int]],
        dict[str, dict[str, bool]],
        ("*.*: integer is no longer taken",),
        ("*.*: may be boolean now",),
    ),
    (
        "of anything, to a map",
        dict[str, Any],
        dict[str, int],
        ("*: any type is no longer taken",),
        (),
    ),
    ("a map, of anything", dict[str, int], dict[str, Any], (), ("*: may be any type now",)),
    (
        "other names",
        dict[Pattern, int],
        dict[str, int],
        (
            'patternProperties {"^a": {"type": "integer"}} → none',
            "*: any type is no longer taken",
        ),
        ('patternProperties {"^a": {"type": "integer"}} → none',),
    ),
    ("open to closed", Open, Closed, OTHERS_REFUSED, ()),
    ("closed to open", Closed, Open, (), ()),
    (
        "a map to a closed object",
        dict[str, int],
        Closed,
        OTHERS_REFUSED,
        ("other fields are removed",),
    ),
    ("a map to an open object", dict[str, int], Open, (), ("*: may be any type now",)),
    (
        "a map to an object of others",
        dict[str, str],
        Closed,
        (*OTHERS_REFUSED, "a: string is no longer taken"),
        ("other fields are removed", "a: may be integer now"),
    ),
    (
        "an open object to a map",
        Open,
        dict[str, int],
        ("a: is removed", "*: any type is no longer taken"),
        ("a: is removed",),
    ),
    ("a closed object to a map", Closed, dict[str, int], ("a: is removed",), ("a: is removed",)),
    (
        "a field that was among the others",
        Open,
        Longer,
        ("b: any type is no longer taken",),
        (),
    ),
    ("a field where there were no others", Closed, ClosedLonger, (), ()),
    ("a tuple", tuple[A, int], tuple[A, int], (), ()),
    ("a tighter tuple", tuple[A], tuple[Tighter], ("[0].x: minimum none → 5",), ()),
    ("a looser tuple", tuple[Tighter], tuple[A], (), ("[0].x: minimum 5 → none",)),
    (
        "its second item",
        tuple[A, int],
        tuple[A, str],
        ("[1]: integer is no longer taken",),
        ("[1]: may be string now",),
    ),
    ("a longer tuple", tuple[int], tuple[int, A], ("minItems 1 → 2",), ("maxItems 1 → 2",)),
    ("a shorter tuple", tuple[int, A], tuple[int], ("maxItems 2 → 1",), ("minItems 2 → 1",)),
    (
        "a list to a tuple",
        list[int],
        tuple[int, str],
        (
            "minItems none → 2",
            "maxItems none → 2",
            "[1]: integer is no longer taken",
        ),
        ("[1]: may be string now",),
    ),
    (
        "a tuple to a list",
        tuple[int, str],
        list[int],
        ("[1]: string is no longer taken",),
        ("minItems 2 → none", "maxItems 2 → none", "[1]: may be integer now"),
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "refused", "given"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_inside(old: Any, new: Any, refused: tuple[str, ...], given: tuple[str, ...]) -> None:
    before, now = (TypeAdapter(of).json_schema() for of in (old, new))
    assert request_breaches(before, now) == refused
    assert response_breaches(before, now) == given


def within(**keywords: Any) -> dict[str, Any]:
    return {"type": "array", "prefixItems": [{"type": "integer"}], **keywords}


@pytest.mark.parametrize(
    ("old", "new", "breaches"),
    [
        (within(), within(items={"type": "string"}), ("[]: any type is no longer taken",)),
        (within(), within(items=False), ("[]: any type is no longer taken",)),
        (within(items=False), within(items={"type": "string"}), ()),
        (within(maxItems=1), within(items=False), ()),
        (within(items={"type": "string"}), within(items=True), ()),
        (
            within(items={"type": "string"}),
            {"type": "array", "prefixItems": [{}, {"type": "integer"}]},
            ("[1]: string is no longer taken",),
        ),
        (within(maxItems=1), {"type": "array", "prefixItems": [{}, {"type": "integer"}]}, ()),
    ],
)
def test_what_follows_the_counted_items(old: Any, new: Any, breaches: tuple[str, ...]) -> None:
    assert request_breaches(old, new) == breaches


def referring(keyword: str, of: str) -> dict[str, Any]:
    return {keyword: {"$ref": "#/$defs/It"}, "$defs": {"It": {"type": of}}}


@pytest.mark.parametrize("keyword", ["propertyNames", "not", "contains"])
def test_a_reference_below_an_unknown_keyword_is_followed(keyword: str) -> None:
    one, other = referring(keyword, "integer"), referring(keyword, "string")
    assert request_breaches(one, one) == ()
    (breach,) = request_breaches(one, other)
    assert breach == f'{keyword} {{"type": "integer"}} → {{"type": "string"}}'


@pytest.mark.parametrize(
    ("old", "new", "breaches"),
    [
        (
            {"anyOf": [{"type": "integer"}]},
            {"anyOf": [{"type": "integer"}], "maximum": 3},
            ("maximum none → 3",),
        ),
        ({"type": "object"}, {"type": "object", "required": ["a"]}, ("a: is required now",)),
        ({"contains": {}, "minContains": 0}, {"contains": {}}, ("minContains 0 → none",)),
        ({"enum": [1]}, {"enum": [1, 5], "minimum": 3}, ("minimum none → 3",)),
        (
            {"patternProperties": {"^a": {}}, "additionalProperties": False},
            {
                "patternProperties": {"^a": {}},
                "additionalProperties": False,
                "properties": {"ab": {"type": "string"}},
            },
            ("ab: any type is no longer taken",),
        ),
        ({"properties": {"a": {}}}, {}, ("a: is removed",)),
        (
            {"type": "integer"},
            {"anyOf": [False, {"minimum": 3}], "type": "integer"},
            ("minimum none → 3",),
        ),
    ],
)
def test_what_stands_beside(old: Any, new: Any, breaches: tuple[str, ...]) -> None:
    assert request_breaches(old, new) == breaches


@pytest.mark.parametrize(
    "new",
    [
        {"$ref": "#/$defs/It", "maximum": 9, "$defs": {"It": {"maximum": 5}}},
        {"$ref": "#/properties/It", "$defs": {"It": {}}, "properties": {"It": False}},
        {"$ref": "#/$defs/It", "$defs": {"It": {"$ref": "#/$defs/It"}}},
        {"anyOf": [{"properties": {"a": {}}}], "additionalProperties": False},
    ],
)
def test_two_words_on_the_same_are_not_compared(new: Any) -> None:
    (breach,) = request_breaches({}, new)
    assert breach.startswith("the schemas cannot be compared: ")
