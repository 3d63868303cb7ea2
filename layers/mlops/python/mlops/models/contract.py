"""What every model declares about its requests and answers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from mlops.models.columns import Codes, Columns, to_columns


class Request(BaseModel):
    """Base of all requests: exact JSON types, no unknown fields, no NaN or Infinity."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Response(BaseModel):
    """Base of all answers."""

    # `model_version` is part of each; pydantic otherwise warns of its own prefix.
    model_config = ConfigDict(frozen=True, protected_namespaces=())


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


class Answer(Protocol):
    """Makes the answer to one request."""

    def __call__(
        self, request: Any, prediction: float, *, model_version: str, prediction_id: str
    ) -> Response: ...


@dataclass(frozen=True)
class Contract:
    """The edge of one model: what comes in, which columns it becomes, what goes out."""

    model: str
    title: str
    request: type[Request]
    response: type[Response]
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    answer: Answer
    examples: Mapping[str, Mapping[str, Any]]
    subject_field: str
    """The request's field that says whom it is about: personal data, never to be logged."""
    consistent: Callable[[Mapping[str, Codes]], NDArray[np.bool_]] | None
    """For whole columns what the request's own validators say of categories that contradict each
    other: bool of shape (n,). It may doubt a row they take, but not take one they refuse."""
    answer_columns: Callable[[NDArray[np.float64]], Mapping[str, NDArray[Any]]]
    """For whole columns what `answer` makes of predictions: the response's fields between the
    subject and the model's version, in their order. None of dtype object: where there are no rows,
    nobody could tell what it is of."""

    @cached_property
    def layout(self) -> str:
        """Which column is what, and which category has which position; JSON.

        It is written into a model when it is trained, and compared when it is loaded: a category
        that moved would otherwise be taken for another one, and nobody would notice.
        """
        categories = {name: self.categories[name] for name in self.categorical}
        return json.dumps({"numeric": self.numeric, "categorical": categories})

    def columns(self, requests: list[Any]) -> Columns:
        return to_columns(requests, self.numeric, self._codes)

    @cached_property
    def _codes(self) -> Mapping[str, dict[str, float]]:
        return {
            name: {category: float(place) for place, category in enumerate(self.categories[name])}
            for name in self.categorical
        }

    def subject(self, request: Request) -> str:
        return str(getattr(request, self.subject_field))
