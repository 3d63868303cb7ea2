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
    lines = []
    for key in sorted({*before, *after} - {"fields", "examples"}):
        if before.get(key) != after.get(key):
            lines.append(f"{key}: {_shown(after.get(key))} instead of {_shown(before.get(key))}")
    old, new = ({field["name"]: field for field in found["fields"]} for found in (before, after))
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in new or name not in old:
            lines.append(f"{name}: {'added' if name in new else 'left out'}")
            continue
        for key in sorted({*old[name], *new[name]}):
            if old[name].get(key) != new[name].get(key):
                now, then = _shown(new[name].get(key)), _shown(old[name].get(key))
                lines.append(f"{name}.{key}: {now} instead of {then}")
    return lines


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
