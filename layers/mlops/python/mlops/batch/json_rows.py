"""JSON lines: one object a line, as the API takes it, duplicate keys and all else refused alike."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from mlops.batch.job import Renames
from mlops.batch.reading import Cells, Rows, rename_columns, to_cells
from mlops.batch.records import Positions, json_records
from mlops.batch.splitting import Chunk
from mlops.errors import MalformedJson
from mlops.models.contract import Contract, RequestField
from mlops.models.strict_json import parse_line
from mlops.models.validation import Fault

_INT64 = 2**63


def read_json(chunk: Chunk, contract: Contract, renames: Renames) -> Rows:
    """Raises InputRefused for a row in which two members become the same field."""
    content = chunk.content
    records = json_records(content)

    @cache
    def lines() -> Positions:
        return chunk.lines(records.lines)

    rows: list[Any] = []
    faults: dict[int, Fault] = {}
    for row, (start, end) in enumerate(
        zip(records.starts.tolist(), records.ends.tolist(), strict=True)
    ):
        try:
            found = parse_line(content[start:end])
        except MalformedJson as error:
            found = None
            faults[row] = Fault("row", "malformed_json", str(error))
        if renames and type(found) is dict:
            found = _rename(found, renames, int(lines()[row]))
        rows.append(found)
    objects = [row if type(row) is dict else {} for row in rows]
    names = contract.by_name.keys()
    well_formed = np.array(
        [type(row) is dict and row.keys() <= names for row in rows], dtype=np.bool_
    )
    return Rows(
        subjects=_subjects(objects, contract),
        cells={field.name: _cells(objects, field) for field in contract.encoder.fields},
        well_formed=well_formed,
        faults=faults,
        value=rows.__getitem__,
        lines=lines,
    )


def _rename(row: Mapping[str, Any], renames: Renames, line: int) -> dict[str, Any]:
    fields = rename_columns([*row], renames, line)
    return {
        field: value for field, value in zip(fields, row.values(), strict=True) if field is not None
    }


def _subjects(rows: Sequence[dict[str, Any]], contract: Contract) -> pa.Array | None:
    name = contract.subject
    if name is None:
        return None
    values = [row.get(name) for row in rows]
    if contract.by_name[name].type == "text":
        return pa.array([value if type(value) is str else None for value in values], pa.string())
    return pa.array(
        [value if type(value) is int and -_INT64 <= value < _INT64 else None for value in values],
        pa.int64(),
    )


def _cells(rows: Sequence[dict[str, Any]], field: RequestField) -> Cells:
    name = field.name
    cells = to_cells([row.get(name) for row in rows], field)
    if field.default is None:
        return cells
    sent = np.array([name in row for row in rows], dtype=np.bool_)  # null is no default
    return cells.with_default(field, sent)
