"""The Telco file, read through the churn contract: what training sees, a client could send."""

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mlops.errors import DataInvalid
from mlops.models.churn.contract import CHURN, ChurnRequest
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
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SEGMENTS = ("contract", "senior_citizen", "gender")


def load(path: Path) -> Dataset:
    """Read a CSV file, gzipped or not, with the Telco data's header, one row a customer.

    Raises DataInvalid, which names file, line and column.
    """
    source = str(path)
    content = _content(path)
    requests, labels = [], []
    lines: dict[str, int] = {}
    for line, row in _rows(source, content):
        requests.append(_request(source, line, row))
        labels.append(_label(source, line, row))
        # With another row in training, a customer that is held out would have been seen.
        if (first := lines.setdefault(row["customerID"], line)) != line:
            reason = f"the same as in line {first}; each customer should have one row"
            raise DataInvalid(source, line, "customerID", reason)
    if len(set(labels)) < 2:
        raise DataInvalid(source, None, LABEL, "both Yes and No are needed")
    return Dataset(
        columns=CHURN.columns(requests),
        requests=tuple(request.model_dump() for request in requests),
        labels=np.array(labels, dtype=np.int64),
        segments={
            name: np.array([str(getattr(request, name)) for request in requests])
            for name in _SEGMENTS
        },
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
    )


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataInvalid(str(path), None, "file", reason) from error


def _rows(source: str, content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with the number of its line; it has a text for every column and no more."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataInvalid(source, line, "file", "not UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        for column in (*FIELDS, LABEL):
            if (times := header.count(column)) != 1:
                reason = "the column is missing" if times == 0 else "the column is there twice"
                raise DataInvalid(source, 1, column, reason)
        for cells in reader:
            if not cells:  # a blank line
                continue
            if len(cells) < len(header):
                raise DataInvalid(
                    source, reader.line_num, header[len(cells)], "the row ends before"
                )
            if len(cells) > len(header):
                raise DataInvalid(source, reader.line_num, header[-1], "the row goes on after")
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataInvalid(source, reader.line_num, "file", f"not CSV: {error}") from error


def _request(source: str, line: int, row: dict[str, str]) -> ChurnRequest:
    try:
        return ChurnRequest.model_validate(dict(_values(row)))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = str(first["loc"][0])
        column = next((name for name, of in FIELDS.items() if of == field), field)
        raise DataInvalid(source, line, column, first["msg"]) from error


def _values(row: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for column, field in FIELDS.items():
        text = row[column]
        # Customers in their first month have a blank total: nothing was charged so far.
        if column == "TotalCharges" and not text.strip() and row["tenure"] == "0":
            text = "0"
        yield field, _number(text) if field in CHURN.numeric else text


def _number(text: str) -> object:
    # Python's float() takes more than that: "1_000", " 1", digits of other scripts.
    return float(text) if _NUMBER.fullmatch(text) else text  # which the contract refuses


def _label(source: str, line: int, row: dict[str, str]) -> int:
    text = row[LABEL]
    if text not in ("Yes", "No"):
        raise DataInvalid(source, line, LABEL, "should be Yes or No")
    return int(text == "Yes")
