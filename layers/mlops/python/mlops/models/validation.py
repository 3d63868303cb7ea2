"""One row or request against its contract: the request, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import BeforeValidator, ValidationError
from pydantic_core import PydanticKnownError

if TYPE_CHECKING:
    from mlops.models.contract import Contract
    from mlops.models.schemas import Request

MAX_FAULTS = 50
MAX_NAME = 64
"""Characters of a field's name that is repeated: a stranger may have chosen it."""

# Where pydantic's own words speak of Python.
_OUR_WORDS = {
    "model_attributes_type": "Input should be an object",
    "dict_type": "Input should be an object",
}


@dataclass(frozen=True)
class Fault:
    """field: its name; with dots where it is nested. type: stable, such as `missing`."""

    field: str
    type: str
    detail: str


def at_most(entries: int) -> BeforeValidator:
    """Return a validator that refuses a larger object before any of its entries is looked at.

    With `max_length` alone, pydantic makes an error of a kilobyte for each wrong entry first.
    """

    def count(value: object) -> object:
        if isinstance(value, dict) and len(value) > entries:
            found = {"field_type": "Object", "max_length": entries, "actual_length": len(value)}
            raise PydanticKnownError("too_long", found)
        return value

    return BeforeValidator(count)


def validate(contract: Contract, value: object) -> Request | tuple[Fault, ...]:
    """Return the request, or what is wrong with it."""
    try:
        # As FastAPI asks for it: what is no object then has the same error.
        return contract.request.model_validate(value, from_attributes=True)
    except ValidationError as error:
        return tuple(faults(error.errors(include_input=False, include_url=False), whole="row"))


def faults(errors: Iterable[Mapping[str, Any]], *, whole: str, skip: int = 0) -> Iterable[Fault]:
    """The first 50 of pydantic's errors in our words; none repeats a value.

    whole: the field's name where all of the input is to blame. skip: parts of each location that
    name no field.
    """
    for error in islice(errors, MAX_FAULTS):
        names = [str(part)[:MAX_NAME] for part in error["loc"][skip:]] or [whole]
        detail = _OUR_WORDS.get(error["type"], error["msg"])
        yield Fault(field=".".join(names), type=error["type"], detail=detail)
