"""What the old schema takes and the new one refuses is never without a breach.

Whether a schema takes a value is for another validator to say, of every value that is small.
"""

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator

from mlops.release.contracts import request_breaches, response_breaches

Pair = tuple[Any, Any]
"""Two schemas that are the same, or nearly."""


def around(values: list[Any]) -> list[Any]:
    """Lists of at most two of these, and objects of at most two fields."""
    lists: list[Any] = [
        list(chosen) for length in range(3) for chosen in product(values, repeat=length)
    ]
    absent = object()
    objects = (
        {name: value for name, value in zip("ab", chosen, strict=True) if value is not absent}
        for chosen in product([absent, *values], repeat=2)
    )
    return lists + list(objects)


PLAIN: list[Any] = [0, 5, "a"]
INNER = PLAIN + around([0, "a"])
SMALL = INNER + around([5, "a", [0], ["a"], {}, {"a": 0}, {"a": 5}, {"b": "a"}])

LEAVES: list[Any] = [
    {},
    True,
    {"type": "integer"},
    {"type": "integer", "minimum": 3},
    {"type": "string"},
    {"enum": ["a", 5]},
    {"anyOf": [{"type": "integer"}, {"type": "string"}]},
]


def twice(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Pair]:
    """Mostly the same, or else the difference to be found would be another one each time."""
    same = strategy.map(lambda one: (one, one))
    return st.one_of(same, same, st.tuples(strategy, strategy))


def keywords(**each: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    """Two schemas of these keywords; where one is None the keyword is not there."""

    def put(pairs: dict[str, Pair]) -> Pair:
        old, new = (
            {key: pair[side] for key, pair in pairs.items() if pair[side] is not None}
            for side in (0, 1)
        )
        return old, new

    return st.fixed_dictionaries(each).map(put)


def maybe(pairs: st.SearchStrategy[Pair], *others: Any) -> st.SearchStrategy[Pair]:
    return st.one_of(pairs, twice(st.sampled_from([None, *others])), mixed(pairs, *others))


def mixed(pairs: st.SearchStrategy[Pair], *others: Any) -> st.SearchStrategy[Pair]:
    """On one side a schema, on the other something else."""
    return st.builds(
        lambda pair, other, first: (pair[0], other) if first else (other, pair[1]),
        pairs,
        st.sampled_from([None, *others]),
        st.booleans(),
    )


def unzipped(pairs: list[Pair]) -> Pair:
    return [old for old, _ in pairs], [new for _, new in pairs]


def named(pairs: dict[str, Pair]) -> Pair:
    return {name: old for name, (old, _) in pairs.items()}, {
        name: new for name, (_, new) in pairs.items()
    }


def deeper(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    array, object_ = st.just(("array", "array")), st.just(("object", "object"))
    length = twice(st.sampled_from([None, 1, 2]))
    counted = st.lists(inner, min_size=1, max_size=2).map(unzipped)
    fields = st.dictionaries(st.sampled_from("ab"), inner, min_size=1).map(named)
    return st.one_of(
        keywords(
            type=array,
            prefixItems=maybe(counted),
            items=maybe(inner, True, False),
            minItems=length,
            maxItems=length,
        ),
        keywords(
            type=object_,
            properties=maybe(fields),
            additionalProperties=maybe(inner, True, False),
            required=twice(st.sampled_from([None, ["a"]])),
            propertyNames=twice(st.sampled_from([None, {"enum": ["a"]}])),
            patternProperties=twice(st.sampled_from([None, {"^a": {"type": "integer"}}])),
        ),
    )


def referred(pair: Pair) -> Pair:
    """The same schemas, each below a reference."""
    old, new = ({"$ref": "#/$defs/It", "$defs": {"It": one}} for one in pair)
    return old, new


SCHEMAS = deeper(st.recursive(twice(st.sampled_from(LEAVES)), deeper, max_leaves=4))
PAIRS = st.one_of(SCHEMAS, SCHEMAS.map(referred))


def newly_refused(old: Any, new: Any) -> list[Any]:
    was, now = OAS31Validator(old), OAS31Validator(new)
    return [value for value in SMALL if not now.is_valid(value) and was.is_valid(value)]


def opened(schema: Any) -> Any:
    """As callers read answers: they do not mind a field that they do not know."""
    if isinstance(schema, list):
        return [opened(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: opened(value)
        for key, value in schema.items()
        if (key, value) != ("additionalProperties", False)
    }


@settings(max_examples=150, deadline=None)
@given(PAIRS)
def test_a_request_that_is_newly_refused_is_a_breach(pair: Pair) -> None:
    if not request_breaches(*pair):
        assert newly_refused(*pair) == []


@settings(max_examples=150, deadline=None)
@given(PAIRS)
def test_an_answer_that_callers_do_not_expect_is_a_breach(pair: Pair) -> None:
    old, new = pair
    if not response_breaches(old, new):
        assert newly_refused(new, opened(old)) == []


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_what_is_unchanged_is_no_breach(pair: Pair) -> None:
    for schema in pair:
        assert request_breaches(schema, schema) == response_breaches(schema, schema) == ()
