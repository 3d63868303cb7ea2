"""Strategies: requests that keep churn's contract, and values that need not."""

from typing import Any

from hypothesis import strategies as st

from mlops.models.churn.contract import CHURN
from mlops.models.contract import Contract, RequestField, Rule

UPLOADED = "s3://store/batch/uploads/local/rows.csv"
"""An input of a batch job; it is there."""

# Any text that UTF-8 can carry: surrogates it cannot.
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from([choice for field in CHURN.fields for choice in field.choices]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def valid_requests(draw: st.DrawFn) -> dict[str, Any]:
    """Any subset of the optional fields, in any order, null or not, without contradictions."""
    optional = [field.name for field in CHURN.fields if not field.required]
    chosen = draw(st.sets(st.sampled_from(optional)))
    request = {
        field.name: draw(_values(field))
        for field in CHURN.fields
        if field.required or field.name in chosen
    }
    request = consistent(request)
    return {name: request[name] for name in draw(st.permutations(sorted(request)))}


def _values(field: RequestField) -> st.SearchStrategy[Any]:
    values: st.SearchStrategy[Any]
    if field.type == "text":
        values = IDS
    elif field.choices:
        values = st.sampled_from(field.choices)
        if field.type == "integer":
            values |= values.map(float)
    else:
        low, high = map(int, field.bounds.values())
        values = st.integers(low, high)
        values |= values.map(float) if field.type == "integer" else st.floats(low, high)
    return values if field.required else st.none() | values


def consistent(request: dict[str, Any], contract: Contract = CHURN) -> dict[str, Any]:
    """Return the request without contradictions; what is none of a field's values is left."""
    fixed = dict(request)
    for field in contract.fields:  # those that a rule restricts come after those it depends on
        value = fixed.get(field.name)
        values = [False, True] if field.type == "boolean" else [*field.choices]
        if value in values and _contradicts(field, value, fixed, contract):
            allowed = [each for each in values if not _contradicts(field, each, fixed, contract)]
            if allowed:
                fixed[field.name] = allowed[0]
            else:
                del fixed[field.name]
    return fixed


def _contradicts(
    field: RequestField, value: object, request: dict[str, Any], contract: Contract
) -> bool:
    """Tell whether a rule forbids a value, written down a second time."""

    def sent(name: str) -> object:
        return request.get(name, contract.by_name[name].default)

    def applies(rule: Rule) -> bool:
        return all(sent(name) in values for name, values in rule.when.items())

    return any(
        (field.name in rule.then and value not in rule.then[field.name])
        or (field.name in rule.then_not and value in rule.then_not[field.name])
        for rule in contract.rules
        if applies(rule)
    )
