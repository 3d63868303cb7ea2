"""The contract of a model: what clients send and what they get, as data.

Each version carries its contract in `contract.json`, which its pin covers. All code that reads
requests, checks columns, describes the API or writes answers is derived from this one document.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from math import inf
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, Field, ValidationError, model_validator

from mlops.errors import ContractInvalid, MalformedJson
from mlops.models.documents import Document
from mlops.models.formats import NAMES as FORMATS
from mlops.models.formats import Inputs, SeriesFormat, TabularFormat, TextFormat
from mlops.models.inputs import Encoder
from mlops.models.schemas import Request, Response, build_request, build_response
from mlops.models.strict_json import parse
from mlops.models.tabular import days_since_1970
from mlops.models.tasks import Task, task_of

MAX_FIELDS = 500
MAX_CHOICES = 1_000
FLOAT32_MAX = 3.4028235e38
MAX_SUBJECT = 2**63
"""Of integer ids: any database has them, and Parquet repeats them as they are."""
_FIELD_NAME = r"^[a-z][a-z0-9_]{0,63}$"
_MODEL_NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
_MAX_MODEL_NAME = 64

_RESERVED = frozenset({"batch"})
"""Names that /v1/predict/ has another use for."""

Number = int | float
Bound = Number | date
FieldType = Literal["integer", "number", "boolean", "category", "text", "date", "list of numbers"]
Value = bool | int | float | str
Statement = Mapping[str, tuple[Value, ...]]
"""Fields, each with the values that it may have."""


class RequestField(Document):
    """One field of a request.

    ge, gt, le, lt: bounds of a number, of each number of a list, or of a date.
    choices: the only values of a category; an integer may have some, too.
    min_length, max_length: of a text in characters, of a list in numbers.
    not_blank: whether a text must have something besides white space.
    nulls: whether a list may have nulls where a number is unknown.
    default: what a field means that is not sent; without one it is a missing value.
    source: name of the column in the training data, if it is another one.
    """

    name: str = Field(pattern=_FIELD_NAME)
    type: FieldType
    required: bool = True
    description: str = ""
    unit: str = ""
    choices: tuple[str | int, ...] = Field(default=(), max_length=MAX_CHOICES)
    ge: Bound | None = None
    gt: Bound | None = None
    le: Bound | None = None
    lt: Bound | None = None
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=0)
    not_blank: bool = False
    nulls: bool = False
    default: Value | None = None
    source: str = ""

    @property
    def is_numeric(self) -> bool:
        """Whether a table holds the field as a number; otherwise as a category's position."""
        return self.type in ("integer", "number", "boolean", "date")

    @property
    def limits(self) -> Mapping[str, Bound]:
        """The bounds that are set, by their names, lower ones first."""
        found = {"ge": self.ge, "gt": self.gt, "le": self.le, "lt": self.lt}
        return {name: bound for name, bound in found.items() if bound is not None}

    @property
    def bounds(self) -> Mapping[str, Number]:
        """The same bounds as numbers, those of a date as days since 1970."""
        return {
            name: days_since_1970(bound) if isinstance(bound, date) else bound
            for name, bound in self.limits.items()
        }

    @property
    def column(self) -> str:
        """The field's name in the training data."""
        return self.source or self.name

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        unknown = [name for name in _OPTIONS if name not in _OPTIONS_OF[self.type]]
        for name in unknown:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"a field of type {self.type} has no {name!r}")
        if hasattr(BaseModel, self.name):
            raise ValueError(f"{self.name!r} has a meaning of its own; choose another name")
        if self.default is not None and self.required:
            raise ValueError("a field with a default is not required; set required to false")
        self._require_choices()
        if self.default is not None and not _fits(self, self.default):
            raise ValueError("its default is none of its values")
        if any(isinstance(it, date) is not (self.type == "date") for it in self.limits.values()):
            raise ValueError(
                "the bounds of a date are dates, such as 2026-01-31, all others numbers"
            )
        if self.type in ("integer", "number", "list of numbers") and not self.choices:
            self._require_bounds()
        if self.type == "date" and self.limits:
            self._require_room(self.bounds)
        if self.type in ("text", "list of numbers") and self.max_length is None:
            raise ValueError("max_length is missing: the longest value that a client may send")
        return self

    def _require_choices(self) -> None:
        kind = int if self.type == "integer" else str
        if self.type == "category" and not self.choices:
            raise ValueError("choices is missing: the values of the category")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("two choices are the same")
        if any(type(choice) is not kind for choice in self.choices):
            raise ValueError(f"each of the choices should be {_NOUNS[kind]}")

    def _require_bounds(self) -> None:
        found = self.bounds
        if len(found.keys() & {"ge", "gt"}) != 1 or len(found.keys() & {"le", "lt"}) != 1:
            raise ValueError("one lower bound (ge or gt) and one upper bound (le or lt) are needed")
        self._require_room(found)
        if max(map(abs, found.values())) > FLOAT32_MAX:
            raise ValueError("its bounds are beyond the numbers that a model computes with")
        if self.type == "integer" and not all(float(it).is_integer() for it in found.values()):
            raise ValueError("the bounds of an integer must be whole numbers")

    def _require_room(self, bounds: Mapping[str, Number]) -> None:
        low = max((bounds[name] for name in ("ge", "gt") if name in bounds), default=-inf)
        high = min((bounds[name] for name in ("le", "lt") if name in bounds), default=inf)
        if low > high or (low == high and not {"ge", "le"} <= bounds.keys()):
            kind = "date" if self.type == "date" else "number"
            raise ValueError(f"no {kind} lies between its bounds")


