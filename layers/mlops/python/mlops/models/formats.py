"""The input formats that a contract may name, and the parameters of each.

A format says what it needs of a contract, and makes the encoder. Encoders are imported when they
are made: a start needs those of its own models only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from mlops.models.documents import Document
from mlops.models.holidays import FIRST_YEAR, LAST_YEAR, Holiday

if TYPE_CHECKING:
    from mlops.models.contract import Contract, RequestField
    from mlops.models.inputs import Encoder


class TabularFormat(Document):
    """One matrix: numbers as they are, then categories by their positions.

    dtype: of that matrix.
    """

    format: Literal["tabular-1"] = "tabular-1"
    dtype: Literal["float32", "float64"] = "float32"

    def encoder(self, contract: Contract) -> Encoder:
        from mlops.models.tabular import TabularInputs

        return TabularInputs(contract, self)

    def problems(self, contract: Contract) -> Iterator[str]:
        """Yield why requests of the contract cannot become inputs of this format."""
        for field in contract.features:
            if field.type in ("text", "list of numbers"):
                yield f"fields.{field.name}: inputs of {self.format} take no {field.type}"

    def validators(self, contract: Contract, field: RequestField) -> Sequence[AfterValidator]:
        """Return what a field's values need besides what the field says."""
        return ()


class SeriesFormat(Document):
    """Days that follow one another, and the days to forecast after them.

    start, history, horizon: names of the fields that have the first day, a number for each day
        from then on, and how many days to forecast.
    least_known: numbers of the history that may not be null.
    holidays: days that differ from others of their weekday.
    """

    format: Literal["series-1"]
    start: str = "start"
    history: str = "history"
    horizon: str = "horizon"
    least_known: int = Field(default=28, ge=1)
    holidays: tuple[Holiday, ...] = ()

    @property
    def dtype(self) -> Literal["float32"]:
        return "float32"

    def encoder(self, contract: Contract) -> Encoder:
        from mlops.models.series import SeriesInputs

        return SeriesInputs(contract, self)

    def problems(self, contract: Contract) -> Iterator[str]:
        """Yield why requests of the contract cannot become inputs of this format."""
        names = {self.start: "date", self.history: "list of numbers", self.horizon: "integer"}
        for name, kind in names.items():
            field = contract.by_name.get(name)
            if field is None or field.type != kind:
                yield f"fields: inputs of {self.format} need {name!r}, of type {kind}"
                return
        if {*names} != {field.name for field in contract.features}:
            yield f"fields: inputs of {self.format} take {', '.join(names)} and no others"
            return
        yield from self._field_problems(contract)

    def _field_problems(self, contract: Contract) -> Iterator[str]:
        start, history, horizon = (
            contract.by_name[name] for name in (self.start, self.history, self.horizon)
        )
        order = [field.name for field in contract.features]
        if order.index(self.start) > order.index(self.history):
            yield f"fields: {self.start!r} must come before {self.history!r}"
        if not isinstance(start.ge, date) or not isinstance(start.le, date):
            yield f"fields.{self.start}: the bounds ge and le are needed"
        elif start.ge.year < FIRST_YEAR or start.le.year > LAST_YEAR:
            yield f"fields.{self.start}: its years must lie from {FIRST_YEAR} to {LAST_YEAR}"
        if not start.required or not history.required:
            yield f"fields: {self.start!r} and {self.history!r} must be required"
        if (history.min_length or 0) < self.least_known:
            yield f"fields.{self.history}: min_length is below {self.least_known} (least_known)"
        if (history.ge if history.ge is not None else -1) != 0:
            yield f"fields.{self.history}: ge must be 0: no number of a series is negative"
        if horizon.choices or horizon.ge != 1 or not isinstance(horizon.le, int):
            yield f"fields.{self.horizon}: it needs ge = 1, and le: the most days to forecast"
        elif horizon.le > _MOST_DAYS:
            yield f"fields.{self.horizon}: le is above {_MOST_DAYS} days"
        if not horizon.required and horizon.default is None:
            yield f"fields.{self.horizon}: default is missing"

    def validators(self, contract: Contract, field: RequestField) -> Sequence[AfterValidator]:
        """Return what a field's values need besides what the field says."""
        if field.name == self.horizon and field.default is not None:
            # Null is a missing value, and a series has no use for a missing number of days.
            return (AfterValidator(lambda days: field.default if days is None else days),)
        if field.name != self.history:
            return ()
        last: Any = contract.by_name[self.start].le
        most: Any = contract.by_name[self.horizon].le

        def require(history: Sequence[float | None], info: ValidationInfo) -> Sequence[Any]:
            known = len(history) - history.count(None)
            if known < self.least_known:
                raise PydanticCustomError(
                    "too_few_known",
                    "{known} of the numbers are known, at least {least} are needed",
                    {"known": known, "least": self.least_known},
                )
            start = info.data.get(self.start)
            # A start that is wrong itself is not there.
            if start is not None and start + timedelta(len(history) + most - 1) > last:
                raise PydanticCustomError(
                    "too_late",
                    "A forecast of the {days} days after the history would end after {last}",
                    {"days": most, "last": str(last)},
                )
            return history

        return (AfterValidator(require),)


class TextFormat(Document):
    """One text as counts of features, each at a place that its hash gives.

    bits: of a place, so there are 2**bits. parts: lengths of the parts of words, in characters.
    """

    format: Literal["text-1"]
    bits: int = Field(ge=8, le=20)
    parts: tuple[int, ...] = Field(min_length=1, max_length=8)

    @property
    def places(self) -> int:
        """The number of places."""
        return 1 << self.bits

    @property
    def dtype(self) -> Literal["float32"]:
        return "float32"

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if list(self.parts) != sorted(set(self.parts)) or self.parts[0] < 1:
            raise ValueError("the lengths of parts must rise, from 1 on")
        return self

    def encoder(self, contract: Contract) -> Encoder:
        from mlops.models.text import TextInputs

        return TextInputs(contract, self)

    def problems(self, contract: Contract) -> Iterator[str]:
        """Yield why requests of the contract cannot become inputs of this format."""
        if [(field.type, field.required) for field in contract.features] != [("text", True)]:
            yield f"fields: inputs of {self.format} are one required text, besides the subject"

    def validators(self, contract: Contract, field: RequestField) -> Sequence[AfterValidator]:
        """Return what a field's values need besides what the field says."""
        return ()


_MOST_DAYS = 366
"""To forecast. A model has an output of several numbers for each of them."""


_DEFAULT = "tabular-1"
NAMES = frozenset({_DEFAULT, "series-1", "text-1"})


def _name_of(value: Any) -> str | None:
    """Return the name of a document's format. Pydantic would need it in every document."""
    if isinstance(value, Mapping):
        return str(value.get("format", _DEFAULT))
    return getattr(value, "format", None)


Inputs = Annotated[
    Annotated[TabularFormat, Tag(_DEFAULT)]
    | Annotated[SeriesFormat, Tag("series-1")]
    | Annotated[TextFormat, Tag("text-1")],
    Discriminator(_name_of),
]
