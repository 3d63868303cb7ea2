"""What a new contract takes from clients of the old one, and what it does not."""

import json
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.models.contract import Contract
from mlops.models.schemas import Request
from mlops.models.validation import validate
from mlops.release.contracts import find_breaches

NUMBER = {"type": "number", "ge": 0, "le": 100}
WHOLE = {"type": "integer", "ge": 0, "le": 100}
COLOUR = {"type": "category", "choices": ["red", "green"]}
TEXT = {"type": "text", "min_length": 1, "max_length": 10}
ANSWER: dict[str, Any] = {"name": "price"}


def contract(
    fields: Mapping[str, Mapping[str, Any]], answer: Mapping[str, Any] = ANSWER, **more: Any
) -> Contract:
    """Return a contract that was read from JSON, with another field besides."""
    document = {
        "model": "made",
        "title": "Made",
        "task": "regression",
        "fields": [
            {"name": "other", "type": "boolean", "required": False},
            *({"name": name, **of} for name, of in fields.items()),
        ],
        "answer": answer,
        "examples": {"none": {}},
        **more,
    }
    return Contract.model_validate_json(json.dumps(document))


# What was, what is, and what clients are told.
FIELDS: list[tuple[str, Any, Any, tuple[str, ...]]] = [
    ("same", WHOLE, WHOLE, ()),
    ("described", WHOLE, WHOLE | {"description": "years", "unit": "a"}, ()),
    ("fractions, too", WHOLE, NUMBER, ()),
    ("whole numbers only", NUMBER, WHOLE, ("is of type integer, and was of type number",)),
    ("another type", WHOLE, COLOUR, ("is of type category, and was of type integer",)),
    ("required", WHOLE | {"required": False}, WHOLE, ("is required now",)),
    ("optional", WHOLE, WHOLE | {"required": False}, ()),
    ("a default", WHOLE | {"required": False}, WHOLE | {"required": False, "default": 3}, ()),
    ("a category more", COLOUR, COLOUR | {"choices": ["blue", "green", "red"]}, ()),
    ("a category less", COLOUR, COLOUR | {"choices": ["red"]}, ("'green' is no longer taken",)),
    (
        "few numbers",
        WHOLE,
        {"type": "integer", "choices": [0, 1]},
        ("takes only some values now",),
    ),
    ("few numbers within bounds", {"type": "integer", "choices": [0, 100]}, WHOLE, ()),
    (
        "few numbers beyond bounds",
        {"type": "integer", "choices": [0, 50, 101]},
        WHOLE | {"gt": 0, "ge": None},
        ("0 is no longer taken", "101 is no longer taken"),
    ),
    ("a higher maximum", WHOLE, WHOLE | {"le": 101}, ()),
    ("a lower maximum", WHOLE, WHOLE | {"le": 99}, ("the upper bound is 99, and was 100",)),
    (
        "the maximum is left out",
        WHOLE,
        WHOLE | {"le": None, "lt": 100},
        ("the upper bound is 100, exclusive, and was 100",),
    ),
    ("the maximum is let in", NUMBER | {"le": None, "lt": 100}, NUMBER, ()),
    ("a lower minimum", NUMBER, NUMBER | {"ge": -1}, ()),
    ("a higher minimum", NUMBER, NUMBER | {"ge": 1}, ("the lower bound is 1, and was 0",)),
    (
        "the minimum is left out",
        NUMBER,
        NUMBER | {"ge": None, "gt": 0},
        ("the lower bound is 0, exclusive, and was 0",),
    ),
    ("the minimum is let in", NUMBER | {"ge": None, "gt": 0}, NUMBER, ()),
]
SUBJECTS: list[tuple[str, Any, Any, tuple[str, ...]]] = [
    ("longer texts", TEXT, TEXT | {"min_length": 0, "max_length": 11}, ()),
    (
        "shorter texts",
        TEXT,
        TEXT | {"min_length": 2, "max_length": 9},
        ("min_length is 2, and was 1", "max_length is 9, and was 10"),
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "breaches"), [case[1:] for case in FIELDS], ids=[case[0] for case in FIELDS]
)
def test_a_field_of_a_request(
    old: dict[str, Any], new: dict[str, Any], breaches: tuple[str, ...]
) -> None:
    found = find_breaches(contract({"x": old}), contract({"x": new}))
    assert found == tuple(f"request, x: {breach}" for breach in breaches)


@pytest.mark.parametrize(
    ("old", "new", "breaches"), [case[1:] for case in SUBJECTS], ids=[case[0] for case in SUBJECTS]
)
def test_the_subject_of_a_request(
    old: dict[str, Any], new: dict[str, Any], breaches: tuple[str, ...]
) -> None:
    found = find_breaches(contract({"x": old}, subject="x"), contract({"x": new}, subject="x"))
    assert found == tuple(f"request, x: {breach}" for breach in breaches)


def test_fields_come_and_go() -> None:
    old, new = contract({"a": WHOLE}), contract({"b": WHOLE, "c": WHOLE | {"required": False}})
    assert find_breaches(old, new) == (
        "request, a: is removed",
        "request, b: is required now",
    )


ASKED: dict[str, dict[str, Any]] = {
    "phone": {"type": "boolean", "required": False},
    "lines": COLOUR | {"required": False},
}
RULE = {"when": {"phone": [False]}, "then": {"lines": ["red"]}}


