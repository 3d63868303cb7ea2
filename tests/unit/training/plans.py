"""Small plans of each task, and the data that they are trained on."""

import csv
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

from mlops.models.contract import Contract
from mlops.models.inputs import Tensors
from mlops.models.plan import Bounds, SampleText, TrainingPlan
from mlops.models.tabular import INPUT
from mlops.training.csv_data import load
from mlops.training.data import Dataset

TEXT: dict[str, Any] = {
    "purpose": "Shows how training works.",
    "sample": SampleText(digest="sha256:none", data="Made up.", limits=()),
    "limits": ("It is made up.",),
}


def change(contract: Contract, **changed: object) -> Contract:
    """Return a contract with other values of some keys."""
    document = json.loads(contract.to_json()) | changed
    return Contract.from_json(json.dumps(document).encode(), "changed.json")


BIKES = Contract.from_toml(
    """
model = "bikes"
title = "Bicycles that are hired in an hour"
task = "regression"
subject = "hour_id"
segments = ["holiday"]
answer = { name = "bikes", decimals = 2 }
label = { column = "hired" }
views = [
    { name = "all", description = "every field is sent" },
    { name = "some", description = "without the wind", fields = ["day", "holiday"] },
]
fields = [
    { name = "hour_id", type = "integer", ge = 1_000, le = 9_999 },
    { name = "temperature", type = "number", source = "Temp C", ge = -50, le = 60 },
    { name = "wind", type = "number", required = false, ge = 0, lt = 200 },
    { name = "holiday", type = "boolean", required = false, default = false },
    { name = "day", type = "date", required = false },
    { name = "weather", type = "category", required = false, choices = ["dry", "rain"] },
]
[examples."a warm hour"]
hour_id = 1000
temperature = 21.5
""",
    "bikes.toml",
)

FRUIT = Contract.from_toml(
    """
model = "fruit"
title = "Kind of a fruit"
task = "multiclass"
answer = { classes = ["apple", "pear", "plum"] }
label = { column = "kind" }
fields = [
    { name = "weight", type = "number", ge = 0, le = 1_000 },
    { name = "length", type = "number", ge = 0, le = 100 },
]
[examples."a small one"]
weight = 30
length = 4.5
""",
    "fruit.toml",
)


def fit_trees(tensors: Tensors, labels: NDArray[Any], seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(max_iter=30, random_state=seed).fit(tensors[INPUT], labels)


def fit_line(tensors: Tensors, labels: NDArray[Any], seed: int) -> LogisticRegression:
    return LogisticRegression(max_iter=2_000, random_state=seed).fit(tensors[INPUT], labels)


BIKES_PLAN = TrainingPlan(
    contract=BIKES,
    default_data="bikes.csv",
    fit=fit_trees,
    bounds={
        "all": Bounds(minimum={"r2": 0.8}, maximum={"mae": 40, "rmse": 50}),
        "some": Bounds(minimum={"r2": 0.5}),
    },
    **TEXT,
)

FRUIT_PLAN = TrainingPlan(
    contract=FRUIT,
    default_data="fruit.csv",
    fit=fit_line,
    bounds={"full": Bounds(minimum={"accuracy": 0.8}, maximum={"brier": 0.3})},
    **TEXT,
)


@cache
def bikes_rows(count: int = 400) -> tuple[dict[str, str], ...]:
    generator = np.random.default_rng(5)
    rows = []
    for number in range(count):
        warmth, wind = generator.uniform(-5, 35), generator.uniform(0, 40)
        holiday = bool(generator.random() < 0.3)
        hired = 100 + 20 * warmth - 3 * wind + 150 * holiday + generator.normal(0, 20)
        rows.append(
            {
                "hour_id": str(1_000 + number),
                "Temp C": f"{warmth:.1f}",
                "wind": "" if number % 9 == 0 else f"{wind:.1f}",
                "holiday": str(holiday),
                "day": f"2026-01-{number % 31 + 1:02}",
                "weather": ("dry", "rain", "")[number % 3],
                "hired": f"{hired:.0f}",
            }
        )
    return tuple(rows)


@cache
def fruit_rows(count: int = 300) -> tuple[dict[str, str], ...]:
    generator = np.random.default_rng(6)
    middle = {"apple": (180, 8), "pear": (170, 11), "plum": (40, 4)}
    rows = []
    for number in range(count):
        kind = FRUIT.answer.classes[number % 3]
        weight, length = middle[kind]
        rows.append(
            {
                "weight": f"{abs(generator.normal(weight, 20)):.1f}",
                "length": f"{abs(generator.normal(length, 1)):.2f}",
                "kind": kind,
            }
        )
    return tuple(rows)


def write_rows(path: Path, rows: Iterable[dict[str, str]]) -> Path:
    listed = [*rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*listed[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows(listed)
    return path


def read_rows(folder: Path, contract: Contract, rows: Iterable[dict[str, str]]) -> Dataset:
    return load(write_rows(folder / f"{contract.model}.csv", rows), contract)
