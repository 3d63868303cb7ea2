"""The labelled sample that comes with an estimator, as pandas reads it."""

import csv
import gzip
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from mlops.errors import DataInvalid
from mlops.files import describe_os_error
from mlops.models.column_names import find_fault, find_header_fault, suggest

MANY_ROWS = 200
"""With fewer, a sample shows too little: rare categories, and values that may be missing."""
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Sample:
    """rows: without the label. digest: of the file's bytes, uncompressed."""

    source: str
    rows: pandas.DataFrame
    labels: pandas.Series
    label: str
    digest: str


def read_sample(path: Path, label: str, labels: Path | None = None) -> Sample:
    """Read CSV or Parquet; labels: another file that has the label, row for row.

    Raises DataInvalid.
    """
    frame, digest = read_table(path)
    if labels is None:
        column = _label_column(str(path), frame, label)
        return Sample(str(path), frame.drop(columns=label), column, label, digest)
    others, _ = read_table(labels)
    if label not in others.columns and len(others.columns) == 1:
        others.columns = [label]
    column = _label_column(str(labels), others, label)
    if len(others) != len(frame):
        reason = (
            f"it has {len(others):,} rows, but {path} has {len(frame):,}; there must be one label"
            " for each row"
        )
        raise DataInvalid(str(labels), None, label, reason)
    if label in frame.columns:
        frame = frame.drop(columns=label)
    return Sample(str(path), frame, column, label, digest)


def _label_column(source: str, frame: pandas.DataFrame, label: str) -> pandas.Series:
    if label not in frame.columns:
        similar = suggest([label], {str(name) for name in frame.columns})
        hint = f" (did you mean {similar[label]}?)" if similar else ""
        reason = (
            f"there is no such column{hint}; name the label's column with --label, or its file with"
            " --labels"
        )
        raise DataInvalid(source, None, label, reason)
    column = frame[label]
    if column.isna().any():
        line = int(column.isna().to_numpy().argmax()) + 2
        raise DataInvalid(source, line, label, "the label is missing; leave such rows out")
    return column


def read_table(path: Path) -> tuple[pandas.DataFrame, str]:
    """Return a file's rows and the digest of its bytes. Raise DataInvalid."""
    source = str(path)
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (OSError, EOFError) as error:
        reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
        raise DataInvalid(source, None, "file", reason) from error
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    try:
        if content.startswith(_PARQUET):
            frame = pandas.read_parquet(io.BytesIO(content))
            _require_names(source, [*map(str, frame.columns)])
            frame.columns = [*map(str, frame.columns)]
            if frame.index.name is not None:
                frame = frame.reset_index()
            return frame.reset_index(drop=True), digest
        text = content.decode("utf-8-sig")
        header = next(csv.reader(io.StringIO(text, newline="")), [])
        if not header:
            raise DataInvalid(source, None, "file", "it is empty")
        if fault := find_header_fault(",".join(header)):
            raise DataInvalid(source, 1, "header", fault)
        _require_names(source, header)
        return pandas.read_csv(io.StringIO(text), index_col=False, low_memory=False), digest
    except UnicodeDecodeError as error:
        raise DataInvalid(source, None, "file", "neither Parquet nor CSV in UTF-8") from error
    except (ValueError, OSError, pandas.errors.ParserError) as error:
        raise DataInvalid(source, None, "file", str(error).strip()) from error


def _require_names(source: str, header: Sequence[str]) -> None:
    known = frozenset(header)
    if fault := find_fault(header, frozenset(), known):
        raise DataInvalid(source, 1, "header", f"{fault}; rename or remove one of them")


def looks_like_numbers(values: Any) -> bool:
    """Tell whether texts are numbers, apart from blanks and a few words for "unknown"."""
    texts = pandas.Series(values).dropna().astype(str).str.strip()
    filled = texts[texts != ""]
    if len(filled) == 0:
        return False
    numbers = pandas.to_numeric(filled, errors="coerce")
    return bool(numbers.notna().mean() >= 0.95)


def looks_like_dates(values: Any) -> bool:
    """Tell whether texts are days or times as ISO 8601 writes them."""
    texts = pandas.Series(values).dropna().astype(str).str.strip()
    return len(texts) > 0 and bool(texts.str.match(r"\d{4}-\d{2}-\d{2}([T ].*)?$").all())
