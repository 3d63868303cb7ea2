"""CSV: every cell is a text, a blank one a missing value, and a number is written as in JSON.

What should be a number or boolean and is none stays a text, of which the contract says what is
wrong.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as arrow_csv

from mlops.batch.job import Renames
from mlops.batch.reading import (
    Cells,
    Rows,
    absent,
    integers_of,
    rename_columns,
    require_columns,
    spread,
    to_cells,
)
from mlops.batch.records import Positions, csv_records
from mlops.batch.splitting import NO_ROWS, Chunk
from mlops.errors import InputRefused
from mlops.models.cells import BLANK, NUMBER, read_cell
from mlops.models.contract import Contract, RequestField
from mlops.models.validation import Fault

_BLANKS = pa.array([*BLANK])
_TEXTS = pa.dictionary(pa.int32(), pa.string())


def read_csv(chunk: Chunk, contract: Contract, renames: Renames) -> Rows:
    """Raises InputRefused for a header that does not fit, and for one without rows."""
    content = chunk.content
    header, start = _header(content)
    names = rename_columns(header, renames, line=1)
    require_columns([name for name in names if name is not None], contract, line=1)
    if chunk.rows == 0:
        raise InputRefused(NO_ROWS)

    @cache
    def lines() -> Positions:
        return chunk.lines(csv_records(content).lines[1:])

    text, undecodable = _as_utf8(content, start)
    table, cells = _table(text, names, contract)
    faults = {
        row: Fault(
            "row",
            "cells",
            f"{count} {'cell' if count == 1 else 'cells'}; the header has {len(names)}",
        )
        for row, count in cells.items()
    }
    faults |= {
        row: Fault("row", "encoding", f"line {lines()[row]} is not UTF-8") for row in undecodable
    }
    if cells:
        whole = np.ones(len(table) + len(cells), dtype=np.bool_)
        whole[[*cells]] = False
        table = table.take(pa.array(np.cumsum(whole) - 1, mask=~whole))
    return _rows(table, contract, faults, lines)


def _header(content: bytes) -> tuple[list[str], int]:
    """Its names, and where the first row begins. Raises InputRefused where it is not UTF-8."""
    file = io.BytesIO(content)
    try:
        return next(csv.reader(line.decode() for line in file)), file.tell()
    except UnicodeDecodeError as error:
        raise InputRefused("not UTF-8; save the file as UTF-8", 1) from error


def _as_utf8(content: bytes, start: int) -> tuple[pa.Buffer, list[int]]:
    """The rows, with what is not UTF-8 in them replaced; and which these are.

    They begin with the header's line feed: Arrow ignores a blank line, but takes a byte order mark
    away from where its text begins, which here would be the first cell of a row.
    """
    try:
        content.decode()
    except UnicodeDecodeError:
        pass
    else:
        return pa.py_buffer(content).slice(start - 1), []
    texts, wrong = [], []
    records = csv_records(content)
    for row, (begin, end) in enumerate(zip(records.starts[1:], records.ends[1:], strict=True)):
        record = content[begin:end]
        text = record.decode(errors="replace").encode()
        texts.append(text)
        if text != record:
            wrong.append(row)
    return pa.py_buffer(b"\n".join([b"", *texts, b""])), wrong


def _table(
    body: pa.Buffer, names: Sequence[str | None], contract: Contract
) -> tuple[pa.Table, dict[int, int]]:
    """The rows with a cell for each name; and how many cells the others have, by position.

    body: UTF-8, from a line feed on.
    names: of the columns; None for one to leave out.
    """
    kept = [name for name in names if name is not None]
    cells: dict[int, int] = {}

    def skip(row: Any) -> str:
        # Counted from 1, without blank lines. With threads there would be no number.
        cells[row.number - 1] = row.actual_columns
        return "skip"

    table = arrow_csv.read_csv(
        pa.BufferReader(body),
        read_options=arrow_csv.ReadOptions(
            # The names that columns to leave out get are none of a contract's.
            column_names=[f"\0{n}" if name is None else name for n, name in enumerate(names)],
            use_threads=False,
            block_size=len(body),
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=arrow_csv.ConvertOptions(
            check_utf8=False,
            column_types={
                name: pa.string() if name == contract.subject else _TEXTS for name in kept
            },
            include_columns=kept,
            strings_can_be_null=False,
        ),
    )
    return table, cells


def _rows(
    table: pa.Table,
    contract: Contract,
    faults: Mapping[int, Fault],
    lines: Callable[[], Positions],
) -> Rows:
    columns = {name: _one(table.column(name)) for name in table.column_names}
    well_formed = np.ones(len(table), dtype=np.bool_)
    well_formed[list(faults)] = False

    def value(row: int) -> object:
        found = {
            name: read_cell(contract.by_name[name].type, column[row].as_py())
            for name, column in columns.items()
        }
        return {name: cell for name, cell in found.items() if cell is not None}

    return Rows(
        subjects=_subjects(columns, contract),
        cells=_cells(columns, contract, len(table)),
        well_formed=well_formed,
        faults=faults,
        value=value,
        lines=lines,
    )


def _one(column: pa.ChunkedArray) -> pa.Array:
    """An array in one piece, which a table need not have, and an empty one has not."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _subjects(columns: Mapping[str, pa.Array], contract: Contract) -> pa.Array | None:
    """Return the ids, null where a cell is blank, or no integer in plain digits."""
    if contract.subject is None:
        return None
    column = columns[contract.subject]
    if contract.by_name[contract.subject].type == "integer":
        return integers_of(column)
    begins = compute.is_in(compute.utf8_slice_codeunits(column, 0, 1), _BLANKS)
    if not compute.any(begins).as_py():
        return column
    blank = compute.equal(compute.utf8_trim(column, BLANK), "")
    return compute.if_else(blank, None, column)


def _cells(
    columns: Mapping[str, pa.DictionaryArray], contract: Contract, rows: int
) -> dict[str, Cells]:
    """Return the cells of the model's columns. Each distinct text is read once."""
    fields = contract.encoder.fields
    sent = [field for field in fields if field.name in columns]
    numeric = [field for field in sent if field.type in ("integer", "number")]
    distinct = _numbers([columns[field.name].dictionary for field in numeric])
    known = {field.name: cells for field, cells in zip(numeric, distinct, strict=True)}
    known |= {
        field.name: _distinct(columns[field.name].dictionary, field)
        for field in sent
        if field.name not in known
    }
    return {
        field.name: spread(
            columns[field.name],
            known[field.name].with_default(field, known[field.name].given),
        )
        if field.name in known
        else absent(field, rows)
        for field in fields
    }


def _distinct(texts: pa.Array, field: RequestField) -> Cells:
    return to_cells([read_cell(field.type, text) for text in texts.to_pylist()], field)


def _numbers(dictionaries: Sequence[pa.Array]) -> list[Cells]:
    """Return the cells of texts that should be numbers, those of all columns read together."""
    if not dictionaries:
        return []
    texts = pa.concat_arrays(dictionaries)
    readable = compute.match_substring_regex(texts, rf"\A{NUMBER}\z")
    numbers = compute.cast(compute.if_else(readable, texts, None), pa.float64())
    values = numbers.to_numpy(zero_copy_only=False)
    given = compute.not_equal(compute.utf8_trim(texts, BLANK), "").to_numpy(zero_copy_only=False)
    ends = np.cumsum([len(dictionary) for dictionary in dictionaries])[:-1]
    return [
        Cells(of_values, of_given)
        for of_values, of_given in zip(np.split(values, ends), np.split(given, ends), strict=True)
    ]
