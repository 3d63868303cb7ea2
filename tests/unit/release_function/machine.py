"""The state machine's definition, as CloudFormation reads it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.project.files import ROOT

FILE = ROOT / "functions/release/release.asl.yaml"
VALUES = {
    "ReleaseFunctionArn": "arn:aws:lambda:eu-west-1:000000000000:function:release",
    "ApiFunctionName": "api",
    "TimeoutSeconds": "86400",
}
State = dict[str, Any]


def definition(values: Mapping[str, str] = VALUES) -> dict[str, Any]:
    """Values are put into the text before it is read as YAML."""
    text = FILE.read_text()
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def as_json(values: Mapping[str, str] = VALUES) -> str:
    return json.dumps(definition(values))


def following(state: State) -> set[str]:
    """The states that may come after one."""
    choices = state.get("Choices", []) + state.get("Catch", [])
    names = {state.get("Next"), state.get("Default"), *(choice["Next"] for choice in choices)}
    return {name for name in names if name is not None}


def paths(states: Mapping[str, State], start: str) -> Iterator[tuple[str, ...]]:
    """Every way from a state to an end on which no state comes twice."""
    waiting: list[tuple[str, ...]] = [(start,)]
    while waiting:
        path = waiting.pop()
        after = following(states[path[-1]])
        if not after:
            yield path
        waiting += [(*path, name) for name in after if name not in path]
