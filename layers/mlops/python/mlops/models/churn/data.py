"""The Telco file, read through the churn contract: what training sees, a client could send."""

import csv
import gzip
import hashlib
import io
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
_SEGMENTS = ("contract", "senior_citizen", "gender")
_NUMBERS = {"senior_citizen": int, "tenure": int, "monthly_charges": float, "total_charges": float}


def load(path: Path) -> Dataset:
    """Read a CSV file, gzipped or not, with the Telco data's header.

    Raises DataInvalid, which names file, line and column.
    """
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataInvalid(path.name, line, "file", "not UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for column in (*FIELDS, LABEL):
        if column not in (reader.fieldnames or ()):
            raise DataInvalid(path.name, 1, column, "the column is missing")
    requests, labels = [], []
    for row in reader:
        requests.append(_request(path.name, reader.line_num, row))
        labels.append(_label(path.name, reader.line_num, row))
    if len(set(labels)) < 2:
        raise DataInvalid(path.name, reader.line_num, LABEL, "both Yes and No are needed")
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
    except (OSError, EOFError) as error:
        raise DataInvalid(path.name, 0, "file", str(error)) from error


def _request(source: str, line: int, row: dict[str, str | None]) -> ChurnRequest:
    try:
        return ChurnRequest.model_validate(dict(_values(row)))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = str(first["loc"][0])
        column = next((name for name, of in FIELDS.items() if of == field), field)
        raise DataInvalid(source, line, column, first["msg"]) from error


def _values(row: dict[str, str | None]) -> Iterator[tuple[str, Any]]:
    for column, field in FIELDS.items():
        text = row[column]
        # Customers in their first month have a blank total: nothing was charged so far.
        if column == "TotalCharges" and (text or "").strip() == "" and row["tenure"] == "0":
            text = "0"
        yield field, _number(text, _NUMBERS[field]) if field in _NUMBERS else text


def _number(text: str | None, kind: type[int] | type[float]) -> object:
    try:
        return kind(text or "")
    except ValueError:
        return text  # the contract says what is wrong with it


def _label(source: str, line: int, row: dict[str, str | None]) -> int:
    text = row[LABEL]
    if text not in ("Yes", "No"):
        raise DataInvalid(source, line, LABEL, "should be Yes or No")
    return int(text == "Yes")
