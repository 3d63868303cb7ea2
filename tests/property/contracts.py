"""Contracts with every type of field, drawn by a seed."""

from collections.abc import Mapping
from random import Random
from typing import Any

from mlops.models.contract import Contract
from tests.any_model import contract_of

TASKS = ("binary", "multiclass", "regression")
SUBJECTS = ("text", "integer", None)


def draw_contract(seed: int) -> Contract:
    """Return a contract; the first nine seeds have each task with each kind of subject."""
    random = Random(seed)  # noqa: S311 -- nothing here is secret
    fields: list[dict[str, Any]] = [
        {"name": "count", "type": "integer", **_bounds(random, whole=True)},
        {"name": "large", "type": "integer", "ge": 2**53 + 1, "le": 2**53 + 19},
        {"name": "senior", "type": "integer", "choices": [0, 1, 65]},
        {"name": "amount", "type": "number", **_bounds(random, whole=False)},
        {"name": "share", "type": "number", "gt": 0, "lt": 1},
        {"name": "smoker", "type": "boolean"},
        {"name": "married", "type": "boolean"},
        {"name": "size", "type": "category", "choices": ["S", "M", "L", "Yes", "24"]},
        {"name": "colour", "type": "category", "choices": ["red", "grün", "a,b", "true"]},
        {"name": "since", "type": "date"},
        {"name": "until", "type": "date"},
    ]
    random.shuffle(fields)
    optional = [
        field | _default(random, field) if random.random() < 0.6 else field for field in fields
    ]
    return contract_of(
        optional,
        task=TASKS[seed % 3],
        subject=SUBJECTS[seed // 3 % 3],
        dtype=random.choice(["float32", "float64"]),
        rules=[_rule(random, optional) for _ in range(4)],
    )


def _bounds(random: Random, *, whole: bool) -> dict[str, float]:
    low = random.randint(-50, 50) + (0 if whole else random.choice([0, 0.1]))
    high = low + random.randint(5, 1_000)
    return {random.choice(["ge", "gt"]): low, random.choice(["le", "lt"]): high}


def _default(random: Random, field: Mapping[str, Any]) -> dict[str, Any]:
    values = _values(field)
    if not values or random.random() < 0.5:
        return {"required": False}
    return {"required": False, "default": random.choice(values)}


def _rule(random: Random, fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a rule in which one or two fields decide about a later one."""
    ruled = [field for field in fields if _values(field)]
    restricted = random.randrange(1, len(ruled))
    deciding = random.sample(ruled[:restricted], min(restricted, random.choice([1, 1, 2])))
    kind = random.choice(["then", "then_not"])
    return {
        "when": {field["name"]: _some(random, field) for field in deciding},
        kind: {ruled[restricted]["name"]: _some(random, ruled[restricted])},
    }


def _some(random: Random, field: Mapping[str, Any]) -> list[Any]:
    values = _values(field)
    return random.sample(values, random.randint(1, len(values) - 1))


def _values(field: Mapping[str, Any]) -> list[Any]:
    if field["type"] == "boolean":
        return [False, True]
    return list(field.get("choices", ()))
