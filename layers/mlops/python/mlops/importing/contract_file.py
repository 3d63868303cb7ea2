"""contract.toml: a contract as people read and edit it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlops.models.contract import Contract

_HEAD = """\
# What clients of the model {model!r} send, and what they get. `mlops import` has inferred it from a
# sample. Review it, edit it, and run the same command again: it reads this file then.
#
# To decide for each field: may clients leave it out (required = false)? What is its unit, and what
# does it mean (unit, description)? Which bounds does it really have (ge, le)? Rules between fields
# can be added; docs/contract.md lists all keys.
"""


def write_contract(contract: Contract, comments: Mapping[str, Sequence[str]]) -> str:
    """Return the contract as TOML; comments: on fields, by their names."""
    document = json.loads(contract.to_json())
    del document["schema"]
    tables = {key: document.pop(key) for key in ("label", "answer", "inputs") if key in document}
    views = document.pop("views", [])
    rules = document.pop("rules", [])
    fields, examples = document.pop("fields"), document.pop("examples")
    blocks = [_HEAD.format(model=contract.model), *_pairs(document)]
    for name, table in tables.items():
        blocks += ["", f"[{name}]", *_pairs(table)]
    for heading, entries in (("views", views), ("fields", fields), ("rules", rules)):
        for entry in entries:
            said = comments.get(entry.get("name", ""), ()) if heading == "fields" else ()
            blocks += ["", *(f"# {line}" for line in said), f"[[{heading}]]", *_pairs(entry)]
    for name, example in examples.items():
        blocks += ["", f"[examples.{_value(name)}]", *_pairs(example)]
    return "\n".join(blocks) + "\n"


def describe_changes(inferred: Contract, edited: Contract) -> list[str]:
    """Return what an edited contract says otherwise than the inferred one, a line for each."""
    before, after = (json.loads(contract.to_json()) for contract in (inferred, edited))
    old, new = (
        {field.get("source", field["name"]): field for field in found.pop("fields")}
        for found in (before, after)
    )
    del before["examples"], after["examples"]
    lines = [*_changes("", before, after)]
    for column in [*new, *(column for column in old if column not in new)]:
        if column in new and column in old:
            lines += _changes(f"{new[column]['name']}.", old[column], new[column])
        elif column in new:
            lines.append(f"{new[column]['name']}: added")
        else:
            lines.append(f"{old[column]['name']}: left out")
    return lines


def _changes(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*before, *after}):
        then, now = before.get(key), after.get(key)
        if isinstance(then, dict) and isinstance(now, dict):
            yield from _changes(f"{path}{key}.", then, now)
        elif then != now:
            yield f"{path}{key}: {_shown(now)} instead of {_shown(then)}"


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        name = key if key.replace("_", "").isalnum() and key.isascii() else _value(key)
        yield f"{name} = {_value(value)}"


def _value(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_pairs(value)) + " }"
    if isinstance(value, list):
        inside = [_value(item) for item in value]
        line = f"[{', '.join(inside)}]"
        if len(line) <= 80:
            return line
        return "[\n" + "".join(f"  {item},\n" for item in inside) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
