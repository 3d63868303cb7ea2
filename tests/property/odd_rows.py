"""Rows that are often right and seldom far from it, by the thousand, the same ones each time."""

from collections.abc import Sequence
from random import Random
from typing import Any

from mlops.models.churn.contract import CHURN, ChurnRequest
from tests.property.requests import consistent

FIELDS = tuple(ChurnRequest.model_fields)
REQUIRED = tuple(name for name in FIELDS if ChurnRequest.model_fields[name].is_required())
CATEGORIES = sorted({name for names in CHURN.categories.values() for name in names})

# Just within the limits, and just outside.
EDGES = [-1, -0.0, 0, 0.5, 1, 2, 1200, 1200.5, 1201, 1e4, 10_000.01, 1e7, 10_000_001, 5e-324]
IDS = ["", "x" * 128, "x" * 129, "é" * 128, "𝒳" * 129, "=1+1", "a,b", 'a"b', "a\nb", "\0", " "]
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
]
# Numbers as people and programs write them, and what looks like one.
TEXTS = [
    *("1.", ".5", "+1", "01", "1e3", "1E-2", "1_0", " 1", "1 ", "nan", "NaN", "inf", "-Infinity"),
    *("-", "--1", "1e", "0x1", "١", "1,5", "1e999", "-1e999", "9" * 5_000, "true", "-0", "1\n"),
]


class Rows:
    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 -- nothing here is secret

    def valid(self) -> dict[str, Any]:
        """Any subset of the optional fields, in any order, without contradictions."""
        random = self._random
        row: dict[str, Any] = {
            "customer_id": random.choice(["7590-VHVEG", "ключ", "-1", random.choice(IDS[1:2])]),
            "tenure": random.choice([random.randint(0, 1200), float(random.randint(0, 72))]),
            "monthly_charges": round(random.uniform(0, 120), random.randint(0, 9)),
        }
        for name in FIELDS:
            if name in REQUIRED or random.random() < 0.4:
                continue
            if name == "total_charges":
                row[name] = random.choice([None, 0, round(random.uniform(0, 9_000), 2)])
            elif name == "senior_citizen":
                row[name] = random.choice([None, 0, 1, 1.0])
            else:
                row[name] = random.choice([None, *CHURN.categories[name]])
        row = consistent(row)
        names = list(row)
        random.shuffle(names)
        return {name: row[name] for name in names}

    def json(self) -> dict[str, Any]:
        random, row = self._random, self.valid()
        for name in self._some(FIELDS):
            kind = random.randrange(5)
            if kind == 0:
                row.pop(name, None)
            else:
                row[name] = random.choice([ODD, EDGES, CATEGORIES, IDS][kind - 1])
        if random.random() < 0.05:
            row[random.choice(["churn", "x" * 80, "", "=cmd", "a.b"])] = random.choice(ODD)
        return row

    def texts(self, columns: Sequence[str]) -> dict[str, str]:
        """A row of CSV."""
        random, request = self._random, self.valid()
        row = {name: "" if request.get(name) is None else str(request[name]) for name in columns}
        for name in self._some(columns):
            choices = random.choice([[""], CATEGORIES, IDS, TEXTS, [str(edge) for edge in EDGES]])
            row[name] = random.choice(choices)
        return row

    def typed(self) -> dict[str, Any]:
        """A row of Parquet, where a column's values have one type."""
        random, row = self._random, self.valid()
        for name in self._some(FIELDS):
            if name in CHURN.categorical:
                row[name] = random.choice([None, "", "?", *CATEGORIES])
            else:
                row[name] = random.choice([None, *(IDS if name == "customer_id" else EDGES)])
        return row

    def columns(self) -> list[str]:
        """The required ones and any of the others, in any order."""
        chosen = [name for name in FIELDS if name in REQUIRED or self._random.random() < 0.8]
        self._random.shuffle(chosen)
        return chosen

    def _some(self, names: Sequence[str]) -> list[str]:
        return self._random.sample(list(names), self._random.choice([0, 0, 1, 1, 2, 3]))
