"""A first contract for an estimator: what its encoders know, then what the sample shows."""

import keyword
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from mlops.errors import DataInvalid
from mlops.importing.parity import TOLERANCE
from mlops.importing.sample import Sample, looks_like_dates, looks_like_numbers
from mlops.importing.structure import Structure
from mlops.importing.target import DECIMALS, Target
from mlops.models.contract import MAX_CHOICES, MAX_SUBJECT
from mlops.models.schemas import Request

_TAKEN = frozenset({"model_version", "prediction_id", "category", "probabilities"})
_FLOAT32_EXACT, _FLOAT64_EXACT = 2**24, 2**53
_LARGEST = 1e30
"""Of a prediction: float32 ends at 3e38, and the terms of a sum are larger."""
_INDEX = re.compile(r"Unnamed: \d+")


@dataclass(frozen=True)
class Inferred:
    """document: of the contract. comments: by the name of a field, for people who edit it.

    notes: what the user should know, whatever the contract says.
    """

    document: Mapping[str, Any]
    comments: Mapping[str, Sequence[str]]
    notes: tuple[str, ...]


def infer_contract(
    model: str,
    sample: Sample,
    structure: Structure,
    columns: Sequence[str],
    target: Target,
    predict: Callable[[pandas.DataFrame], Any],
    *,
    subject: str | None = None,
    optional: frozenset[str] = frozenset(),
) -> Inferred:
    """Return a contract for the columns that the estimator reads.

    columns: those that the estimator gets, in its order.
    predict: the estimator's numbers for rows like the sample's; it is asked what may be missing.
    subject: a column that says whom a row is about. optional: columns or fields that clients may
    leave out though the sample has them in each row.

    Raises DataInvalid.
    """
    rows = sample.rows
    names = _Names()
    subject_field = _subject(sample, subject, columns, structure, names) if subject else None
    fields, comments = [], {}
    unknown = set(optional)
    for place in sorted(structure.used):
        column = columns[place]
        values = rows[column]
        name = names.of(column)
        found, said = _field(sample.source, column, values, structure, place)
        may_miss = bool(values.isna().any())
        wanted = bool(optional & {name, column})
        unknown -= {name, column}
        if (may_miss or wanted) and not _bears_missing(predict, rows, column):
            if wanted:
                reason = (
                    "it cannot be optional: the estimator fails or predicts no number without it"
                )
                raise DataInvalid(sample.source, None, column, reason)
            said.append("The sample lacks some values, but the estimator cannot predict without.")
            may_miss = False
        field = {"name": name, **({"source": column} if column != name else {}), **found}
        if may_miss or wanted:
            field["required"] = False
        fields.append(field)
        if said:
            comments[name] = said
    if unknown:
        raise DataInvalid(
            sample.source, None, sorted(unknown)[0], "it cannot be optional: no such field"
        )
    _narrow_bounds(fields, rows, predict)
    document: dict[str, Any] = {
        "model": model,
        "title": model.replace("-", " ").capitalize(),
        "description": "One row. Inferred from a sample; describe here what a row is.",
        "task": target.task,
    }
    if subject_field:
        document["subject"] = subject_field["name"]
    document |= {
        "inputs": {"dtype": _dtype(fields)},
        "label": target.label(sample.label),
        "answer": target.answer(
            names.free(sample.label),
            _decimals(sample, predict) if target.kind == "value" else DECIMALS,
        ),
        "fields": [*([subject_field] if subject_field else []), *fields],
    }
    document["examples"] = _examples(rows, fields, subject_field)
    return Inferred(
        document, comments, tuple(_notes(sample, columns, structure, fields, comments, subject))
    )


