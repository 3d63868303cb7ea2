"""A contract's rules about single fields as plain values, for those who check whole columns.

They are read off the request's class, so that there is one place to state them. A rule this module
does not know is an error at once: columns that are checked for less than the contract asks for
would let bad rows pass.
"""

import math
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic.fields import FieldInfo

from mlops.models.contract import WHOLE, Contract


@dataclass(frozen=True)
class NumberRule:
    """whole: only integers. allowed: only these, where not None."""

    name: str
    required: bool
    low: float
    high: float
    whole: bool
    allowed: tuple[int, ...] | None


@dataclass(frozen=True)
class CategoryRule:
    name: str
    required: bool
    categories: tuple[str, ...]


@dataclass(frozen=True)
class SubjectRule:
    """The text that says whom a row is about; lengths in characters."""

    name: str
    shortest: int
    longest: int


@dataclass(frozen=True)
class Rules:
    """All fields of a request, in the order in which the model takes its columns."""

    subject: SubjectRule
    numbers: tuple[NumberRule, ...]
    categories: tuple[CategoryRule, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.subject.name, *(rule.name for rule in self.ruled)})

    @property
    def required(self) -> frozenset[str]:
        named = {rule.name for rule in self.ruled if rule.required}
        return frozenset({self.subject.name, *named})

    @property
    def ruled(self) -> tuple[NumberRule | CategoryRule, ...]:
        return (*self.numbers, *self.categories)


def rules_of(contract: Contract) -> Rules:
    """Raises TypeError for a rule that has no counterpart here."""
    request = contract.request
    fields = request.model_fields
    columns = {contract.subject_field, *contract.numeric, *contract.categorical}
    if set(fields) != columns:
        raise TypeError(f"{contract.model}: fields and columns differ: {set(fields) ^ columns}")
    if request.__pydantic_decorators__.field_validators and contract.consistent is None:
        raise TypeError(f"{contract.model}: its validators have no counterpart for columns")
    return Rules(
        subject=_subject(contract.subject_field, fields[contract.subject_field]),
        numbers=tuple(_number(name, fields[name]) for name in contract.numeric),
        categories=tuple(_category(name, fields[name]) for name in contract.categorical),
    )


def _subject(name: str, field: FieldInfo) -> SubjectRule:
    shortest, longest = 0, None
    for rule in field.metadata:
        if isinstance(rule, MinLen):
            shortest = rule.min_length
        elif isinstance(rule, MaxLen):
            longest = rule.max_length
        else:
            raise _unknown(name, rule)
    if field.annotation is not str or not field.is_required() or longest is None:
        raise _unknown(name, field)
    return SubjectRule(name, shortest, longest)


def _number(name: str, field: FieldInfo) -> NumberRule:
    kind, allowed = _kind(name, field), None
    if not isinstance(kind, type):
        allowed, kind = kind, int
    low, high, whole = -math.inf, math.inf, False
    for rule in field.metadata:
        if isinstance(rule, Ge):
            low = _bound(rule.ge)
        elif isinstance(rule, Le):
            high = _bound(rule.le)
        elif rule is WHOLE:
            whole = True
        else:
            raise _unknown(name, rule)
    if kind not in (int, float) or whole is not (kind is int):
        raise _unknown(name, kind)
    if not all(type(value) is int for value in allowed or ()):
        raise _unknown(name, allowed)
    return NumberRule(name, field.is_required(), low, high, whole, allowed)


def _category(name: str, field: FieldInfo) -> CategoryRule:
    kind = _kind(name, field)
    if isinstance(kind, type) or field.metadata:
        raise _unknown(name, field)
    if not all(type(value) is str for value in kind):
        raise _unknown(name, kind)
    return CategoryRule(name, field.is_required(), kind)


def _kind(name: str, field: FieldInfo) -> type | tuple[Any, ...]:
    """The type of a field, or its values where it is a Literal; `| None` left out."""
    kind: Any = field.annotation
    if get_origin(kind) in (Union, UnionType):
        kinds = [part for part in get_args(kind) if part is not NoneType]
        if len(kinds) != 1 or field.default is not None:
            raise _unknown(name, field)
        (kind,) = kinds
    if get_origin(kind) is Literal:
        return get_args(kind)
    if not isinstance(kind, type):
        raise _unknown(name, kind)
    return kind


def _bound(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no bound of a number")
    return float(value)


def _unknown(name: str, rule: object) -> TypeError:
    return TypeError(f"{name}: no counterpart for columns is known of {rule!r}")
