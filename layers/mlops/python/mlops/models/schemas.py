"""The pydantic classes of a contract's request and response."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
)
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from mlops.models.contract import Contract, RequestField, Rule, Value

_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Request(BaseModel):
    """Base of all requests: exact JSON types, no unknown fields, no NaN or Infinity."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=()
    )


class Response(BaseModel):
    """Base of all answers."""

    # `model_version` is part of each; pydantic otherwise warns of its own prefix.
    model_config = ConfigDict(frozen=True, protected_namespaces=())


def build_request(contract: Contract) -> type[Request]:
    """Return the class of the contract's requests."""
    rules = _rules_by_field(contract.rules)
    definitions: dict[str, Any] = {
        field.name: _definition(
            field, rules.get(field.name, ()), contract.inputs.validators(contract, field)
        )
        for field in contract.fields
    }
    return create_model(
        f"{_class_name(contract.model)}Request",
        __base__=Request,
        __cls_kwargs__=_described(contract.description),
        **definitions,
    )


def build_response(contract: Contract) -> type[Response]:
    """Return the class of the contract's answers."""
    definitions: dict[str, Any] = {}
    if contract.subject is not None:
        kind = str if contract.by_name[contract.subject].type == "text" else int
        definitions[contract.subject] = (kind, ...)
    definitions |= contract.outcome.response_fields()
    definitions["model_version"] = (str, ...)
    definitions["prediction_id"] = (
        str,
        Field(description="Unique id of this prediction. Quote it in questions about the answer."),
    )
    answer = contract.answer
    examples = {"examples": [dict(answer.example)]} if answer.example else {}
    return create_model(
        f"{_class_name(contract.model)}Response",
        __base__=Response,
        __cls_kwargs__=_described(answer.about, examples),
        **definitions,
    )


def _class_name(model: str) -> str:
    """Return `CreditRisk` for `credit-risk`; no two models share a name."""
    return re.sub("(^|-)([a-z])", lambda found: found[2].upper(), model).replace("-", "_")


def _described(description: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    schema = ({"description": description} if description else {}) | dict(more or {})
    return {"json_schema_extra": schema} if schema else {}


def _definition(
    field: RequestField, rules: tuple[_Condition, ...], of_format: Sequence[AfterValidator]
) -> tuple[Any, Any]:
    """of_format: what the input format requires of the field's values."""
    kind, validators = _kind(field)
    validators = [*validators, *of_format]
    if not field.required:
        kind = kind | None
    if rules:
        validators = [*validators, AfterValidator(_requiring(rules))]
    for validator in validators:
        kind = Annotated[kind, validator]
    described: dict[str, Any] = {"description": field.description} if field.description else {}
    default: Any = ... if field.required else field.default
    return kind, Field(default, **described, **_bounds(field))


def _kind(field: RequestField) -> tuple[Any, list[Any]]:
    """Return the type of a field's values, and what it needs besides pydantic's own checks."""
    if field.choices:
        kind: Any = Literal[field.choices]
        return kind, [WHOLE] if field.type == "integer" else []
    match field.type:
        case "integer":
            return int, [WHOLE]
        case "number":
            return float, []
        case "boolean":
            return bool, []
        case "date":
            day: Any = Annotated[date, Field(**_limits(field))]
            return day, [BeforeValidator(_iso_date)]
        case "list of numbers":
            number: Any = Annotated[float, Field(**_limits(field))]
            return list[number | None] if field.nulls else list[number], []
    return str, [AfterValidator(_filled)] if field.not_blank else []


def _filled(text: str) -> str:
    if text.isspace():
        raise PydanticCustomError("blank", "Input should have more than white space")
    return text


def _bounds(field: RequestField) -> dict[str, Any]:
    lengths = {"min_length": field.min_length, "max_length": field.max_length}
    limits = {} if field.type in ("list of numbers", "date") else _limits(field)
    return limits | {name: length for name, length in lengths.items() if length is not None}


def _limits(field: RequestField) -> dict[str, Any]:
    return {**field.limits}


def _whole_number(value: object) -> object:
    # JSON has one kind of number: 24.0 is the integer 24. True is no number at all, though
    # Python, and with it Literal[0, 1], thinks so.
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


WHOLE = BeforeValidator(_whole_number)
"""Goes with every field that holds integers."""


def parse_date(text: str) -> date | None:
    """Return the date that `text` is in the form of 2026-01-31, or None."""
    if _DATE.fullmatch(text) is None:  # Python reads other forms, too
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:  # such as a 30th of February
        return None


def _iso_date(value: object) -> object:
    found = parse_date(value) if isinstance(value, str) else None
    if found is None and value is not None:
        raise PydanticCustomError("date_type", "Input should be a date, such as 2026-01-31")
    return found


_Condition = tuple["Rule", tuple["Value", ...], bool]
"""A rule, values of one of the fields that it restricts, and whether these are the allowed ones."""


def _rules_by_field(rules: tuple[Rule, ...]) -> dict[str, tuple[_Condition, ...]]:
    found: dict[str, tuple[_Condition, ...]] = {}
    for rule in rules:
        for restricted, allowed in ((rule.then, True), (rule.then_not, False)):
            for name, values in restricted.items():
                found[name] = (*found.get(name, ()), (rule, values, allowed))
    return found


def _requiring(rules: tuple[_Condition, ...]) -> Callable[[object, ValidationInfo], object]:
    """Return a validator that refuses a value which contradicts an earlier field.

    It runs for each request, so it calls nothing as long as no rule is broken.
    """
    checks = [(tuple(rule.when.items()), values, allowed, rule) for rule, values, allowed in rules]

    def require(value: object, info: ValidationInfo) -> object:
        if value is None:
            return None
        sent = info.data
        for when, values, allowed, rule in checks:
            if (value in values) is allowed:
                continue
            for name, triggers in when:
                if sent.get(name) not in triggers:
                    break
            else:
                raise PydanticCustomError(
                    "contradiction",
                    "{reason}",  # not the reason itself, in which braces would have a meaning
                    {"reason": _contradiction(rule, values, allowed, sent)},
                )
        return value

    return require


def _contradiction(
    rule: Rule, values: tuple[Value, ...], allowed: bool, sent: Mapping[str, Any]
) -> str:
    others = " and ".join(f"'{name}'" for name in rule.when)
    said = rule.because or "is " + " and ".join(f"'{sent[name]}'" for name in rule.when)
    wanted = " or ".join(f"'{value}'" for value in values)
    verb = "should be" if allowed else "should not be"
    return f"Contradicts {others}, which {said}: {verb} {wanted}"
