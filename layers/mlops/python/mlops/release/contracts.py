"""Does a new contract take what the old one took, and answer what its clients read?

To take more, or to answer more, is no breach. Texts, decimals, thresholds, defaults and examples
may change: they change what an answer means, not whether a client can send and read it.
"""

from collections.abc import Iterator
from math import inf

from mlops.models.contract import Contract, RequestField, Rule, Value

_Bound = tuple[float, bool]
"""A number and a side of it, so that bounds can be compared."""


def find_breaches(old: Contract, new: Contract) -> tuple[str, ...]:
    """Return what clients of the old contract would miss, each with its field."""
    return (*_of_requests(old, new), *_of_answers(old, new))


def _of_requests(old: Contract, new: Contract) -> Iterator[str]:
    for field in old.fields:
        if field.name not in new.by_name:
            yield f"request, {field.name}: is removed"
        else:
            for breach in _of_field(field, new.by_name[field.name]):
                yield f"request, {field.name}: {breach}"
    for field in new.fields:
        if field.name not in old.by_name and field.required:
            yield f"request, {field.name}: is required now"
    before = {restriction for rule in old.rules for restriction in _restrictions(rule)}
    for rule in new.rules:
        for restriction in _restrictions(rule):
            if restriction not in before and _can_break(restriction, old, new):
                yield f"request, {restriction[1]}: a new rule restricts it"


def _of_field(old: RequestField, new: RequestField) -> Iterator[str]:
    if new.required and not old.required:
        yield "is required now"
    if not (old.type == new.type or (old.type, new.type) == ("integer", "number")):
        yield f"is of type {new.type}, and was of type {old.type}"
        return
    if new.choices and not old.choices:
        yield "takes only some values now"
    lost = [
        choice
        for choice in old.choices
        if (choice not in new.choices if new.choices else not _within(choice, new))
    ]
    for choice in lost:
        yield f"{choice!r} is no longer taken"
    if not old.choices and not new.choices:
        yield from _tighter_bounds(old, new)
    if old.nulls and not new.nulls:
        yield "takes no nulls any more"
    if (new.min_length or 0) > (old.min_length or 0):
        yield f"min_length is {new.min_length}, and was {old.min_length or 0}"
    if _longest(new) < _longest(old):
        yield f"max_length is {new.max_length}, and was {old.max_length}"


def _tighter_bounds(old: RequestField, new: RequestField) -> Iterator[str]:
    if _lowest(new) > _lowest(old):
        yield f"the lower bound is {_shown(new, 'ge', 'gt')}, and was {_shown(old, 'ge', 'gt')}"
    if _highest(new) < _highest(old):
        yield f"the upper bound is {_shown(new, 'le', 'lt')}, and was {_shown(old, 'le', 'lt')}"


def _lowest(field: RequestField) -> _Bound:
    """Return the lower bound: of two the greater one takes less."""
    bounds = field.bounds
    return (bounds["gt"], True) if "gt" in bounds else (bounds.get("ge", -inf), False)


def _highest(field: RequestField) -> _Bound:
    """Return the upper bound: of two the lesser one takes less."""
    bounds = field.bounds
    return (bounds["lt"], False) if "lt" in bounds else (bounds.get("le", inf), True)


def _within(choice: str | int, field: RequestField) -> bool:
    if isinstance(choice, str):
        return True
    low, high = _lowest(field), _highest(field)
    return (choice, False) >= low and (choice, True) <= high


def _shown(field: RequestField, inclusive: str, exclusive: str) -> str:
    limits = field.limits
    return f"{limits[exclusive]}, exclusive" if exclusive in limits else f"{limits.get(inclusive)}"


def _longest(field: RequestField) -> float:
    return inf if field.max_length is None else field.max_length


_Restriction = tuple[frozenset[tuple[str, tuple[Value, ...]]], str, frozenset[Value], bool]
"""When these fields have these values, that field must have, or must not have, one of those."""


def _restrictions(rule: Rule) -> Iterator[_Restriction]:
    when = frozenset(rule.when.items())
    for restricted, allowed in ((rule.then, True), (rule.then_not, False)):
        for name, values in restricted.items():
            yield when, name, frozenset(values), allowed


def _can_break(restriction: _Restriction, old: Contract, new: Contract) -> bool:
    """Tell whether a request of the old contract can have all fields of a restriction."""
    when, restricted, _, _ = restriction
    sent = restricted in old.by_name
    return sent and all(
        name in old.by_name or new.by_name[name].default in values for name, values in when
    )


def _of_answers(old: Contract, new: Contract) -> Iterator[str]:
    if old.task != new.task:
        yield f"answer: the task is {new.task}, and was {old.task}"
        return
    if old.subject is not None and old.subject != new.subject:
        yield f"answer, {old.subject}: is removed"
    elif old.subject is not None and _subject_type(old) != _subject_type(new):
        yield f"answer, {old.subject}: is of another type"
    if old.answer.name != new.answer.name:
        yield f"answer, {old.answer.name}: is removed"
    yield from _of_names("category", old.answer.classes, new.answer.classes)
    for name in sorted(set(old.answer.classes) - set(new.answer.classes)):
        yield f"answer, probabilities.{name}: is removed"
    for percent in sorted(set(old.answer.intervals) - set(new.answer.intervals)):
        yield f"answer, forecast.low_{percent} and high_{percent}: are removed"
    before, now = old.answer.labels, new.answer.labels
    if before is None:
        return
    if now is None or before.name != now.name:
        yield f"answer, {before.name}: is removed"
    else:
        yield from _of_names(before.name, before.names, now.names)


def _of_names(field: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[str]:
    for name in sorted(set(new) - set(old)):
        yield f"answer, {field}: {name!r} is a new value"


def _subject_type(contract: Contract) -> str:
    return contract.by_name[contract.subject].type if contract.subject else ""