_OPTIONS_OF: Mapping[FieldType, frozenset[str]] = {
    "integer": frozenset({"choices", "ge", "gt", "le", "lt", "default"}),
    "number": frozenset({"ge", "gt", "le", "lt", "default"}),
    "boolean": frozenset({"default"}),
    "category": frozenset({"choices", "default"}),
    "text": frozenset({"min_length", "max_length", "not_blank"}),
    "date": frozenset({"ge", "gt", "le", "lt"}),
    "list of numbers": frozenset({"ge", "gt", "le", "lt", "min_length", "max_length", "nulls"}),
}
_OPTIONS = sorted(frozenset().union(*_OPTIONS_OF.values()))
_NOUNS = {int: "a whole number", str: "a text"}


class Rule(Document):
    """When all fields of `when` have one of their values, the others must fit.

    then: fields that must have one of these values, if they are sent.
    then_not: fields that must not have one of these values.
    because: what the fields of `when` say, for the error; by default their value.
    """

    when: Statement = Field(min_length=1)
    then: Statement = {}
    then_not: Statement = {}
    because: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.then and not self.then_not:
            raise ValueError("a rule needs then or then_not")
        return self


class Labels(Document):
    """Words for ranges of the predicted number.

    name: of the field in the answer.
    names: one more than thresholds; a threshold belongs to the higher range.
    """

    name: str = Field(pattern=_FIELD_NAME)
    names: tuple[str, ...] = Field(min_length=2)
    thresholds: tuple[Number, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if len(self.names) != len(self.thresholds) + 1:
            raise ValueError("there must be one name more than thresholds")
        if list(self.thresholds) != sorted(set(self.thresholds)):
            raise ValueError("the thresholds must rise")
        if len(set(self.names)) < len(self.names):
            raise ValueError("two names are the same")
        return self


class Answer(Document):
    """What a client gets.

    about: describes the whole answer. name, description: of the predicted number.
    decimals: places that the predicted number is rounded to.
    classes: of a multiclass model, in the order of its outputs.
    intervals: of a forecast, in percent: how often the truth should lie between two numbers.
    example: one whole answer.
    """

    about: str = ""
    name: str = Field(default="", pattern=rf"{_FIELD_NAME}|^$")
    description: str = ""
    decimals: int = Field(default=6, ge=0, le=9)
    labels: Labels | None = None
    classes: tuple[str, ...] = Field(default=(), max_length=MAX_CHOICES)
    intervals: tuple[Annotated[int, Field(ge=1, le=99)], ...] = Field(default=(), max_length=5)
    example: Mapping[str, Any] = {}


class View(Document):
    """A way in which clients send rows, for which figures are computed.

    fields: all of them, the required ones, or a list.
    history_days: of a series, its last days alone; all by default.
    """

    name: str = Field(pattern=_FIELD_NAME)
    description: str
    fields: Literal["all", "required"] | tuple[str, ...] = "all"
    history_days: int | None = Field(default=None, ge=1)

    @property
    def is_whole(self) -> bool:
        """Whether clients send all that they know."""
        return self.fields == "all" and self.history_days is None


class Label(Document):
    """The column of the training data that says what happened.

    positive, negative: its two values, of a binary model.
    positive_above: of a binary model whose column is a rating: from which number on a row is
        positive, without that number itself.
    horizon_days: how long it takes until what was predicted is known.
    """

    column: str = Field(min_length=1)
    positive: str = ""
    negative: str = ""
    positive_above: Number | None = None
    horizon_days: int | None = Field(default=None, ge=0)


class Contract(Document):
    """The contract of one model; see docs/contract.md for each key.

    subject: the field that says whom a request is about. It is personal data, which is never
        logged, and no input of the model. None: requests are about nobody.
    segments: fields of few values, by which figures are told apart.
    examples: requests, by a name for each.
    """

    schema_: Literal[1] = Field(default=1, alias="schema")
    model: str = Field(pattern=_MODEL_NAME, max_length=_MAX_MODEL_NAME)
    title: str = Field(min_length=1)
    description: str = ""
    task: Literal["binary", "multiclass", "regression", "forecast"]
    subject: str | None = None
    fields: tuple[RequestField, ...] = Field(min_length=1, max_length=MAX_FIELDS)
    rules: tuple[Rule, ...] = ()
    answer: Answer = Answer()
    inputs: Inputs = TabularFormat()
    label: Label | None = None
    views: tuple[View, ...] = ()
    segments: tuple[str, ...] = ()
    examples: Mapping[str, Mapping[str, Any]] = Field(min_length=1)

    @cached_property
    def by_name(self) -> Mapping[str, RequestField]:
        return {field.name: field for field in self.fields}

    @cached_property
    def features(self) -> tuple[RequestField, ...]:
        """The fields that the model predicts from, as a request has them."""
        return tuple(field for field in self.fields if field.name != self.subject)

    @cached_property
    def request(self) -> type[Request]:
        return build_request(self)

    @cached_property
    def response(self) -> type[Response]:
        return build_response(self)

    @cached_property
    def outcome(self) -> Task:
        """What the numbers of the model mean."""
        return task_of(self)

    @cached_property
    def encoder(self) -> Encoder:
        """What turns requests into the inputs of the graph."""
        return self.inputs.encoder(self)

    @property
    def series(self) -> SeriesFormat:
        """The format of the inputs of a forecast. Raise TypeError for another task."""
        if not isinstance(self.inputs, SeriesFormat):
            raise TypeError(f"{self.model} is no model of a series")
        return self.inputs

    @property
    def text(self) -> TextFormat:
        """The format of the inputs of a model of texts. Raise TypeError for another model."""
        if not isinstance(self.inputs, TextFormat):
            raise TypeError(f"{self.model} is no model of texts")
        return self.inputs

    def subject_of(self, request: Request) -> str | None:
        """Return whom a request is about, or None where the model asks for nobody."""
        return None if self.subject is None else str(getattr(request, self.subject))

    def watched_one(self, numbers: Sequence[float]) -> float:
        """Return the number of one prediction that is logged; see `Task.watched`."""
        return float(self.outcome.watched(np.array([numbers]))[0])

    def answer_to(
        self, request: Request, numbers: Sequence[float], *, model_version: str, prediction_id: str
    ) -> Response:
        """Return the answer to one request; numbers: of its row."""
        fields = {} if self.subject is None else {self.subject: getattr(request, self.subject)}
        fields |= self.outcome.answer(numbers)
        fields |= {"model_version": model_version, "prediction_id": prediction_id}
        return self.response(**fields)

    @property
    def required(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields if field.required)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for problem in _problems(self):
            raise ValueError(problem)
        return self

    def to_json(self) -> bytes:
        """Return the document: equal contracts give equal bytes."""
        document = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return (json.dumps({"schema": 1} | document, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes, source: str) -> "Contract":
        """Raise ContractInvalid, which names the key."""
        try:
            document = parse(content)  # pydantic would take the last one of duplicate keys
        except MalformedJson as error:
            raise ContractInvalid(source, [str(error)]) from error
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise ContractInvalid(source, _reasons(error, document)) from error

    @classmethod
    def from_toml(cls, text: str, source: str) -> "Contract":
        """Read a contract that people edit, and try its examples.

        Raises:
            ContractInvalid: The document cannot be used; the error names the key.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ContractInvalid(source, [f"it is not TOML: {error}"]) from error
        contract = cls.from_json(json.dumps(document, default=str).encode(), source)
        contract.require_examples(source)
        return contract

    def require_examples(self, source: str) -> None:
        """Raise ContractInvalid where the contract refuses one of its own examples."""
        for name, example in self.examples.items():
            try:
                self.request.model_validate(example)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(map(str, ("examples", name, *first["loc"])))
                raise ContractInvalid(source, [f"{where}: {first['msg']}"]) from error


def find_name_fault(model: str) -> str | None:
    """Return why a model cannot have this name, or None if it can."""
    if model in _RESERVED:
        return f"{model!r} is a path of the API; choose another name"
    if re.match(_MODEL_NAME, model) is None or model.endswith("\n"):
        return f"{model!r} should be lower-case letters and digits, with single hyphens in between"
    if len(model) > _MAX_MODEL_NAME:
        return f"{len(model)} characters are too many; {_MAX_MODEL_NAME} are possible"
    return None


def _problems(contract: Contract) -> Iterator[str]:
    """Yield what parts of a contract say against each other."""
    if fault := find_name_fault(contract.model):
        yield f"model: {fault}"
    names = [field.name for field in contract.fields]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"fields: there are two named {name!r}"
    columns = [field.column for field in contract.fields]
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        yield f"fields: two have the source {name!r}"
    yield from _subject_problems(contract)
    yield from _input_problems(contract)
    for number, rule in enumerate(contract.rules, start=1):
        yield from (
            f"rules, rule {number}: {problem}" for problem in _rule_problems(contract, rule)
        )
    for where, named in (
        ("segments", contract.segments),
        *((f"views.{view.name}", view.fields) for view in contract.views),
    ):
        if not isinstance(named, str):
            yield from (
                f"{where}: there is no field {name!r}" for name in named if name not in names
            )
    for view in contract.views:
        if view.history_days is not None and contract.task != "forecast":
            yield f"views.{view.name}.history_days: a {contract.task} model has no history"
    yield from _answer_problems(contract)


def _subject_problems(contract: Contract) -> Iterator[str]:
    if contract.subject is None:
        return
    field = contract.by_name.get(contract.subject)
    if field is None:
        yield f"subject: there is no field {contract.subject!r}"
    elif field.type not in ("text", "integer") or not field.required or field.choices:
        yield f"subject: {contract.subject!r} must be a required text or integer"
    elif any(abs(bound) >= MAX_SUBJECT for bound in field.bounds.values()):
        yield f"subject: an integer id has 64 bits; the bounds must be below {MAX_SUBJECT:,}"


def _input_problems(contract: Contract) -> Iterator[str]:
    if not contract.features:
        yield "fields: the model has no field to predict from"
    if (contract.task == "forecast") is not (contract.inputs.format == "series-1"):
        yield "inputs.format: a forecast needs series-1, which other tasks cannot use"
    else:
        yield from contract.inputs.problems(contract)


def _rule_problems(contract: Contract, rule: Rule) -> Iterator[str]:
    order = {field.name: place for place, field in enumerate(contract.fields)}
    for name, values in (*rule.when.items(), *rule.then.items(), *rule.then_not.items()):
        field = contract.by_name.get(name)
        if field is None:
            yield f"there is no field {name!r}"
            return
        if field.type not in ("category", "boolean", "integer") or name == contract.subject:
            yield f"{name!r} is no category, boolean or integer"
        elif not values or not all(_fits(field, value) for value in values):
            yield f"{name!r} can never have one of the values"
    last = max(order[name] for name in rule.when)
    for name in (*rule.then, *rule.then_not):
        if order[name] <= last:
            yield f"{name!r} must come after the fields of when, in the order of the fields"


def _fits(field: RequestField, value: Value) -> bool:
    """Return whether a value is of the field's type and, where there are some, of its choices."""
    if field.type == "boolean":
        return isinstance(value, bool)
    if field.choices:
        return not isinstance(value, bool) and value in field.choices
    if field.type == "number":
        return type(value) in (int, float)
    return type(value) is int


def _answer_problems(contract: Contract) -> Iterator[str]:
    answer = contract.answer
    if contract.task == "multiclass":
        if len(answer.classes) < 2 or len(set(answer.classes)) < len(answer.classes):
            yield "answer.classes: at least two classes are needed, each once"
        if answer.name or answer.labels:
            yield "answer: a multiclass model answers with a category, without name and labels"
    elif not answer.name:
        yield "answer.name is missing: the name of the predicted number"
    elif answer.classes:
        yield f"answer.classes: a {contract.task} model has none"
    if contract.task != "forecast" and answer.intervals:
        yield f"answer.intervals: a {contract.task} model has none"
    if contract.task == "forecast":
        if contract.segments:
            yield "segments: a forecast has none"
        if answer.labels:
            yield "answer.labels: a forecast has none"
        if list(answer.intervals) != sorted(set(answer.intervals)):
            yield "answer.intervals: they must rise"
        if answer.name == "day":
            yield "answer.name: 'day' has a meaning already; choose another name"
    taken = [
        contract.subject or "row",  # results of batch jobs have one or the other
        *_answer_names(contract),
        "model_version",
        "prediction_id",
    ]
    for name in sorted(
        {name for name in taken if taken.count(name) > 1 or hasattr(BaseModel, name)}
    ):
        yield f"answer: {name!r} has a meaning already; choose another name"


def _answer_names(contract: Contract) -> list[str]:
    if contract.task == "multiclass":
        return ["category", "probabilities"]
    if contract.task == "forecast":
        return ["forecast"]
    labels = contract.answer.labels
    return [contract.answer.name, *([labels.name] if labels else [])]


def _reasons(error: ValidationError, document: object) -> list[str]:
    """Return what is wrong with a document, one sentence for each place in it."""
    found: dict[str, list[str]] = {}
    for each in error.errors():
        message = each["msg"].removeprefix("Value error, ")
        found.setdefault(_place(each["loc"], document), []).append(message)
    return [
        f"{place}: {text}" if place else text
        for place, messages in found.items()
        # A list is too short for pydantic where its entries are wrong.
        if not any(other.startswith((f"{place}.", f"{place}[")) for other in found)
        # A value that may be of several types has a message of each of them.
        for text in [messages[0] + "".join(f" or {_ending(more)}" for more in messages[1:])]
    ]


def _ending(message: str) -> str:
    return message.removeprefix("Input should be ")


def _place(location: Sequence[int | str], document: object) -> str:
    """Return the keys that lead to a place; an entry of a list has its name, or its number."""
    place, here = "", document
    for part in location:
        if isinstance(part, int) and isinstance(here, list) and part < len(here):
            here = here[part]
            name = here.get("name") if isinstance(here, dict) else None
            place += f".{name}" if isinstance(name, str) else f"[{part + 1}]"
        elif isinstance(here, dict) and part not in FORMATS:
            here = here.get(str(part))
            place += f".{part}"
        # Otherwise it is one of the types that pydantic tried, or the name of a format.
    return place.removeprefix(".")
