"""Does a new version take what the old one took, and answer what its callers read?

Contracts are compared as the API shows them: JSON Schemas as pydantic writes them. To take more is
no breach. What this module does not know counts as one where it is new or different: better to be
asked once too often. Rules that a schema cannot state, such as fields that contradict each other,
are not seen here.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

Schema = Mapping[str, Any]
_Part = Schema | bool
"""Of a schema, without references. True takes anything, False nothing."""

_SAYS_NOTHING = {"title", "description", "default", "examples", "deprecated", "discriminator"}


@dataclass(frozen=True)
class _Limit:
    """keywords: each with whether the limit itself is left out. sign: the greater, the tighter."""

    keywords: Mapping[str, bool]
    sign: int
    measure: Callable[[Any], float]

    def of(self, schema: Schema) -> tuple[float, bool] | None:
        """What each value keeps; None where there is no such limit."""
        if values := _values(schema):
            return min((self.sign * self.measure(value), False) for value in values)
        return self.stated(schema)

    def stated(self, schema: Schema) -> tuple[float, bool] | None:
        stated = [
            (self.sign * schema[keyword], excluded)
            for keyword, excluded in self.keywords.items()
            if keyword in schema
        ]
        return max(stated, default=None)


_LIMITS = {
    "minimum": _Limit({"minimum": False, "exclusiveMinimum": True}, 1, float),
    "maximum": _Limit({"maximum": False, "exclusiveMaximum": True}, -1, float),
    "minLength": _Limit({"minLength": False}, 1, len),
    "maxLength": _Limit({"maxLength": False}, -1, len),
    "minItems": _Limit({"minItems": False}, 1, len),
    "maxItems": _Limit({"maxItems": False}, -1, len),
}
_KNOWN = {keyword for limit in _LIMITS.values() for keyword in limit.keywords} | {
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
}
_OF_FIELDS = {"properties", "required", "additionalProperties", "patternProperties"}
_OF_ITEMS = {"items", "prefixItems"}
_READ_TOGETHER = (_OF_FIELDS - {"required"}, _OF_ITEMS)
"""What each of these says depends on the others beside it."""
_ALLOWING = {"patternProperties", "minContains"}
"""Without these, others refuse more: they are no limits that it is good to be rid of."""


def request_breaches(old: Schema, new: Schema) -> tuple[str, ...]:
    """What the old schema of a request takes and the new one does not, each with its field."""
    return _compared(_Comparison(answers=False), old, new)


def response_breaches(old: Schema, new: Schema) -> tuple[str, ...]:
    """What the new schema of an answer gives, or leaves out, against the old one's word.

    A new field is none: callers do not read what they do not know. Those of a map they do read.
    """
    return _compared(_Comparison(answers=True), new, old)


def _compared(comparison: "_Comparison", giver: Schema, taker: Schema) -> tuple[str, ...]:
    if giver == taker:
        return ()
    try:
        given, taken = _inlined(giver, giver), _inlined(taker, taker)
        return tuple(comparison.breaches(given, taken, ""))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        return (f"the schemas cannot be compared: {type(error).__name__}",)


@dataclass(frozen=True)
class _Comparison:
    """What is given has to be taken, too.

    Of requests the old schema is what is given: its callers go on as they did. Of answers the new
    one is, and what is taken is what callers rely on.
    """

    answers: bool

    def breaches(self, given: _Part, taken: _Part, name: str) -> Iterator[str]:
        """Each alternative of `given` needs one of `taken`; the closest one is compared."""
        takers = list(_alternatives(taken))
        for part in _alternatives(given):
            fitting = [taker for taker in takers if _fits(part, taker)]
            if not fitting:
                kind = part.get("type", "any type")
                words = f"may be {kind} now" if self.answers else f"{kind} is no longer taken"
                yield _at(name, words)
                continue
            yield from min((list(self._pair(part, taker, name)) for taker in fitting), key=len)

    def _pair(self, given: Schema, taken: Schema, name: str) -> Iterator[str]:
        yield from self._enumerated(given, taken, name)
        for name_of, limit in _LIMITS.items():
            if limit.keywords.keys().isdisjoint(taken):
                continue
            kept, asked = limit.of(given), limit.stated(taken)
            if asked is not None and (kept is None or kept < asked):
                yield _at(name, f"{name_of} {self._change(given, taken, limit.keywords)}")
        for keyword in sorted((taken.keys() | given.keys() & _ALLOWING) - _KNOWN - _SAYS_NOTHING):
            if keyword not in taken or given.get(keyword) != taken[keyword]:
                yield _at(name, f"{keyword} {self._change(given, taken, (keyword,))}")
        if taken.keys() & _OF_ITEMS:
            yield from self._array(given, taken, name)
        if (taken.keys() | given.keys()) & _OF_FIELDS:
            yield from self._object(given, taken, name)

    def _enumerated(self, given: Schema, taken: Schema, name: str) -> Iterator[str]:
        ours, theirs = _values(given), _values(taken)
        if theirs is None:
            return
        if ours is None:
            words = "may be any value now" if self.answers else "takes only some values now"
            yield _at(name, words)
            return
        for value in ours:
            if value not in theirs:
                words = "is a new value" if self.answers else "is no longer taken"
                yield _at(name, f"{json.dumps(value, ensure_ascii=False)} {words}")

    def _object(self, given: Schema, taken: Schema, name: str) -> Iterator[str]:
        ours, theirs = given.get("properties", {}), taken.get("properties", {})
        old, new = (theirs, ours) if self.answers else (ours, theirs)
        for field in sorted(old.keys() - new.keys()):
            yield _at(_within(name, field), "is removed")
        for field in sorted(set(taken.get("required", ())) - set(given.get("required", ()))):
            if field in new or field not in old:
                words = "may be missing now" if self.answers else "is required now"
                yield _at(_within(name, field), words)
        yield from self._others(given, taken, name)
        # A field that is new has been among the others, whose patterns are not looked into.
        unnamed = True if "patternProperties" in given else _others(given)
        for field in sorted(new):
            one, other = ours.get(field, unnamed), theirs.get(field, _others(taken))
            if field in old or not (self.answers and other is False):
                yield from self.breaches(one, other, _within(name, field))

    def _others(self, given: Schema, taken: Schema, name: str) -> Iterator[str]:
        """Compare what fields may be that have no name in the schema, such as those of a map."""
        ours, theirs = _others(given), _others(taken)
        if self.answers and isinstance(theirs, bool):
            return
        old, new = (theirs, ours) if self.answers else (ours, theirs)
        if new is not False:
            yield from self.breaches(ours, theirs, _within(name, "*"))
        elif old is not False:
            words = "are removed" if self.answers else "are no longer taken"
            yield _at(name, f"other fields {words}")

    def _array(self, given: Schema, taken: Schema, name: str) -> Iterator[str]:
        """Compare items one by one as far as either schema counts them, then all that follow."""
        ours, theirs = given.get("prefixItems", []), taken.get("prefixItems", [])
        our_rest, their_rest = given.get("items", True), taken.get("items", True)
        counted = max(len(ours), len(theirs))
        # More than one side has are none, or too many and named as such.
        most = min(given.get("maxItems", inf), taken.get("maxItems", inf))
        for place in range(counted):
            if place < most:
                one = ours[place] if place < len(ours) else our_rest
                other = theirs[place] if place < len(theirs) else their_rest
                yield from self.breaches(one, other, f"{name}[{place}]")
        if counted < most:
            yield from self.breaches(our_rest, their_rest, f"{name}[]")

    def _change(self, given: Schema, taken: Schema, keywords: Iterable[str]) -> str:
        """The keywords' values, old → new."""
        ours, theirs = (
            [part[keyword] for keyword in keywords if keyword in part] for part in (given, taken)
        )
        old, new = (theirs, ours) if self.answers else (ours, theirs)
        shown = (", ".join(map(json.dumps, values)) or "none" for values in (old, new))
        return " → ".join(shown)


