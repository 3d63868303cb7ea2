"""Batch jobs of a model that takes texts agree with the API on each row, in each format."""

import csv
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mlops.batch.job import Format, Limits
from mlops.batch.predicting import predict_chunk
from mlops.batch.splitting import split
from mlops.models.schemas import Request
from mlops.models.sentiment.contract import SENTIMENT
from mlops.models.validation import validate
from tests.any_model import serve
from tests.unit.models.test_text import HOSTILE

TEXTS = [
    *(text for name, text in HOSTILE.items() if name != "control characters"),
    *("", "  ", "x" * 5_001, "NA", "01", "true", 'a "quoted", text', "two\nlines"),
    *(f"sentence number {number}" for number in range(250)),
]
ROWS = [{"text_id": f"T{number}", "text": text} for number, text in enumerate(TEXTS)]


def as_csv(rows: list[dict[str, str]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, ["text_id", "text"])
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def as_json(rows: list[dict[str, str]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def as_parquet(rows: list[dict[str, str]]) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("format", "write"),
    [(Format.CSV, as_csv), (Format.JSONL, as_json), (Format.PARQUET, as_parquet)],
    ids=["csv", "jsonl", "parquet"],
)
def test_a_row_is_answered_as_the_api_answers_it(format: Format, write: Any) -> None:
    served = serve(SENTIMENT)
    (chunk,) = split(write(ROWS), format, Limits())
    predicted = predict_chunk(chunk, format, Format.JSONL, "job-1", served)
    found = {
        answer["text_id"]: answer for answer in map(json.loads, predicted.results.splitlines())
    }
    errors = {error["row"]: error for error in map(json.loads, predicted.errors.splitlines())}
    for number, row in enumerate(ROWS, start=1):
        request = validate(SENTIMENT, row)
        if isinstance(request, Request):
            numbers = served.predictor.predict_one(SENTIMENT.encoder.tensors([request]))
            answer = SENTIMENT.answer_to(
                request, numbers, model_version=served.version, prediction_id="any"
            ).model_dump()
            assert {**found[row["text_id"]], "prediction_id": "any"} == answer
        else:
            # A blank cell of CSV is a value that is missing.
            assert errors[number]["field"] == "text"
    assert len(found) + len(errors) == len(ROWS)
    assert len({answer["positive_probability"] for answer in found.values()}) > len(found) / 2


def test_no_text_is_in_an_error() -> None:
    served = serve(SENTIMENT)
    secret = "secret " * 1_000
    (chunk,) = split(as_json([{"text_id": "T1", "text": secret}]), Format.JSONL, Limits())
    predicted = predict_chunk(chunk, Format.JSONL, Format.JSONL, "job-1", served)
    assert b"secret" not in predicted.errors
    assert np.array_equal((predicted.done, predicted.failed), (0, 1))
