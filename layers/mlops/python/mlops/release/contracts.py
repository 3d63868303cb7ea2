"""Does a new version take what the old one took, and answer what its callers read?

Contracts are compared as the API shows them: JSON Schemas as pydantic writes them. To take more is
no breach. What this module does not know counts as one where it is new or different: better to be
asked once too often. Rules that a schema cannot state, such as fields that contradict each other,
are not seen here; captured requests show those (see `replay`).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_SAYS_NOTHING = {"title", "description", "default", "examples", "deprecated", "$defs"}


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
}


def request_breaches(old: Schema, new: Schema) -> tuple[str, ...]:
    """What the old schema of a request takes and the new one does not, each with its field."""
    return _compared(_Comparison(old, new, answers=False))


def response_breaches(old: Schema, new: Schema) -> tuple[str, ...]:
    """What the new schema of an answer gives, or leaves out, against the old one's word.

    A new field is none: callers do not read what they do not know.
    """
    return _compared(_Comparison(new, old, answers=True))


def _compared(comparison: "_Comparison") -> tuple[str, ...]:
    try:
        return tuple(comparison.breaches())
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        return (f"the schemas cannot be compared: {type(error).__name__}",)


@dataclass(frozen=True)
class _Comparison:
    """What `giver` allows has to be allowed by `taker`, too.

    Of requests the old schema is the giver: its callers go on as they did. Of answers the new one
    is, and the taker is what callers rely on.
    """

    giver: Schema
    taker: Schema
    answers: bool

    def breaches(self) -> Iterator[str]:
        yield from self._field(self.giver, self.taker, "")

    def _field(self, given: Schema, taken: Schema, name: str) -> Iterator[str]:
        """Each alternative of `given` needs one of `taken`; the closest one is compared."""
        takers = list(_alternatives(taken, self.taker))
        for part in _alternatives(given, self.giver):
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
            kept, asked = limit.of(given), limit.of(taken)
            if asked is not None and (kept is None or kept < asked):
                yield _at(name, f"{name_of} {self._change(given, taken, limit.keywords)}")
        for keyword in sorted(taken.keys() - _KNOWN - _SAYS_NOTHING):
            if given.get(keyword) != taken[keyword]:
                yield _at(name, f"{keyword} {self._change(given, taken, (keyword,))}")
        if "items" in taken:
            yield from self._field(given.get("items", {}), taken["items"], f"{name}[]")
        if "properties" in taken or "properties" in given:
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
        for field in old:
            if field not in new:
                yield _at(_within(name, field), "is removed")
        for field in sorted(set(taken.get("required", ())) - set(given.get("required", ()))):
            if field in new:
                words = "may be missing now" if self.answers else "is required now"
                yield _at(_within(name, field), words)
        if not self.answers and _open(given) and not _open(taken):
            yield _at(name, "other fields are no longer taken")
        for field in sorted(ours.keys() & theirs.keys()):
            yield from self._field(ours[field], theirs[field], _within(name, field))

    def _change(self, given: Schema, taken: Schema, keywords: Iterable[str]) -> str:
        """The keywords' values, old → new."""
        ours, theirs = (
            [part[keyword] for keyword in keywords if keyword in part] for part in (given, taken)
        )
        old, new = (theirs, ours) if self.answers else (ours, theirs)
        shown = (", ".join(map(json.dumps, values)) or "none" for values in (old, new))
        return " → ".join(shown)


def _alternatives(schema: Schema, root: Schema) -> Iterator[Schema]:
    """The schema, without references, once for each type that it allows."""
    while "$ref" in schema:
        named = root["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = {**named, **{key: value for key, value in schema.items() if key != "$ref"}}
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            for part in schema[keyword]:
                yield from _alternatives(part, root)
            return
    types = schema.get("type")
    if isinstance(types, list):
        yield from ({**schema, "type": one} for one in types)
    else:
        yield schema


def _fits(given: Schema, taken: Schema) -> bool:
    ours, theirs = given.get("type"), taken.get("type")
    return theirs in (None, ours) or (ours, theirs) == ("integer", "number")


def _values(schema: Schema) -> list[Any] | None:
    """The only ones that it allows; None: not stated."""
    if "const" in schema:
        return [schema["const"]]
    found: list[Any] | None = schema.get("enum")
    return found


def _open(schema: Schema) -> bool:
    return schema.get("additionalProperties", True) is not False


def _within(name: str, field: str) -> str:
    return f"{name}.{field}" if name else field


def _at(name: str, words: str) -> str:
    return f"{name}: {words}" if name else words
