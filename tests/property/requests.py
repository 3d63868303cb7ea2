"""Strategies: requests that keep the contract, and values that need not."""

from typing import Any

from hypothesis import strategies as st

from mlops.models.churn.contract import CHURN, INTERNET_EXTRAS, NO_INTERNET, NO_PHONE

UPLOADED = "s3://store/batch/uploads/local/rows.csv"
"""An input of a batch job; it is there."""

NUMBERS: dict[str, st.SearchStrategy[Any]] = {
    "tenure": st.integers(0, 1_200) | st.integers(0, 1_200).map(float),
    "monthly_charges": st.floats(0, 10_000) | st.integers(0, 10_000),
    "total_charges": st.none() | st.floats(0, 10_000_000) | st.integers(0, 10_000_000),
    "senior_citizen": st.sampled_from([None, 0, 1, 0.0, 1.0]),
}
# Any text that UTF-8 can carry: surrogates it cannot.
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from([name for names in CHURN.categories.values() for name in names]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def valid_requests(draw: st.DrawFn) -> dict[str, Any]:
    """Any subset of the optional fields, in any order, null or not, without contradictions."""
    fields = NUMBERS | {
        name: st.sampled_from([None, *names]) for name, names in CHURN.categories.items()
    }
    optional = sorted(fields.keys() - {"tenure", "monthly_charges"})
    chosen = draw(st.sets(st.sampled_from(optional)))
    request = {name: draw(fields[name]) for name in ("tenure", "monthly_charges", *chosen)}
    request = consistent(request | {"customer_id": draw(IDS)})
    return {name: request[name] for name in draw(st.permutations(sorted(request)))}


def consistent(request: dict[str, Any]) -> dict[str, Any]:
    """The request with contradictions taken out; what is not a category is left as it is."""
    mended = dict(request)
    if mended.get("phone_service") is not None:
        _agree(mended, ("multiple_lines",), NO_PHONE, none=mended["phone_service"] == "No")
    internet = mended.get("internet_service")
    extras = [mended[name] for name in INTERNET_EXTRAS if mended.get(name) is not None]
    if internet is not None:
        _agree(mended, INTERNET_EXTRAS, NO_INTERNET, none=internet == "No")
    elif NO_INTERNET in extras:
        _agree(mended, INTERNET_EXTRAS, NO_INTERNET, none=True)
    return mended


def _agree(request: dict[str, Any], names: tuple[str, ...], absent: str, *, none: bool) -> None:
    for name in names:
        if none and request.get(name) in ("Yes", "No"):
            request[name] = absent
        elif not none and request.get(name) == absent:
            request[name] = "No"