class _Names:
    """Names of fields in snake_case, each once."""

    def __init__(self) -> None:
        self._taken = set(_TAKEN)

    def of(self, column: str) -> str:
        name = self.free(column)
        self._taken.add(name)
        return name

    def free(self, column: str) -> str:
        """Return a name that no field has yet, without taking it."""
        plain = unicodedata.normalize("NFKD", column.replace("ß", "ss"))
        plain = plain.encode("ascii", "ignore").decode()
        plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain).lower()
        name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:56] or "field"
        if not name[0].isalpha():
            name = f"field_{name}"
        if keyword.iskeyword(name) or hasattr(Request, name):
            name = f"{name}_value"
        found, number = name, 2
        while found in self._taken:
            found, number = f"{name}_{number}", number + 1
        return found


def _subject(
    sample: Sample, column: str, columns: Sequence[str], structure: Structure, names: _Names
) -> dict[str, Any]:
    if column not in sample.rows.columns:
        raise DataInvalid(sample.source, None, column, "there is no such column; --id names one")
    if column in columns and columns.index(column) in structure.used:
        reason = "the estimator predicts from it, so it cannot be the id; leave --id out"
        raise DataInvalid(sample.source, None, column, reason)
    name = names.of(column)
    field: dict[str, Any] = {"name": name, "source": column} if name != column else {"name": name}
    field["description"] = "Your id of the row. The answer repeats it unchanged."
    if pandas.api.types.is_integer_dtype(sample.rows[column]):
        low, high = int(sample.rows[column].min()), int(sample.rows[column].max())
        limit = 2**53 if max(-low, high) <= 2**53 else MAX_SUBJECT - 1
        return field | {"type": "integer", "ge": 0 if low >= 0 else -limit, "le": limit}
    return field | {"type": "text", "min_length": 1, "max_length": 128}


def _field(
    source: str, column: str, values: Any, structure: Structure, place: int
) -> tuple[dict[str, Any], list[str]]:
    """Return type, choices and bounds of a column, and comments on them."""
    present = values.dropna()
    known = structure.categories.get(place)
    if place in structure.texts:
        reason = "it is free text, whose words the estimator counts; such inputs are not imported"
        raise DataInvalid(source, None, column, reason)
    if _INDEX.fullmatch(column):
        reason = (
            "it is the index that to_csv wrote, and the estimator was fitted with it. Write files"
            " with index=False, and fit again without it; or rename the column if it is meant"
        )
        raise DataInvalid(source, None, column, reason)
    if len(present) == 0:
        if known is None:
            raise DataInvalid(source, None, column, "it is empty; fill it in at least one row")
        present = pandas.Series(list(known))
    said = []
    if present.nunique() == 1 and known is None:
        said.append("The column is constant in the sample; nothing shows what else it may hold.")
    if pandas.api.types.is_bool_dtype(present.infer_objects()):
        return {"type": "boolean"}, said
    if pandas.api.types.is_datetime64_any_dtype(present):
        reason = (
            "it holds times. Make a number of them before the pipeline, such as days since"
            ' 1970-01-01; then type = "date" in contract.toml lets clients send dates'
        )
        raise DataInvalid(source, None, column, reason)
    if pandas.api.types.is_numeric_dtype(present):
        return _numeric(source, column, values, present.astype(float), known, said)
    return _category(source, column, present, known, said)


def _numeric(
    source: str, column: str, values: Any, present: Any, known: Any, said: list[str]
) -> tuple[dict[str, Any], list[str]]:
    if not np.isfinite(present).all():
        raise DataInvalid(source, None, column, "it holds infinity; make it a missing value")
    whole = bool((present % 1 == 0).all())
    if whole and float(present.abs().max()) > _FLOAT64_EXACT:
        reason = (
            "it holds whole numbers beyond 2**53, which a model cannot tell apart. If they name the"
            " row, leave the column out of the pipeline and give --id"
        )
        raise DataInvalid(source, None, column, reason)
    if known is not None:
        found = sorted({*map(float, present), *(float(item) for item in known)})
        if not all(item.is_integer() for item in found):
            reason = "an encoder takes its fractions for categories; encode texts or whole numbers"
            raise DataInvalid(source, None, column, reason)
        _require_few(source, column, len(found))
        said.append("Whole numbers that stand for categories: the encoder knows these.")
        return {"type": "integer", "choices": [int(item) for item in found]}, said
    if whole and (pandas.api.types.is_integer_dtype(values) or values.isna().any()):
        if set(present) == {0.0, 1.0}:
            said.append("Only 0 and 1 in the sample: a flag? Then the choices are right.")
            return {"type": "integer", "choices": [0, 1]}, said
        low, high = _bounds(present)
        return {"type": "integer", "ge": int(low), "le": int(high)}, said
    low, high = _bounds(present)
    return {"type": "number", "ge": low, "le": high}, said