def _inlined(part: Any, root: Schema) -> Any:
    """A part of a schema with what its references name in their places, so that they all count.

    Raises RecursionError where a schema contains itself, KeyError, ValueError.
    """
    if isinstance(part, list):
        return [_inlined(one, root) for one in part]
    if not isinstance(part, Mapping):
        return part
    beside = {
        key: _inlined(value, root) for key, value in part.items() if key not in ("$ref", "$defs")
    }
    if "$ref" not in part:
        return beside
    named = root["$defs"][part["$ref"].removeprefix("#/$defs/")]
    return _both(_inlined(named, root), beside)


def _alternatives(part: _Part) -> Iterator[Schema]:
    """The schema once for each type that it allows; for False there is none."""
    if isinstance(part, bool):
        yield from [{}] if part else []
        return
    for keyword in ("anyOf", "oneOf"):
        if keyword in part:
            beside = {key: value for key, value in part.items() if key != keyword}
            for one in part[keyword]:
                yield from _alternatives(_both(one, beside))
            return
    types = part.get("type")
    if isinstance(types, list):
        yield from ({**part, "type": one} for one in types)
    else:
        yield part


def _both(part: _Part, beside: Schema) -> _Part:
    """What keeps to both. Raises ValueError where one schema does not simply add to the other."""
    added = {key: value for key, value in beside.items() if key not in _SAYS_NOTHING}
    if isinstance(part, bool):
        return added if part else False
    if any(part[keyword] != added[keyword] for keyword in part.keys() & added.keys()):
        raise ValueError("two words on the same")
    if any(part.keys() & words and added.keys() & words for words in _READ_TOGETHER):
        raise ValueError("what is read together stands apart")
    return {**part, **added}


def _fits(given: Schema, taken: Schema) -> bool:
    ours, theirs = given.get("type"), taken.get("type")
    return theirs in (None, ours) or (ours, theirs) == ("integer", "number")


def _values(schema: Schema) -> list[Any] | None:
    """The only ones that it allows; None: not stated."""
    if "const" in schema:
        return [schema["const"]]
    found: list[Any] | None = schema.get("enum")
    return found


def _others(schema: Schema) -> _Part:
    """What a field may be that has no name in the schema."""
    others: _Part = schema.get("additionalProperties", True)
    return others


def _within(name: str, field: str) -> str:
    return f"{name}.{field}" if name else field


def _at(name: str, words: str) -> str:
    return f"{name}: {words}" if name else words
