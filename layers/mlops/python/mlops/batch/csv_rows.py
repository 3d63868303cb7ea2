"""CSV: every cell is a text, a blank one a missing value, and a number is written as in JSON.

What should be a number and is none stays a text, of which the contract says what is wrong.
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
    Numbers,
    Rows,
    by_row,
    codes_by_name,
    numbers_by_name,
    rename_columns,
    require_columns,
)
from mlops.batch.records import Positions, csv_records
from mlops.batch.splitting import NO_ROWS, Chunk
from mlops.errors import InputRefused
from mlops.models.cells import BLANK, NUMBER, is_blank, parse_number
from mlops.models.rules import Rules
from mlops.models.validation import Fault

_BLANKS = pa.array([*BLANK])
_TEXTS = pa.dictionary(pa.int32(), pa.string())


def read_csv(chunk: Chunk, rules: Rules, renames: Renames) -> Rows:
    """Raises InputRefused for a header that does not fit, and for one without rows."""
    content = chunk.content
    header, start = _header(content)
    names = rename_columns(header, renames, line=1)
    require_columns([name for name in names if name is not None], rules, line=1)
    if chunk.rows == 0:
        raise InputRefused(NO_ROWS)

    @cache
    def lines() -> Positions:
        return chunk.lines(csv_records(content).lines[1:])

    text, undecodable = _as_utf8(content, start)
    table, cells = _table(text, names, rules)
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
    return _rows(table, rules, faults, lines)


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
    body: pa.Buffer, names: Sequence[str | None], rules: Rules
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
            column_types=dict.fromkeys(kept, _TEXTS) | {rules.subject.name: pa.string()},
            include_columns=kept,
            strings_can_be_null=False,
        ),
    )
    return table, cells


def _rows(
    table: pa.Table,
    rules: Rules,
    faults: Mapping[int, Fault],
    lines: Callable[[], Positions],
) -> Rows:
    columns = {name: _one(table.column(name)) for name in table.column_names}
    well_formed = np.ones(len(table), dtype=np.bool_)
    well_formed[list(faults)] = False

    def value(row: int) -> object:
        found = {name: column[row].as_py() for name, column in columns.items()}
        numbers = {rule.name for rule in rules.numbers}
        return {
            name: parse_number(text) if name in numbers else text
            for name, text in found.items()
            if text and not is_blank(text)
        }

    return Rows(
        subjects=_subjects(columns[rules.subject.name]),
        numbers=numbers_by_name(columns, rules, len(table), _numbers),
        categories=codes_by_name(columns, rules, len(table), is_blank),
        well_formed=well_formed,
        faults=faults,
        value=value,
        lines=lines,
    )


def _one(column: pa.ChunkedArray) -> pa.Array:
    """An array in one piece, which a table need not have, and an empty one has not."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _subjects(column: pa.Array) -> pa.Array:
    """The ids, null where a cell is blank."""
    begins = compute.is_in(compute.utf8_slice_codeunits(column, 0, 1), _BLANKS)
    if not compute.any(begins).as_py():
        return column
    blank = compute.equal(compute.utf8_trim(column, BLANK), "")
    return compute.if_else(blank, None, column)


def _numbers(columns: Sequence[pa.DictionaryArray]) -> list[Numbers]:
    """Each distinct text is read once; those of all columns together."""
    texts = pa.concat_arrays([column.dictionary for column in columns])
    readable = compute.match_substring_regex(texts, rf"\A{NUMBER}\z")
    numbers = compute.cast(compute.if_else(readable, texts, None), pa.float64())
    values = numbers.to_numpy(zero_copy_only=False)
    given = compute.not_equal(compute.utf8_trim(texts, BLANK), "").to_numpy(zero_copy_only=False)
    ends = np.cumsum([len(column.dictionary) for column in columns])[:-1]
    return [
        Numbers(by_row(column, of_values, np.nan), by_row(column, of_given, False))
        for column, of_values, of_given in zip(
            columns, np.split(values, ends), np.split(given, ends), strict=True
        )
    ]
