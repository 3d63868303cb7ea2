"""The Telco file, read through the churn contract: what training sees, a client could send."""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mlops.errors import DataInvalid
from mlops.files import describe_os_error
from mlops.models.cells import is_blank, parse_number
from mlops.models.churn.contract import CHURN, ChurnRequest
from mlops.models.column_names import find_fault, find_header_fault
from mlops.models.file_kinds import GZIP, HEAD, recognize
from mlops.models.plan import Dataset

LABEL = "Churn"
FIELDS = {
    "customerID": "customer_id",
    "gender": "gender",
    "SeniorCitizen": "senior_citizen",
    "Partner": "partner",
    "Dependents": "dependents",
    "tenure": "tenure",
    "PhoneService": "phone_service",
    "MultipleLines": "multiple_lines",
    "InternetService": "internet_service",
    "OnlineSecurity": "online_security",
    "OnlineBackup": "online_backup",
    "DeviceProtection": "device_protection",
    "TechSupport": "tech_support",
    "StreamingTV": "streaming_tv",
    "StreamingMovies": "streaming_movies",
    "Contract": "contract",
    "PaperlessBilling": "paperless_billing",
    "PaymentMethod": "payment_method",
    "MonthlyCharges": "monthly_charges",
    "TotalCharges": "total_charges",
}
_HINT = "Rename columns in the file"
_SEGMENTS = ("contract", "senior_citizen", "gender")


def load(path: Path) -> Dataset:
    """Read a CSV file, gzipped or not, one row a customer.

    Its columns have the Telco data's names or those of the API's fields. Cells are read as those of
    a batch job: a blank one is a missing value.

    Raises DataInvalid, which names file, line and column.
    """
    source = str(path)
    content = _content(path)
    names, rows = _table(source, content)
    requests, labels = [], []
    lines: dict[str, int] = {}
    for line, row in rows:
        requests.append(_request(source, line, row, names))
        labels.append(_label(source, line, row))
        # With another row in training, a customer that is held out would have been seen.
        if (first := lines.setdefault(row["customer_id"], line)) != line:
            reason = f"the same as in line {first}; each customer should have one row"
            raise DataInvalid(source, line, names["customer_id"], reason)
    if len(set(labels)) < 2:
        raise DataInvalid(source, None, LABEL, "both Yes and No are needed")
    return Dataset(
        columns=CHURN.columns(requests),
        requests=tuple(request.model_dump() for request in requests),
        labels=np.array(labels, dtype=np.int64),
        segments={
            name: np.array([_segment(getattr(request, name)) for request in requests])
            for name in _SEGMENTS
        },
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
    )


def _segment(value: object) -> str:
    return "missing" if value is None else str(value)


def _content(path: Path) -> bytes:
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


_Row = tuple[int, dict[str, str]]
"""The number of its line, and the text of each field and of the label."""


def _table(source: str, content: bytes) -> tuple[dict[str, str], list[_Row]]:
    """Return what the file calls each field and the label, and its rows."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataInvalid(source, line, "file", "not UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next((cells for cells in reader if cells), None)
        if header is None:
            raise DataInvalid(source, None, "file", "it is empty")
        # Cells of other separators come as one, whose text is the line.
        fault = find_header_fault(",".join(header))
        if fault is not None:
            raise DataInvalid(source, reader.line_num, "header", fault)
        places = _places(source, reader.line_num, header)
        names = {field: header[place] for field, place in places.items()}
        return names, [*_rows(source, reader, header, places)]
    except csv.Error as error:
        raise DataInvalid(source, reader.line_num, "file", f"not CSV: {error}") from error


def _rows(
    source: str, reader: Any, header: Sequence[str], places: Mapping[str, int]
) -> Iterator[_Row]:
    """reader: of the csv module, past the header."""
    for cells in reader:
        if not cells:  # a blank line
            continue
        if len(cells) < len(header):
            raise DataInvalid(source, reader.line_num, header[len(cells)], "the row ends before")
        if len(cells) > len(header):
            raise DataInvalid(source, reader.line_num, header[-1], "the row goes on after")
        yield reader.line_num, {field: cells[place] for field, place in places.items()}


def _places(source: str, line: int, header: Sequence[str]) -> dict[str, int]:
    """Return the place of each field, and of the label; other columns are of no use.

    Raises DataInvalid for a column that is missing or there twice.
    """
    fields = [FIELDS.get(name, name) for name in header]
    needed = [*FIELDS.values(), LABEL]
    if all(fields.count(field) == 1 for field in needed):
        return {field: fields.index(field) for field in needed}
    # In the spelling that the file has.
    spelled = {field: name for name, field in FIELDS.items()} if "customer_id" not in header else {}
    names = [spelled.get(field, field) for field in fields]
    wanted = {spelled.get(field, field) for field in needed}
    if wanted <= set(names):
        names = [name for name in names if name in wanted]  # the others are nobody's fault
    raise DataInvalid(source, line, "header", find_fault(names, wanted, wanted, _HINT) or "")


def _request(source: str, line: int, row: dict[str, str], names: Mapping[str, str]) -> ChurnRequest:
    try:
        return ChurnRequest.model_validate(dict(_values(row)))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = str(first["loc"][0])
        raise DataInvalid(source, line, names.get(field, field), first["msg"]) from error


def _values(row: dict[str, str]) -> Iterator[tuple[str, object]]:
    for field in FIELDS.values():
        text = row[field]
        if not is_blank(text):
            yield field, parse_number(text) if field in CHURN.numeric else text


def _label(source: str, line: int, row: dict[str, str]) -> int:
    text = row[LABEL]
    if text not in ("Yes", "No"):
        raise DataInvalid(source, line, LABEL, "should be Yes or No")
    return int(text == "Yes")