def _category(
    source: str, column: str, present: Any, known: Any, said: list[str]
) -> tuple[dict[str, Any], list[str]]:
    if not present.map(lambda value: isinstance(value, str)).all():
        raise DataInvalid(source, None, column, "it holds texts and other values; use one kind")
    if looks_like_dates(present):
        said.append("Looks like dates, is text: clients can send only the days of these choices.")
    elif looks_like_numbers(present):
        said.append(
            "Looks like numbers, is text: probably blanks among them. Numbers need to be numbers"
            ' when the pipeline is fitted: pandas.to_numeric(column, errors="coerce").'
        )
    choices = [item for item in known or () if isinstance(item, str)]
    more = sorted(set(present) - set(choices))
    if known is not None and more:
        said.append(f"In the sample, but unknown to the encoder: {', '.join(map(repr, more[:5]))}.")
    choices += more
    if len(choices) > MAX_CHOICES:
        flag = f" {said[-1]}" if said else " If it names the row, leave it out of the pipeline."
        reason = f"{len(choices):,} different texts are too many for a category.{flag}"
        raise DataInvalid(source, None, column, reason)
    return {"type": "category", "choices": choices}, said


def _require_few(source: str, column: str, count: int) -> None:
    if count > MAX_CHOICES:
        reason = f"{count:,} categories are too many; {MAX_CHOICES:,} are possible"
        raise DataInvalid(source, None, column, reason)


def _bounds(present: Any) -> tuple[float, float]:
    """Return bounds far beyond the data, so that only a slip of the unit is refused."""
    top = float(present.abs().max()) or 1.0
    limit = min(10.0 ** (math.ceil(math.log10(top)) + 1), 3e38)
    return (0.0 if present.min() >= 0 else -limit), limit


def _bears_missing(predict: Callable[[Any], Any], rows: pandas.DataFrame, column: str) -> bool:
    """Ask the estimator whether it predicts numbers without a value of this column."""
    tried = rows.head(5).copy()
    tried[column] = _without(rows[column]).head(5)
    try:
        return bool(np.isfinite(predict(tried)).all())
    except Exception:  # noqa: BLE001 -- an estimator may raise anything
        return False


def _without(values: Any) -> Any:
    if pandas.api.types.is_bool_dtype(values):
        values = values.astype(object)
    elif pandas.api.types.is_integer_dtype(values):
        values = values.astype(float)
    return values.where(np.zeros(len(values), dtype=bool), np.nan)


def _narrow_bounds(
    fields: Sequence[dict[str, Any]], rows: pandas.DataFrame, predict: Callable[[Any], Any]
) -> None:
    """Draw bounds closer where the estimator predicts no number that a graph can hold."""
    numeric = [field for field in fields if "ge" in field]
    if _fits(numeric, rows, predict):
        return
    for field in numeric:
        present = rows[field.get("source", field["name"])].dropna().astype(float)
        low, high = float(present.min()), float(present.max())
        span = (high - low) or 1.0
        kind = int if field["type"] == "integer" else float
        for start, end in ((low - span, high + span), (low, high)):
            if _fits([field], rows, predict):
                break
            start = max(start, 0.0) if field["ge"] == 0 else start
            field["ge"], field["le"] = kind(math.floor(start)), kind(math.ceil(end))


