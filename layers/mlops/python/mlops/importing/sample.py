"""The labelled sample that comes with an estimator, as pandas reads it."""

import csv
import gzip
import hashlib
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from mlops.errors import DataInvalid
from mlops.files import describe_os_error
from mlops.models.column_names import find_fault, find_header_fault, suggest

MANY_ROWS = 200
"""With fewer, a sample shows too little: rare categories, and values that may be missing."""
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Sample:
    """rows: without the label. digest: of the file's bytes, uncompressed.

    texts, label_texts: how the files write rows and labels, or None where a file keeps types.
    """

    source: str
    rows: pandas.DataFrame
    labels: pandas.Series
    label: str
    digest: str
    texts: pandas.DataFrame | None = None
    label_texts: pandas.Series | None = None


@dataclass(frozen=True)
class Table:
    """frame: with the types that pandas sees. texts: what a CSV file writes in each cell."""

    frame: pandas.DataFrame
    digest: str
    texts: pandas.DataFrame | None = None


def read_sample(
    path: Path, label: str, labels: Path | None = None, subject: str | None = None
) -> Sample:
    """Read CSV or Parquet.

    labels: another file that has the label, row for row. subject: the column of the ids; where both
    files have it, the ids must be the same.

    Raises DataInvalid.
    """
    table = read_table(path)
    rows = table.frame.drop(columns=label, errors="ignore")
    source, others = (path, table) if labels is None else (labels, read_table(labels))
    if label not in others.frame.columns and labels is not None and len(others.frame.columns) == 1:
        for found in (others.frame, others.texts):
            if found is not None:
                found.columns = [label]
    _require_label(str(source), others.frame, label)
    if len(others.frame) != len(rows):
        reason = (
            f"it has {len(others.frame):,} rows, but {path} has {len(rows):,}; there must be one"
            " label for each row"
        )
        raise DataInvalid(str(source), None, label, reason)
    if labels is not None and subject in rows.columns and subject in others.frame.columns:
        _require_same_ids(str(labels), str(path), others.frame[subject], rows[subject])
    return Sample(
        str(path),
        rows,
        others.frame[label],
        label,
        table.digest,
        table.texts,
        None if others.texts is None else others.texts[label],
    )


def keep_known(
    values: pandas.Series, texts: pandas.Series | None, known: Collection[object]
) -> pandas.Series:
    """Return a column in which texts that the estimator knows are as the file writes them.

    CSV keeps no types: pandas reads "01" as 1, and "NA" as a missing value.
    texts: the column as the file writes it. known: what the estimator was fitted on.
    """
    words = {item for item in known if isinstance(item, str)}
    if texts is None or not words or not (texts.isin(words) & (values != texts)).any():
        return values
    return texts.where(texts.isin(words) | values.notna(), np.nan)


def _require_label(source: str, frame: pandas.DataFrame, label: str) -> None:
    if label not in frame.columns:
        similar = suggest([label], {str(name) for name in frame.columns})
        hint = f" (did you mean {similar[label]}?)" if similar else ""
        reason = (
            f"there is no such column{hint}; name the label's column with --label, or its file with"
            " --labels"
        )
        raise DataInvalid(source, None, label, reason)


def _require_same_ids(
    source: str, sample: str, ids: pandas.Series, expected: pandas.Series
) -> None:
    differing = (ids.astype(str) != expected.astype(str)).to_numpy()
    if differing.any():
        reason = (
            f"this row has another id than the same row of {sample}; sort both files by it, or put"
            " the labels into the sample"
        )
        raise DataInvalid(source, int(differing.argmax()) + 2, str(ids.name), reason)


def read_table(path: Path) -> Table:
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
            return Table(frame.reset_index(drop=True), digest)
        text = content.decode("utf-8-sig")
        header = next(csv.reader(io.StringIO(text, newline="")), [])
        if not header:
            raise DataInvalid(source, None, "file", "it is empty")
        if fault := find_header_fault(",".join(header)):
            raise DataInvalid(source, 1, "header", fault)
        _require_names(source, header)
        frame = pandas.read_csv(io.StringIO(text), index_col=False, low_memory=False)
        texts = pandas.read_csv(
            io.StringIO(text), index_col=False, dtype=str, keep_default_na=False
        )
        return Table(frame, digest, texts)
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
