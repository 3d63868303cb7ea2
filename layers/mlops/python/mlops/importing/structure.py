"""Which columns a fitted estimator reads, and what its encoders know of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from mlops.importing.steps import is_identity, is_of, name_of, unwrap

_ENCODERS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
_TEXT = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")


@dataclass(frozen=True)
class Structure:
    """columns: names in the order in which the estimator gets them, or None for an array.

    used: the places of those that it reads. categories: what encoders know, by place.
    texts: places whose words are counted.
    """

    columns: tuple[str, ...] | None
    used: frozenset[int]
    categories: Mapping[int, tuple[Any, ...]]
    texts: frozenset[int]


def read_structure(estimator: Any, width: int) -> Structure:
    """width: of the sample, for an estimator that does not know how many columns it gets."""
    names = getattr(estimator, "feature_names_in_", None)
    width = len(names) if names is not None else int(getattr(estimator, "n_features_in_", width))
    used: set[int] = set()
    categories: dict[int, tuple[Any, ...]] = {}
    texts: set[int] = set()
    for kind, places, values in _walk(estimator, tuple(range(width))):
        if kind == "used":
            used.update(places)
        elif kind == "text":
            texts.update(places)
        else:
            for place, found in zip(places, values, strict=True):
                known = categories.get(place, ())
                categories[place] = (*known, *(item for item in found if item not in known))
    return Structure(
        None if names is None else tuple(map(str, names)),
        frozenset(used),
        categories,
        frozenset(texts),
    )


_Finding = tuple[str, Sequence[int], Sequence[Sequence[Any]]]


def _walk(part: Any, places: tuple[int, ...]) -> Iterator[_Finding]:
    """Yield what a part reads and knows of the columns at `places`."""
    part = unwrap(part)
    if isinstance(part, Pipeline):
        kept: tuple[int, ...] | None = places
        for _, step in part.steps:
            if kept is None:
                return
            yield from _walk(step, kept)
            kept = _after(step, kept)
    elif isinstance(part, ColumnTransformer):
        for name, step, _ in part.transformers_:
            inside = tuple(places[place] for place in part._transformer_to_input_indices[name])
            if inside and not (isinstance(step, str) and step == "drop"):
                yield from _walk(step, inside)
    elif isinstance(part, FeatureUnion):
        for _, step in part.transformer_list:
            yield from _walk(step, places)
    elif inner := _members(part):
        for member, inside in inner:
            yield from _walk(
                member, tuple(places[place] for place in inside) if inside is not None else places
            )
    else:
        yield "used", places, ()
        if name_of(part) in _ENCODERS and len(part.categories_) == len(places):
            yield "categories", places, [_plain(found) for found in part.categories_]
        elif name_of(part) in _TEXT:
            yield "text", places, ()
        elif is_of(part, name_of(part)) and getattr(part, "_preprocessor", None) is not None:
            yield from _walk(part._preprocessor, places)


def _after(step: Any, places: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the places of the columns after a step that keeps them apart, or else None."""
    if is_identity(step):
        return places
    if (
        is_of(step, "SimpleImputer")
        and not step.add_indicator
        and len(step.statistics_) == len(places)
    ):
        return places
    return None


def _members(part: Any) -> list[tuple[Any, Any]]:
    """Return the estimators that an estimator hands its columns to, and which of them."""
    if hasattr(part, "calibrated_classifiers_"):
        return [(fold.estimator, None) for fold in part.calibrated_classifiers_]
    if hasattr(part, "estimators_features_"):
        return [*zip(part.estimators_, part.estimators_features_, strict=True)]
    if name_of(part) in (
        "StackingClassifier",
        "StackingRegressor",
        "VotingClassifier",
        "VotingRegressor",
        "OneVsRestClassifier",
    ):
        return [(member, None) for member in part.estimators_]
    for name in ("regressor_", "estimator_"):
        member = getattr(part, name, None)
        if hasattr(member, "predict"):
            return [(member, None)]
    return []


def _plain(values: Any) -> list[Any]:
    """Return Python's own values, without those that stand for "missing"."""
    found = [value.item() if hasattr(value, "item") else value for value in values]
    return [value for value in found if value is not None and value == value]