def _fits(
    fields: Sequence[Mapping[str, Any]], rows: pandas.DataFrame, predict: Callable[[Any], Any]
) -> bool:
    """Tell whether predictions are numbers with each of these fields at its bounds."""
    if not fields:
        return True
    tried = pandas.concat([rows.head(1)] * (2 * len(fields)), ignore_index=True)
    for place, field in enumerate(fields):
        column = field.get("source", field["name"])
        tried[column] = tried[column].astype(float)
        tried.loc[2 * place, column] = field["ge"]
        tried.loc[2 * place + 1, column] = field["le"]
    try:
        return bool((np.abs(predict(tried)) < _LARGEST).all())
    except Exception:  # noqa: BLE001 -- an estimator may raise anything
        return False


def _decimals(sample: Sample, predict: Callable[[pandas.DataFrame], Any]) -> int:
    """Return how many decimals tell predictions apart. Raise DataInvalid if none do."""
    found = predict(sample.rows)
    if np.abs(found).max() > _LARGEST:
        reason = (
            f"the estimator predicts numbers beyond {_LARGEST:.0e}, which float32 cannot hold; fit"
            " it on smaller numbers, such as a larger unit"
        )
        raise DataInvalid(sample.source, None, sample.label, reason)
    spread = float(np.std(found))
    if spread == 0:
        return DECIMALS
    needed = math.ceil(math.log10(0.5 / (TOLERANCE * spread)))
    if needed > _MOST_DECIMALS:
        reason = (
            f"the predictions differ by so little (their standard deviation is {spread:.1g}) that"
            f" {_MOST_DECIMALS} decimals would lose them; fit the estimator on larger numbers, such"
            " as a smaller unit"
        )
        raise DataInvalid(sample.source, None, sample.label, reason)
    return max(DECIMALS, needed)


_MOST_DECIMALS = 9
"""That a contract allows."""


def _dtype(fields: Sequence[Mapping[str, Any]]) -> str:
    wide = any(
        field["type"] == "number"
        or max(abs(field.get("ge", 0)), field.get("le", 0)) > _FLOAT32_EXACT
        or any(
            isinstance(item, int) and abs(item) > _FLOAT32_EXACT
            for item in field.get("choices", ())
        )
        for field in fields
    )
    return "float64" if wide else "float32"


def _examples(
    rows: pandas.DataFrame, fields: Sequence[Mapping[str, Any]], subject: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return a typical row: the middle or the most frequent value of each field, no real row."""
    about: dict[str, Any] = {}
    if subject:
        about[subject["name"]] = 1 if subject["type"] == "integer" else "A1"
    typical = {field["name"]: _typical(rows, field) for field in fields}
    required = {field["name"] for field in fields if field.get("required", True)}
    found = {"a typical row": about | typical}
    if len(required) < len(fields):
        least = {name: value for name, value in typical.items() if name in required}
        if about | least:
            found["the required fields"] = about | least
    return found


def _typical(rows: pandas.DataFrame, field: Mapping[str, Any]) -> Any:
    present = rows[field.get("source", field["name"])].dropna()
    if "ge" in field:
        middle = float(present.sort_values().iloc[len(present) // 2])
        return int(middle) if field["type"] == "integer" else middle
    if len(present) == 0:
        return field["choices"][0]
    common = present.mode().iloc[0]
    return {"boolean": bool, "integer": int}.get(field["type"], str)(common)


def _notes(
    sample: Sample,
    columns: Sequence[str],
    structure: Structure,
    fields: Sequence[Mapping[str, Any]],
    comments: Mapping[str, Sequence[str]],
    subject: str | None,
) -> list[str]:
    notes = []
    read = {columns[place] for place in structure.used}
    unused = [name for name in map(str, sample.rows.columns) if name not in read | {subject}]
    if unused:
        notes.append(f"The estimator does not read {', '.join(unused)}")
    named = {field["name"]: field.get("source", field["name"]) for field in fields}
    for name, said in comments.items():
        notes += [f"{named[name]}: {text}" for text in said]
    return notes
