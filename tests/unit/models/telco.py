"""The project's own data, and files made of parts of it."""

import csv
import gzip
import io
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from mlops.models.churn.contract import CHURN
from mlops.training.csv_data import load
from mlops.training.data import Dataset

TELCO = Path(__file__).resolve().parents[3] / "data" / "telco_churn.csv.gz"

Row = Mapping[str, str]


@cache
def telco_rows() -> tuple[Row, ...]:
    with gzip.open(TELCO, "rt", encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def telco_data() -> Dataset:
    return load(TELCO, CHURN)


def as_csv(rows: Iterable[Row], header: Iterable[str] | None = None) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(header or telco_rows()[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_csv(path: Path, rows: Iterable[Row]) -> Path:
    path.write_text(as_csv(rows), encoding="utf-8")
    return path
