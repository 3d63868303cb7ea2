"""What every model declares about its requests and answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from mlops.models.columns import Columns, to_columns


class Request(BaseModel):
    """Base of all requests: exact JSON types, no unknown fields, no NaN or Infinity."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Answer(Protocol):
    """Makes the answer to one request."""

    def __call__(
        self, request: Any, prediction: float, *, model_version: str, prediction_id: str
    ) -> BaseModel: ...


@dataclass(frozen=True)
class Contract:
    """The edge of one model: what comes in, which columns it becomes, what goes out."""

    model: str
    title: str
    request: type[Request]
    response: type[BaseModel]
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    answer: Answer
    examples: Mapping[str, Mapping[str, Any]]
    subject_field: str
    """The request's field that says whom it is about: personal data, never to be logged."""

    def columns(self, requests: list[Any]) -> Columns:
        return to_columns(requests, self.numeric, self.categorical)

    def subject(self, request: Request) -> str:
        return str(getattr(request, self.subject_field))
