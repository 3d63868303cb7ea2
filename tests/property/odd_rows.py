"""Rows that are often right and seldom far from it, by the thousand, the same ones each time."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

from mlops.models.contract import Contract, RequestField
from tests.property.requests import consistent

# Just within the limits of many a field, and just outside.
EDGES = [-1, -0.0, 0, 0.5, 1, 2, 1e4, 10_000.01, 1e7, 5e-324]
IDS = ["", "x" * 128, "x" * 129, "é" * 128, "𝒳" * 129, "=1+1", "a,b", 'a"b', "a\nb", "\0", " "]
INTEGER_IDS = [0, 7.0, -1, 2**53 + 1, 2**63 - 2, 2**63, -(2**63), 10**30, 7.5]
DATES = ["2026-01-31", "1969-12-31", "0001-01-01", "9999-12-31", "2024-02-29"]
ODD_DATES = ["2026-02-30", "20260131", "2026-1-31", "2026-01-31T00:00:00", "0000-01-01", "today"]
ODD: list[Any] = [
    None,
    True,
    False,
    [],
    [1],
    {},
    {"a": 1},
    "",
    "yes",
    "24",
    10**400,
    -(10**19),
    1e308,
    "2026-01-31",
]
# Numbers as people and programs write them, and what looks like one.
TEXTS = [
    *("1.", ".5", "+1", "01", "1e3", "1E-2", "1_0", " 1", "1 ", "nan", "NaN", "inf", "-Infinity"),
    *("-", "--1", "1e", "0x1", "١", "1,5", "1e999", "-1e999", "9" * 5_000, "true", "-0", "1\n"),
    *("True", "FALSE", " true", "yes"),
]


class Rows:
    def __init__(self, contract: Contract, seed: int) -> None:
        self._contract = contract
        self._random = Random(seed)  # noqa: S311 -- nothing here is secret
        self._choices = sorted(
            {each for field in contract.fields for each in field.choices if isinstance(each, str)}
        )

    def valid(self) -> dict[str, Any]:
        """Any subset of the optional fields, in any order, without contradictions."""
        random = self._random
        row = {
            field.name: self._usual(field)
            for field in self._contract.fields
            if field.required or random.random() < 0.4
        }
        row = consistent(row, self._contract)
        names = list(row)
        random.shuffle(names)
        return {name: row[name] for name in names}

    def json(self) -> dict[str, Any]:
        random, row = self._random, self.valid()
        for field in self._some(self._contract.fields):
            if random.random() < 0.2:
                row.pop(field.name, None)
            else:
                others = [ODD, self._edges(field), self._choices or ODD, IDS, DATES, ODD_DATES]
                row[field.name] = random.choice(random.choice(others))
        if random.random() < 0.05:
            row[random.choice(["churn", "x" * 80, "", "=cmd", "a.b"])] = random.choice(ODD)
        return row

    def texts(self, columns: Sequence[str]) -> dict[str, str]:
        """A row of CSV."""
        random, request = self._random, self.valid()
        row = {name: self._text(request.get(name)) for name in columns}
        for name in self._some(columns):
            edges = [str(edge) for edge in self._edges(self._contract.by_name[name])]
            others = [[""], self._choices or [""], IDS, TEXTS, edges, DATES, ODD_DATES]
            row[name] = random.choice(random.choice(others))
        return row

    def typed(self) -> dict[str, Any]:
        """A row of Parquet, where a column's values have one type; dates are texts."""
        random, row = self._random, self.valid()
        for field in self._some(self._contract.fields):
            others: dict[str, list[Any]] = {
                "category": ["", "?", *self._choices],
                "text": IDS,
                "boolean": [True, False],
                "date": [*DATES, *ODD_DATES],
            }
            row[field.name] = random.choice([None, *others.get(field.type, self._edges(field))])
        return row

    def columns(self) -> list[str]:
        """The required ones and any of the others, in any order."""
        random = self._random
        fields = self._contract.fields
        chosen = [field.name for field in fields if field.required or random.random() < 0.8]
        random.shuffle(chosen)
        return chosen

    def _usual(self, field: RequestField) -> Any:
        random = self._random
        if not field.required and random.random() < 0.2:
            return None
        if field.choices:
            choice = random.choice(field.choices)
            return float(choice) if isinstance(choice, int) and random.random() < 0.3 else choice
        match field.type:
            case "text":
                return random.choice(["7590-VHVEG", "ключ", "-1", "x" * (field.max_length or 1)])
            case "boolean":
                return random.random() < 0.5
            case "date":
                return str(date(1960, 1, 1) + timedelta(random.randrange(40_000)))
            case "integer":
                least, most = field.bounds.values()
                low, high = math.ceil(least) + 1, math.floor(most) - 1
                whole = random.randint(low, high)
                return float(whole) if abs(whole) < 2**53 and random.random() < 0.3 else whole
        least, most = field.bounds.values()
        return least + (most - least) * random.randint(1, 999) / 1_000

    def _edges(self, field: RequestField) -> list[Any]:
        """Return numbers at the field's bounds and right beside them."""
        if field.name == self._contract.subject:
            return INTEGER_IDS
        beside = [
            each
            for bound in field.bounds.values()
            for each in (
                bound,
                bound - 1,
                bound + 1,
                math.nextafter(bound, -math.inf),
                math.nextafter(bound, math.inf),
            )
        ]
        return [*EDGES, *beside]

    @staticmethod
    def _text(value: object) -> str:
        if isinstance(value, bool):
            return "TRUE" if value else "false"
        return "" if value is None else str(value)

    def _some(self, names: Sequence[Any]) -> list[Any]:
        random = self._random
        return random.sample(list(names), min(len(names), random.choice([0, 0, 1, 1, 2, 3])))
