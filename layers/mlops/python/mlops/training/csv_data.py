"""A CSV file of labelled rows, read through the contract: clients could send each of them."""

import csv
import gzip
import hashlib
import io
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlops.errors import ContractInvalid, DataInvalid
from mlops.files import describe_os_error
from mlops.models.cells import is_blank, parse_number, read_cell
from mlops.models.column_names import MAX_NAMED, find_fault, find_header_fault
from mlops.models.contract import Contract, Label
from mlops.models.file_kinds import GZIP, HEAD, recognize
from mlops.models.validation import validate
from mlops.training.data import Dataset

_HINT = "Rename columns in the file"


def load(path: Path, contract: Contract) -> Dataset:
    """Read a CSV file, gzipped or not, whose rows have all fields of the contract and a label.

    Its columns have the names of the fields, or those that the contract calls their sources. Cells
    are read as those of a batch job: a blank one is a missing value.

    Raises:
        DataInvalid: The file cannot be used; the error names file, line and column.
        ContractInvalid: The contract does not say what the labels are.
    """
    label = _label_of(contract)
    source = str(path)
    content = _read(path)
    names, rows = _table(source, content, contract, label)
    requests: list[Mapping[str, Any]] = []
    labels: list[Any] = []
    ratings: list[float] = []
    lines: dict[object, int] = {}
    for line, row, text in rows:
        request = _request(source, line, row, names, contract)
        if label.positive_above is None:
            labels.append(_read_label(source, line, text, contract, label))
        else:
            ratings.append(_read_number(source, line, text, label))
            labels.append(int(ratings[-1] > label.positive_above))
        requests.append(request)
        if contract.subject is None:
            continue
        # With another row in training, a subject that is held out would have been seen.
        if (first := lines.setdefault(request[contract.subject], line)) != line:
            column = names[contract.subject]
            reason = f"the same as in line {first}; each {column} should have one row"
            raise DataInvalid(source, line, column, reason)
    if not labels:
        raise DataInvalid(source, None, "file", "it has no rows")
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Dataset(contract, requests, labels, digest, np.array(ratings) if ratings else None)


def read_table(path: Path) -> tuple[bytes, Iterator[tuple[int, list[str]]]]:
    """Return a CSV file's bytes, uncompressed, and the cells of each line with its number.

    Raises:
        DataInvalid: The file is no CSV; of lines that are wrong, when they are reached.
    """
    content = _read(path)
    return content, _cells(str(path), _decode(str(path), content))


def _decode(source: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataInvalid(source, line, "file", "not UTF-8") from error


def _label_of(contract: Contract) -> Label:
    label = contract.label
    if label is None:
        reason = "label is missing: the column of the training data that says what happened"
        raise ContractInvalid(contract.model, [reason])
    is_rating = label.positive_above is not None
    if contract.task == "binary" and not is_rating and "" in (label.positive, label.negative):
        reason = "label: positive and negative are missing: the two values of its column"
        raise ContractInvalid(contract.model, [reason])
    return label


def _read(path: Path) -> bytes:
    """Return the text's bytes, uncompressed whatever the file's name says."""
    source = str(path)
    try:
        content = path.read_bytes()
        if content.startswith(GZIP):
            content = gzip.decompress(content)
        elif path.suffix.lower() == ".gz" and content:
            raise DataInvalid(source, None, "file", "not gzip, although its name ends with .gz")
    except (OSError, EOFError, zlib.error) as error:
        reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
        raise DataInvalid(source, None, "file", reason) from error
    kind = recognize(content[:HEAD])
    if kind is not None:
        reason = f"it is {kind}; training reads CSV in UTF-8, plain or compressed with gzip"
        raise DataInvalid(source, None, "file", reason)
    return content


_Names = Mapping[str, str]
"""What the file calls each field."""
_Row = tuple[int, dict[str, str], str]
"""The number of its line, the text of each field, and that of the label."""


def _table(
    source: str, content: bytes, contract: Contract, label: Label
) -> tuple[_Names, Iterator[_Row]]:
    rows = _cells(source, _decode(source, content))
    first = next(rows, None)
    if first is None:
        raise DataInvalid(source, None, "file", "it is empty")
    line, header = first
    # Cells of other separators come as one, whose text is the line.
    fault = find_header_fault(",".join(header))
    if fault is not None:
        raise DataInvalid(source, line, "header", fault)
    names = _find_names(header, contract)
    wanted = frozenset((*names.values(), label.column))
    if label.column in names.values():
        reason = f"the label {label.column} is the column of a field, too: the model would see it"
        raise DataInvalid(source, line, label.column, reason)
    if not wanted <= frozenset(header):
        fault = find_fault(header, wanted, wanted, _HINT)
    else:
        fault = find_fault([name for name in header if name in wanted], wanted, wanted)
    if fault is not None:
        raise DataInvalid(source, line, "header", fault)
    return names, _rows(source, rows, header, names, label.column)


def _cells(source: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each line that is not blank, with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataInvalid(source, reader.line_num, "file", f"not CSV: {error}") from error


def _find_names(header: Sequence[str], contract: Contract) -> _Names:
    """Return the names that the file uses: of the sources, or of the fields."""
    spellings = (
        {field.name: field.column for field in contract.fields},
        {field.name: field.name for field in contract.fields},
    )
    return max(spellings, key=lambda names: len(set(header).intersection(names.values())))


def _rows(
    source: str,
    rows: Iterator[tuple[int, list[str]]],
    header: Sequence[str],
    names: _Names,
    label: str,
) -> Iterator[_Row]:
    places = {field: header.index(name) for field, name in names.items()}
    label_place = header.index(label)
    for line, cells in rows:
        if len(cells) < len(header):
            raise DataInvalid(source, line, header[len(cells)], "the row ends before")
        if len(cells) > len(header):
            raise DataInvalid(source, line, header[-1], "the row goes on after")
        yield line, {field: cells[place] for field, place in places.items()}, cells[label_place]


def _request(
    source: str, line: int, row: Mapping[str, str], names: _Names, contract: Contract
) -> dict[str, Any]:
    """Return what a client would send of the row."""
    sent = {
        field.name: read_cell(field.type, row[field.name])
        for field in contract.fields
        if not is_blank(row[field.name])
    }
    request = validate(contract, sent)
    if isinstance(request, tuple):
        first = request[0]
        raise DataInvalid(source, line, names.get(first.field, first.field), first.detail)
    return request.model_dump(mode="json", exclude_unset=True)


def _read_label(
    source: str, line: int, text: str, contract: Contract, label: Label
) -> int | float | str:
    """Return the label as JSON has it."""
    match contract.task:
        case "binary":
            if text in (label.positive, label.negative):
                return int(text == label.positive)
            reason = f"should be {label.positive} or {label.negative}"
        case "multiclass":
            classes = contract.answer.classes
            if text in classes:
                return text
            more = f" or one of {len(classes) - MAX_NAMED} more" if len(classes) > MAX_NAMED else ""
            reason = f"should be {', '.join(classes[:MAX_NAMED])}{more}"
        case "regression":
            return _read_number(source, line, text, label)
        case "forecast":
            raise TypeError("series_data reads the rows of forecasts")
    raise DataInvalid(source, line, label.column, reason)


def _read_number(source: str, line: int, text: str, label: Label) -> int | float:
    number = parse_number(text)
    if isinstance(number, int | float) and math.isfinite(number):
        return number
    raise DataInvalid(source, line, label.column, "should be a number")
