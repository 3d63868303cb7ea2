"""Inputs and results as files of each format."""

import csv
import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from mlops.batch.job import Format


def as_format(rows: list[dict[str, Any]], format: Format) -> bytes:
    if format is Format.PARQUET:
        sink = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    if format.plain is Format.JSONL:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        text = file.getvalue()
    content = text.encode()
    return gzip.compress(content) if format.compressed else content


def as_rows(content: bytes, format: Format) -> list[dict[str, Any]]:
    if format is Format.PARQUET:
        found: list[dict[str, Any]] = parquet.read_table(pa.BufferReader(content)).to_pylist()
        return found
    text = (gzip.decompress(content) if format.compressed else content).decode()
    if format.plain is Format.JSONL:
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text)))


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"customer_id": f"C{n // 2}", "tenure": n % 73, "monthly_charges": 20.5}
        for n in range(count)
    ]
