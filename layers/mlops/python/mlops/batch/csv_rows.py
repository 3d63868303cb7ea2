"""CSV: every cell is a text. One without characters is a missing value, quoted or not; a number is
written as in JSON; what is no number stays a text, of which the contract says what is wrong."""

import csv
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray

from mlops.batch.reading import (
    Numbers,
    Rows,
    codes_by_name,
    numbers_by_name,
    require_columns,
)
from mlops.batch.records import Records, cells, csv_records
from mlops.errors import InputRefused
from mlops.models.rules import Rules
from mlops.models.validation import Fault

_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
_TEXTS = pa.dictionary(pa.int32(), pa.string())


def read_csv(content: bytes, rules: Rules, first_line: int) -> Rows:
    """Raises InputRefused for a header that does not fit."""
    records = csv_records(content)
    names = header_of(content, records)
    require_columns(names, rules, line=1)
    body = Records(
        records.starts[1:], records.ends[1:], records.lines[1:], records.used, records.used_lines
    )
    lines = first_line + body.lines - body.lines[:1]
    counts = cells(content, body)
    faults = {
        int(row): Fault("row", "cells", f"{counts[row]} cells; the header has {len(names)}")
        for row in np.flatnonzero(counts != len(names))
    }
    start = int(records.ends[0]) + 1
    text, undecodable = _as_utf8(content, body)
    faults |= {
        int(row): Fault("row", "encoding", f"line {lines[row]} is not UTF-8") for row in undecodable
    }
    table = _table(text if undecodable else pa.py_buffer(content).slice(start), names, rules)
    whole = np.flatnonzero(counts == len(names))
    if len(table) != len(whole):
        raise AssertionError("the columnar reader and our own count of the rows differ")
    if len(whole) < len(body):
        places = np.full(len(body), -1, np.int64)
        places[whole] = np.arange(len(whole))
        table = table.take(pa.array(places, mask=places < 0))
    return _rows(table, rules, faults, lines)


def header_of(content: bytes, records: Records) -> list[str]:
    """Raises InputRefused where it is not UTF-8."""
    try:
        header = content[records.starts[0] : records.ends[0]].decode()
    except UnicodeDecodeError as error:
        raise InputRefused("not UTF-8", 1) from error
    return next(csv.reader([header]))


def _as_utf8(content: bytes, records: Records) -> tuple[bytes, list[int]]:
    """The records, with what is not UTF-8 in them replaced; and which these are."""
    try:
        content.decode()
    except UnicodeDecodeError:
        pass
    else:
        return b"", []
    texts, wrong = [], []
    for row, (start, end) in enumerate(zip(records.starts, records.ends, strict=True)):
        record = content[start:end]
        text = record.decode(errors="replace").encode()
        texts.append(text)
        if text != record:
            wrong.append(row)
    return b"\n".join([*texts, b""]), wrong


def _table(body: Any, names: list[str], rules: Rules) -> pa.Table:
    kinds = dict.fromkeys(names, pa.string()) | {
        rule.name: _TEXTS for rule in rules.categories if rule.name in names
    }
    return arrow_csv.read_csv(
        pa.BufferReader(body),
        read_options=arrow_csv.ReadOptions(
            column_names=names, use_threads=False, block_size=max(len(body), 1)
        ),
        parse_options=arrow_csv.ParseOptions(
            newlines_in_values=True, invalid_row_handler=lambda row: "skip"
        ),
        convert_options=arrow_csv.ConvertOptions(column_types=kinds, strings_can_be_null=False),
    ).combine_chunks()


def _rows(
    table: pa.Table, rules: Rules, faults: Mapping[int, Fault], lines: NDArray[np.intp]
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
    return column.combine_chunks()


def _numbers(column: pa.Array) -> Numbers:
    column = compute.fill_null(column, "")
    readable = compute.match_substring_regex(column, rf"\A{_NUMBER}\z")
    values = compute.cast(compute.if_else(readable, column, None), pa.float64())
    return Numbers(
        values=values.to_numpy(zero_copy_only=False),
        given=compute.not_equal(column, "").to_numpy(zero_copy_only=False),
    )


def _number(text: str) -> object:
    """As JSON has it; what is none stays a text."""
    if re.fullmatch(_NUMBER, text) is None:
        return text
    try:
        return int(text) if text.removeprefix("-").isdigit() else float(text)
    except ValueError:  # more digits than Python reads
        return text
