"""CSV: every cell is a text. One without characters is a missing value, quoted or not; a number is
written as in JSON; what is no number stays a text, of which the contract says what is wrong."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as arrow_csv

from mlops.batch.reading import (
    Numbers,
    Rows,
    by_row,
    codes_by_name,
    numbers_by_name,
    require_columns,
)
from mlops.batch.records import Positions, csv_records
from mlops.batch.splitting import Chunk
from mlops.errors import InputRefused
from mlops.models.rules import Rules
from mlops.models.validation import Fault

_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
_TEXTS = pa.dictionary(pa.int32(), pa.string())


def read_csv(chunk: Chunk, rules: Rules) -> Rows:
    """Raises InputRefused for a header that does not fit."""
    content = chunk.content
    names, start = _header(content)
    require_columns(names, rules, line=1)

    @cache
    def lines() -> Positions:
        return chunk.lines(csv_records(content).lines[1:])

    text, undecodable = _as_utf8(content, start)
    table, cells = _table(text, names, rules)
    faults = {
        row: Fault("row", "cells", f"{count} cells; the header has {len(names)}")
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
        raise InputRefused("not UTF-8", 1) from error


def _as_utf8(content: bytes, start: int) -> tuple[pa.Buffer, list[int]]:
    """The rows, with what is not UTF-8 in them replaced; and which these are."""
    try:
        content.decode()
    except UnicodeDecodeError:
        pass
    else:
        return pa.py_buffer(content).slice(start), []
    texts, wrong = [], []
    records = csv_records(content)
    for row, (begin, end) in enumerate(zip(records.starts[1:], records.ends[1:], strict=True)):
        record = content[begin:end]
        text = record.decode(errors="replace").encode()
        texts.append(text)
        if text != record:
            wrong.append(row)
    return pa.py_buffer(b"\n".join([*texts, b""])), wrong


def _table(body: pa.Buffer, names: list[str], rules: Rules) -> tuple[pa.Table, dict[int, int]]:
    """The rows with a cell for each name; and how many cells the others have, by position.

    body: UTF-8.
    """
    cells: dict[int, int] = {}

    def skip(row: Any) -> str:
        # Counted from 1, without blank lines. With threads there would be no number.
        cells[row.number - 1] = row.actual_columns
        return "skip"

    table = arrow_csv.read_csv(
        pa.BufferReader(body),
        read_options=arrow_csv.ReadOptions(
            column_names=names, use_threads=False, block_size=max(len(body), 1)
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=arrow_csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(names, _TEXTS) | {rules.subject.name: pa.string()},
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
            name: _number(text) if name in numbers else text for name, text in found.items() if text
        }

    return Rows(
        subjects=columns[rules.subject.name],
        numbers=numbers_by_name(columns, rules, len(table), _numbers),
        categories=codes_by_name(columns, rules, len(table), absent=""),
        well_formed=well_formed,
        faults=faults,
        value=value,
        lines=lines,
    )


def _one(column: pa.ChunkedArray) -> pa.Array:
    """An array in one piece, which a table need not have, and an empty one has not."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _numbers(columns: Sequence[pa.DictionaryArray]) -> list[Numbers]:
    """Each distinct text is read once; those of all columns together."""
    texts = pa.concat_arrays([column.dictionary for column in columns])
    readable = compute.match_substring_regex(texts, rf"\A{_NUMBER}\z")
    numbers = compute.cast(compute.if_else(readable, texts, None), pa.float64())
    values = numbers.to_numpy(zero_copy_only=False)
    given = compute.not_equal(texts, "").to_numpy(zero_copy_only=False)
    ends = np.cumsum([len(column.dictionary) for column in columns])[:-1]
    return [
        Numbers(by_row(column, of_values, np.nan), by_row(column, of_given, False))
        for column, of_values, of_given in zip(
            columns, np.split(values, ends), np.split(given, ends), strict=True
        )
    ]


def _number(text: str) -> object:
    """As JSON has it; what is none stays a text."""
    if re.fullmatch(_NUMBER, text) is None:
        return text
    try:
        return int(text) if text.removeprefix("-").isdigit() else float(text)
    except ValueError:  # more digits than Python reads
        return text