@pytest.mark.parametrize(
    ("old", "new", "breaches"),
    [
        ([RULE], [RULE | {"because": "says there is none"}], 0),
        ([RULE], [], 0),
        ([], [RULE], 1),
        ([RULE], [RULE | {"then": {"lines": ["green"]}}], 1),
        ([RULE], [{"when": {"phone": [False]}, "then_not": {"lines": ["red"]}}], 1),
        ([], [{"when": {"phone": [True]}, "then": {"lines": ["red"]}}, RULE], 2),
    ],
)
def test_rules_between_fields(old: list[Any], new: list[Any], breaches: int) -> None:
    found = find_breaches(contract(ASKED, rules=old), contract(ASKED, rules=new))
    assert found == ("request, lines: a new rule restricts it",) * breaches


def test_a_rule_about_a_field_that_no_client_sends_yet() -> None:
    old = contract({"lines": ASKED["lines"]})
    assert find_breaches(old, contract(ASKED, rules=[RULE])) == ()
    defaults = ASKED | {"phone": ASKED["phone"] | {"default": False}}
    assert find_breaches(old, contract(defaults, rules=[RULE])) == (
        "request, lines: a new rule restricts it",
    )


LABELLED = ANSWER | {
    "labels": {"name": "risk", "names": ["Low", "High"], "thresholds": [0.5]},
}
CLASSES = {"classes": ["a", "b"]}


@pytest.mark.parametrize(
    ("old", "new", "breaches"),
    [
        (ANSWER, ANSWER | {"decimals": 2, "description": "in US dollars"}, ()),
        (ANSWER, {"name": "cost"}, ("price: is removed",)),
        (ANSWER, LABELLED, ()),
        (LABELLED, ANSWER, ("risk: is removed",)),
        (LABELLED, LABELLED | {"labels": LABELLED["labels"] | {"name": "band"}},
         ("risk: is removed",)),
        (LABELLED, LABELLED | {"labels": LABELLED["labels"] | {"thresholds": [0.9]}}, ()),
        (LABELLED, LABELLED | {"labels": LABELLED["labels"] | {"names": ["Low", "Huge"]}},
         ("risk: 'Huge' is a new value",)),
        (CLASSES, {"classes": ["b", "a"]}, ()),
        (CLASSES, {"classes": ["a", "b", "c"]}, ("category: 'c' is a new value",)),
        (CLASSES, {"classes": ["a", "c"]},
         ("category: 'c' is a new value", "probabilities.b: is removed")),
    ],
)  # fmt: skip
def test_the_answer(old: Any, new: Any, breaches: tuple[str, ...]) -> None:
    task = {"task": "multiclass"} if "classes" in old else {}
    found = find_breaches(contract({"x": WHOLE}, old, **task), contract({"x": WHOLE}, new, **task))
    assert found == tuple(f"answer, {breach}" for breach in breaches)


def test_the_subject_in_an_answer() -> None:
    fields = {"a": TEXT, "b": WHOLE}
    named = contract(fields, subject="a")
    nobody = contract({"b": WHOLE})
    assert "answer, a: is removed" in find_breaches(named, nobody)
    assert find_breaches(nobody, contract({"b": WHOLE, "c": WHOLE}, subject="b")) == (
        "request, c: is required now",
    )
    number = contract({"a": WHOLE}, subject="a")
    assert find_breaches(contract({"a": TEXT}, subject="a"), number) == (
        "request, a: is of type integer, and was of type text",
        "answer, a: is of another type",
    )


def test_another_task_is_another_model() -> None:
    old, new = contract({"x": WHOLE}), contract({"x": WHOLE}, task="binary")
    assert find_breaches(old, new) == ("answer: the task is binary, and was regression",)


# --- what one takes and the other refuses is never without a breach -----------------------------
BOUNDS = st.sampled_from([0, 1, 2, 3])
VALUES: tuple[object, ...] = (None, -1, 0, 1, 2, 3, 4, 0.5, "a", "b", True, False)


@st.composite
def field(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["integer", "number", "choices", "boolean", "category"]))
    required = {"required": draw(st.booleans())}
    if kind == "boolean":
        return {"type": kind} | required
    if kind == "category":
        choices = draw(st.lists(st.sampled_from(["a", "b"]), min_size=1, unique=True))
        return {"type": kind, "choices": choices} | required
    if kind == "choices":
        chosen = draw(st.lists(BOUNDS, min_size=1, unique=True))
        return {"type": "integer", "choices": chosen} | required
    low, high = draw(st.sampled_from(["ge", "gt"])), draw(st.sampled_from(["le", "lt"]))
    first, second = sorted((draw(BOUNDS), draw(BOUNDS) + 1))
    return {"type": kind, low: first, high: second + 1} | required


@st.composite
def made(draw: st.DrawFn) -> Contract:
    fields = draw(st.dictionaries(st.sampled_from("xy"), field(), min_size=1))
    rules = []
    if draw(st.booleans()):
        value, other = draw(st.sampled_from(VALUES[2:])), draw(st.sampled_from(VALUES[2:]))
        then = draw(st.sampled_from(["then", "then_not"]))
        rules = [{"when": {"x": [value]}, then: {"y": [other]}}]
    fields = {name: fields[name] for name in sorted(fields)}
    try:
        return contract(fields, rules=rules)
    except ValueError:  # the rule does not fit the fields
        return contract(fields)


@given(made(), made())
def test_what_is_refused_now_is_never_without_a_breach(old: Contract, new: Contract) -> None:
    breaches = find_breaches(old, new)
    for x, y in product(VALUES, repeat=2):
        request = {name: value for name, value in (("x", x), ("y", y)) if value is not None}
        if isinstance(validate(old, request), Request):
            assert breaches or isinstance(validate(new, request), Request), request


def test_a_contract_breaks_nothing_of_its_own() -> None:
    found = contract(ASKED, LABELLED, rules=[RULE])
    assert find_breaches(found, found) == ()
